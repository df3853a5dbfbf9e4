//! Snapshot files: written beside, synced, renamed, and the folder synced; so there is always a whole one.

use std::sync::Arc;

use super::disk::Disk;
use super::error::LogError;
use super::record::word64;
use super::state::SnapshotId;
use super::writer::{remove, sync_directory};

const MAGIC: &[u8; 8] = b"nacossnp";
const VERSION: u64 = 1;
const HEADER_BYTES: usize = 56;
const TEMPORARY_SUFFIX: &str = ".unfinished";

/// The file name of a snapshot.
fn snapshot_name(snapshot: SnapshotId) -> String {
    format!("snapshot-{:020}-{:020}.data", snapshot.index, snapshot.term)
}

/// The snapshot that a file name speaks of.
fn parse_snapshot_name(name: &str) -> Option<SnapshotId> {
    let (index, term) = name.strip_prefix("snapshot-")?.strip_suffix(".data")?.split_once('-')?;
    Some(SnapshotId { index: index.parse().ok()?, term: term.parse().ok()? })
}

/// A snapshot that is to be written. It needs the log only before and after.
#[derive(Debug)]
pub struct SnapshotWork {
    pub(super) id: SnapshotId,
    /// None where the log is in memory.
    pub(super) disk: Option<Arc<dyn Disk>>,
}

/// A snapshot that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub id: SnapshotId,
    pub data: Arc<Vec<u8>>,
}

/// Where the last snapshot is.
#[derive(Debug)]
pub struct SnapshotSource {
    pub(super) id: SnapshotId,
    pub(super) disk: Option<Arc<dyn Disk>>,
    /// The data itself, where the log is in memory.
    pub(super) data: Option<Arc<Vec<u8>>>,
}

impl SnapshotSource {
    /// The last snapshot, every byte of it checked; None when there is none.
    pub fn load(self) -> Result<Option<Snapshot>, LogError> {
        let Self { id, disk, data } = self;
        let data = match disk {
            None => data,
            Some(_) if id.index == 0 => None,
            Some(disk) => Some(Arc::new(read_snapshot(disk.as_ref(), id)?)),
        };
        Ok(data.map(|data| Snapshot { id, data }))
    }
}

/// Why a snapshot was not saved.
#[derive(Debug)]
pub struct SnapshotFailure {
    pub error: LogError,
    /// The previous snapshot stands, for certain. Otherwise nobody knows which of the two a restart would find.
    pub harmless: bool,
}

impl SnapshotWork {
    /// Writes the snapshot; when it returns, the snapshot is durable under its name and the previous one is gone.
    /// It blocks, so it runs in a worker thread.
    pub fn perform(&self, data: &[u8]) -> Result<(), SnapshotFailure> {
        let Some(disk) = self.disk.as_deref() else { return Ok(()) };
        let name = snapshot_name(self.id);
        let beside = format!("{name}{TEMPORARY_SUFFIX}");
        if let Err(error) = write_beside(disk, &beside, self.id, data) {
            // The half-written file is worthless; whether it can be removed changes nothing.
            let _ = disk.remove(&beside);
            return Err(SnapshotFailure { error, harmless: true });
        }
        self.replace(disk, &beside, &name).map_err(|error| SnapshotFailure { error, harmless: false })
    }

    fn replace(&self, disk: &dyn Disk, beside: &str, name: &str) -> Result<(), LogError> {
        disk.rename(beside, name).map_err(|error| LogError::io("rename", disk.path(beside), error))?;
        sync_directory(disk)?;
        let names = disk.list().map_err(|error| LogError::io("list", disk.path(""), error))?;
        remove_others(disk, &names, self.id)
    }
}

fn write_beside(disk: &dyn Disk, name: &str, snapshot: SnapshotId, data: &[u8]) -> Result<(), LogError> {
    let path = disk.path(name);
    let failed = |action| {
        let path = path.clone();
        move |error| LogError::io(action, path, error)
    };
    let file = disk.open(name, true).map_err(failed("create"))?;
    file.set_length(0).map_err(failed("shorten"))?;
    file.write_at(&encode_header(snapshot, data), 0).map_err(failed("write to"))?;
    file.write_at(data, HEADER_BYTES as u64).map_err(failed("write to"))?;
    file.sync().map_err(failed("sync"))
}

/// Reads a snapshot back and checks every byte of it.
fn read_snapshot(disk: &dyn Disk, snapshot: SnapshotId) -> Result<Vec<u8>, LogError> {
    let name = snapshot_name(snapshot);
    let path = disk.path(&name);
    let damaged = |offset: usize, what: &str| LogError::Damaged {
        path: path.clone(),
        offset: offset as u64,
        what: what.to_owned(),
    };
    let file = disk.open(&name, false).map_err(|error| LogError::io("open", path.clone(), error))?;
    let length = file.length().map_err(|error| LogError::io("read the length of", path.clone(), error))? as usize;
    if length < HEADER_BYTES {
        return Err(damaged(0, "the snapshot is shorter than its header"));
    }
    let mut header = [0; HEADER_BYTES];
    let mut data = vec![0; length - HEADER_BYTES];
    let read = file.read_at(&mut header, 0).and_then(|()| file.read_at(&mut data, HEADER_BYTES as u64));
    read.map_err(|error| LogError::io("read", path.clone(), error))?;
    let expected = encode_header(snapshot, &data);
    let same_until = header.iter().zip(&expected).position(|(found, expected)| found != expected);
    match same_until {
        None => Ok(data),
        Some(offset) if offset < 40 => Err(damaged(offset, "the header of the snapshot is not that of its name")),
        Some(_) => Err(damaged(HEADER_BYTES, "the checksum or the length of the snapshot's data does not match")),
    }
}

/// The newest snapshot of the folder. Older and unfinished ones are removed.
pub(super) fn newest_snapshot(disk: &dyn Disk, names: &[String]) -> Result<SnapshotId, LogError> {
    let found = names.iter().filter_map(|name| parse_snapshot_name(name));
    let newest = found.max_by_key(|snapshot| (snapshot.index, snapshot.term)).unwrap_or_default();
    remove_others(disk, names, newest)?;
    Ok(newest)
}

/// Removes every snapshot but one, and unfinished ones.
fn remove_others(disk: &dyn Disk, names: &[String], kept: SnapshotId) -> Result<(), LogError> {
    for name in names {
        let other = parse_snapshot_name(name).is_some_and(|snapshot| snapshot != kept);
        if other || (name.starts_with("snapshot-") && name.ends_with(TEMPORARY_SUFFIX)) {
            remove(disk, name)?;
        }
    }
    Ok(())
}

fn encode_header(snapshot: SnapshotId, data: &[u8]) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    let numbers = [VERSION, snapshot.index, snapshot.term, 0, data.len() as u64, u64::from(crc32fast::hash(data))];
    for (slot, number) in header[8..].chunks_exact_mut(8).zip(numbers) {
        slot.copy_from_slice(&number.to_le_bytes());
    }
    debug_assert_eq!(word64(&header, 16), snapshot.index);
    header
}
