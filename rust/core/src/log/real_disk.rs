//! The real folder: `pwritev`, `fdatasync`, and an advisory lock on a file of its own.

use std::any::Any;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use super::disk::{Disk, DiskFile};

const LOCK_NAME: &str = "lock";
/// As many parts as Linux takes in one call (IOV_MAX).
const IO_SLICES_COUNT_MAX: usize = 1024;

/// A folder of the file system.
#[derive(Debug)]
pub struct RealDisk {
    directory: PathBuf,
    syncs: bool,
}

impl RealDisk {
    /// Creates the folder if needed, and makes it durable. With `syncs` off nothing survives a power cut: for measurements only.
    pub fn new(directory: &Path, syncs: bool) -> io::Result<Self> {
        let missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.exists()).collect();
        fs::create_dir_all(directory)?;
        for created in missing.iter().filter(|_| syncs) {
            let parent = created.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { directory: directory.to_path_buf(), syncs })
    }
}

/// Only the owner may read what is created: there are configurations and password hashes in it.
fn options(create: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(false).mode(0o600);
    options
}

impl Disk for RealDisk {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        let path = self.directory.join(LOCK_NAME);
        let mut file = options(true).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = file.take(32).read_to_string(&mut holder);
                let holder = holder.trim();
                let text = if holder.is_empty() { "another process".into() } else { format!("process {holder}") };
                return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
            }
            Err(error) => return Err(error.into()),
        }
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Box::new(file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.directory.join(name);
        let file = options(create).open(path)?;
        Ok(Arc::new(RealFile { file, syncs: self.syncs }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.directory.join(from), self.directory.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.directory.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        if self.syncs { File::open(&self.directory)?.sync_all() } else { Ok(()) }
    }

    fn path(&self, name: &str) -> String {
        let path = if name.is_empty() { self.directory.clone() } else { self.directory.join(name) };
        path.display().to_string()
    }
}

#[derive(Debug)]
struct RealFile {
    file: File,
    syncs: bool,
}

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    #[cfg(target_os = "linux")]
    fn write_parts_at(&self, parts: &[&[u8]], mut offset: u64) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut left = &mut slices[..];
        // Skips empty parts at the start, as below, so that nothing written means a disk that takes no more.
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            let written = match rustix::io::pwritev(&self.file, &left[..left.len().min(IO_SLICES_COUNT_MAX)], offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            offset += written as u64;
            IoSlice::advance_slices(&mut left, written);
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn reserve(&self, offset: u64, length: u64) {
        // A file system that cannot do it, or has no room, says so again when it is written to.
        let _ = rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::KEEP_SIZE, offset, length);
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        // Data, and what is needed to read it back (the length too); times may lag.
        if self.syncs { self.file.sync_data() } else { Ok(()) }
    }
}
