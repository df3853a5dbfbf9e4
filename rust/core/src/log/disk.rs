//! The few file operations that the log needs, so that a simulated disk can stand in for the real one.

use std::any::Any;
use std::fmt::Debug;
use std::io;
use std::sync::Arc;

/// One folder of files. Creations, renames and removals are durable only after `sync_directory`.
pub trait Disk: Debug + Send + Sync {
    /// Keeps every other process (and every other log of this one) out for as long as the guard lives.
    /// `WouldBlock` means that somebody else is in; the text of the error then names the holder.
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>>;
    /// The names of the files in the folder, in no particular order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Opens an existing file, or creates an empty one.
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, replacing what was there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes creations, renames and removals durable.
    fn sync_directory(&self) -> io::Result<()>;
    /// How a person finds the file (or, for an empty name, the folder), for messages.
    fn path(&self, name: &str) -> String;
}

/// One open file. What was written is durable only after `sync`; after a failed `sync` nothing about the file may be assumed.
pub trait DiskFile: Debug + Send + Sync {
    /// The length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Fills the buffer; the file must reach that far.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of it, growing the file if needed; a gap reads as zeros.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Writes the parts one behind the other, like `write_at`; a disk that can do so writes them at once.
    fn write_parts_at(&self, parts: &[&[u8]], mut offset: u64) -> io::Result<()> {
        for part in parts {
            self.write_at(part, offset)?;
            offset += part.len() as u64;
        }
        Ok(())
    }
    /// Says that so much will soon be written from `offset` on. Neither contents nor length change; a disk that cannot
    /// prepare for it does nothing.
    fn reserve(&self, _offset: u64, _length: u64) {}
    /// Cuts the file, or extends it with zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Makes contents and length durable.
    fn sync(&self) -> io::Result<()>;
}
