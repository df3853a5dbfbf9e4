//! Snapshot files: written beside, synced, renamed, and the folder synced; so there is always a whole one.

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
pub(super) fn snapshot_name(snapshot: SnapshotId) -> String {
    format!("snapshot-{:020}-{:020}.data", snapshot.index, snapshot.term)
}

/// The snapshot that a file name speaks of.
pub(super) fn parse_snapshot_name(name: &str) -> Option<SnapshotId> {
    let (index, term) = name.strip_prefix("snapshot-")?.strip_suffix(".data")?.split_once('-')?;
    Some(SnapshotId { index: index.parse().ok()?, term: term.parse().ok()? })
}

/// Writes a snapshot; when it returns, the snapshot is durable under its name. After an error of the write itself the
/// previous snapshot still stands; the second value of the error says whether that is certain.
pub(super) fn write_snapshot(disk: &dyn Disk, snapshot: SnapshotId, data: &[u8]) -> Result<(), (LogError, bool)> {
    let name = snapshot_name(snapshot);
    let beside = format!("{name}{TEMPORARY_SUFFIX}");
    if let Err(error) = write_beside(disk, &beside, snapshot, data) {
        // The half-written file is worthless; whether it can be removed changes nothing.
        let _ = disk.remove(&beside);
        return Err((error, true));
    }
    let renamed = disk.rename(&beside, &name).map_err(|error| LogError::io("rename", disk.path(&beside), error));
    renamed.and_then(|()| sync_directory(disk)).map_err(|error| (error, false))
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
pub(super) fn read_snapshot(disk: &dyn Disk, snapshot: SnapshotId) -> Result<Vec<u8>, LogError> {
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
pub(super) fn remove_others(disk: &dyn Disk, names: &[String], kept: SnapshotId) -> Result<(), LogError> {
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
