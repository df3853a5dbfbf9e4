//! Where a log is kept: its disk and the segments that are on it.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};

/// A segment that is on the disk.
#[derive(Debug)]
pub(super) struct Segment {
    pub sequence: u64,
    pub position: u64,
    /// Opened when it is first read.
    pub file: Option<Arc<dyn DiskFile>>,
}

/// Where the log is kept; an in-memory log has none.
pub(super) struct Storage {
    pub disk: Arc<dyn Disk>,
    pub segments: VecDeque<Segment>,
    pub segment_bytes: u64,
    pub cache_bytes: usize,
    /// Held as long as the log lives.
    pub _lock: Box<dyn Any + Send + Sync>,
}

impl Storage {
    /// Whether a group that starts at `position` starts a new segment.
    pub fn is_full(&self, position: u64) -> bool {
        self.segments.back().is_some_and(|current| position - current.position >= self.segment_bytes)
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Storage").field("disk", &self.disk).field("segments", &self.segments).finish()
    }
}
