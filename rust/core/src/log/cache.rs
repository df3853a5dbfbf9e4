//! The most recent part of the record stream, kept in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::limits::{LOG_CHUNK_BYTES, LOG_SPARE_CHUNKS_COUNT_MAX};

/// A contiguous piece of the record stream; records do not span chunks.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub position: u64,
    pub bytes: Vec<u8>,
}

impl Chunk {
    pub fn end(&self) -> u64 {
        self.position + self.bytes.len() as u64
    }
}

/// A bounded queue of chunks, newest last. What falls out is read back from the segments.
///
/// Buffers are used again: a page that is touched for the first time costs more than all else that is done to it.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    chunks: VecDeque<Arc<Chunk>>,
    bytes: usize,
    spares: Vec<Vec<u8>>,
}

impl Cache {
    pub fn push(&mut self, chunk: Arc<Chunk>) {
        self.bytes += chunk.bytes.len();
        self.chunks.push_back(chunk);
    }

    /// The stream from `position` to the end of its chunk.
    pub fn read(&self, position: u64) -> Option<&[u8]> {
        let behind = self.chunks.partition_point(|chunk| chunk.position <= position);
        let chunk = self.chunks.get(behind.checked_sub(1)?)?;
        chunk.bytes.get((position - chunk.position) as usize..).filter(|bytes| !bytes.is_empty())
    }

    /// An empty buffer for the next chunk.
    pub fn buffer(&mut self) -> Vec<u8> {
        self.spares.pop().unwrap_or_else(|| Vec::with_capacity(LOG_CHUNK_BYTES))
    }

    /// The position from which on everything is here.
    pub fn start(&self) -> Option<u64> {
        self.chunks.front().map(|chunk| chunk.position)
    }

    /// Lets the oldest chunks go until the rest fits, but only such as end at or before `written`.
    pub fn shrink_to_bytes(&mut self, limit: usize, written: u64) {
        while self.bytes > limit && self.chunks.front().is_some_and(|chunk| chunk.end() <= written) {
            self.pop();
        }
    }

    /// Lets chunks go that end at or before `position`.
    pub fn drop_before(&mut self, position: u64) {
        while self.chunks.front().is_some_and(|chunk| chunk.end() <= position) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(chunk) = self.chunks.pop_front() else { return };
        self.bytes -= chunk.bytes.len();
        let whole = (LOG_CHUNK_BYTES..=2 * LOG_CHUNK_BYTES).contains(&chunk.bytes.capacity());
        if whole && self.spares.len() < LOG_SPARE_CHUNKS_COUNT_MAX {
            self.spares.extend(Arc::into_inner(chunk).map(|chunk| {
                let mut bytes = chunk.bytes;
                bytes.clear();
                bytes
            }));
        }
    }
}
