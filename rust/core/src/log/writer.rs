//! The only part that writes segments: one group, one write, one sync.

use std::sync::Arc;

use super::cache::Chunk;
use super::disk::{Disk, DiskFile};
use super::error::LogError;
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_name};
use super::state::Work;
use crate::limits::{LOG_RESERVE_BYTES, LOG_ZERO_AHEAD_GROUP_BYTES_MAX};

/// Carries out the work that `Log::begin_sync` hands out. It blocks, so it runs in a thread of its own.
#[derive(Debug)]
pub struct Writer {
    disk: Arc<dyn Disk>,
    current: OpenSegment,
    zero_ahead_bytes: usize,
    /// Set by the first failure: nothing is ever written after it.
    failed: bool,
}

#[derive(Debug)]
pub(super) struct OpenSegment {
    pub file: Arc<dyn DiskFile>,
    pub path: String,
    /// The position in the stream at which the segment starts.
    pub position: u64,
    /// Where the next record goes.
    pub end: u64,
    /// How far the file reaches; zeros between `end` and here.
    pub allocated: u64,
    /// How far the file system was told that it will reach.
    pub reserved: u64,
}

impl Writer {
    pub(super) fn new(disk: Arc<dyn Disk>, current: OpenSegment, zero_ahead_bytes: usize) -> Self {
        Self { disk, current, zero_ahead_bytes, failed: false }
    }

    /// Writes and syncs one group. When it returns, everything in it is durable; after an error nothing may be assumed.
    pub fn perform(&mut self, work: &Work) -> Result<(), LogError> {
        if self.failed {
            return Err(LogError::Failed { cause: "an earlier write failed".into() });
        }
        let result = self.try_perform(work);
        self.failed = result.is_err();
        result
    }

    fn try_perform(&mut self, work: &Work) -> Result<(), LogError> {
        if let Some(header) = &work.segment {
            self.current.finish()?;
            self.current = create_segment(&self.disk, header)?;
        }
        if !work.group.is_empty() {
            self.current.write_group(&work.group, self.zero_ahead_bytes)?;
        }
        for sequence in &work.removals {
            // One by one and oldest first, so that whatever a crash leaves is still without gaps.
            remove(self.disk.as_ref(), &segment_name(*sequence))?;
        }
        Ok(())
    }
}

impl OpenSegment {
    fn write_group(&mut self, group: &[Arc<Chunk>], zero_ahead_bytes: usize) -> Result<(), LogError> {
        let start = self.end;
        for chunk in group {
            let offset = SEGMENT_HEADER_BYTES + chunk.position - self.position;
            assert_eq!(offset, self.end, "groups follow each other without gaps");
            self.end += chunk.bytes.len() as u64;
        }
        self.reserve(start);
        let parts: Vec<&[u8]> = group.iter().map(|chunk| &chunk.bytes[..]).collect();
        let written = self.file.write_parts_at(&parts, start);
        written.map_err(|error| LogError::io("write to", self.path.clone(), error))?;
        if self.end > self.allocated {
            self.allocated = self.end;
            // Overwriting zeros needs no change of the file's extents or length, which halves the time of a small sync
            // (measured on ext4). A large group gains nothing, so it pays nothing.
            if self.end - start <= LOG_ZERO_AHEAD_GROUP_BYTES_MAX {
                self.write(&vec![0; zero_ahead_bytes], self.end)?;
                self.allocated += zero_ahead_bytes as u64;
            }
        }
        self.sync()
    }

    /// Has the file system find its blocks in advance and for many groups at once, where a large one starts at `start`: page
    /// by page, as they are written, it takes as long as the write itself (measured on ext4).
    fn reserve(&mut self, start: u64) {
        if self.end > self.reserved && self.end - start > LOG_ZERO_AHEAD_GROUP_BYTES_MAX {
            self.reserved = self.end + LOG_RESERVE_BYTES;
            self.file.reserve(start, self.reserved - start);
        }
    }

    /// Gives back what was allocated and reserved ahead, before the next segment is begun.
    fn finish(&mut self) -> Result<(), LogError> {
        if self.allocated.max(self.reserved) > self.end {
            // It need not be durable: zeros behind the last record are nothing.
            self.file.set_length(self.end).map_err(|error| LogError::io("shorten", self.path.clone(), error))?;
            self.allocated = self.end;
        }
        Ok(())
    }

    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> Result<(), LogError> {
        self.file.write_at(bytes, offset).map_err(|error| LogError::io("write to", self.path.clone(), error))
    }

    pub(super) fn sync(&self) -> Result<(), LogError> {
        self.file.sync().map_err(|error| LogError::io("sync", self.path.clone(), error))
    }
}

/// Creates a segment whose header and name are durable.
pub(super) fn create_segment(disk: &Arc<dyn Disk>, header: &SegmentHeader) -> Result<OpenSegment, LogError> {
    let name = header.name();
    let path = disk.path(&name);
    let file = disk.open(&name, true).map_err(|error| LogError::io("create", path.clone(), error))?;
    let (end, allocated) = (SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES);
    let segment = OpenSegment { file, path, position: header.position, end, allocated, reserved: 0 };
    segment.write(&header.encode(), 0)?;
    segment.sync()?;
    sync_directory(disk.as_ref())?;
    Ok(segment)
}

/// Removes a file durably.
pub(super) fn remove(disk: &dyn Disk, name: &str) -> Result<(), LogError> {
    disk.remove(name).map_err(|error| LogError::io("remove", disk.path(name), error))?;
    sync_directory(disk)
}

pub(super) fn sync_directory(disk: &dyn Disk) -> Result<(), LogError> {
    disk.sync_directory().map_err(|error| LogError::io("sync", disk.path(""), error))
}
