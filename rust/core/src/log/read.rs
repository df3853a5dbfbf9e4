//! Reading entries back: the recent ones from memory, older ones from their segments, checked again.

use std::ops::Range;
use std::sync::Arc;

use super::disk::DiskFile;
use super::error::LogError;
use super::record::{Defect, Kind, Place, RECORD_HEADER_BYTES, Record, decode};
use super::segment::{SEGMENT_HEADER_BYTES, segment_name};
use super::state::Log;
use crate::limits::LOG_READ_BLOCK_BYTES;

/// Entries that were read, their payloads in one buffer.
#[derive(Debug, Default)]
pub struct Slice {
    bytes: Vec<u8>,
    entries: Vec<(u64, u64, Range<usize>)>,
}

impl Slice {
    /// Index, term and payload of each entry, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64, &[u8])> {
        self.entries.iter().map(|(index, term, range)| (*index, *term, &self.bytes[range.clone()]))
    }

    fn push(&mut self, index: u64, term: u64, payload: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.entries.push((index, term, start..self.bytes.len()));
    }
}

impl Gather for Slice {
    fn take(&mut self, index: u64, term: u64, payload: &[u8], max_bytes: usize) -> bool {
        let fits = self.entries.is_empty() || self.bytes.len() + payload.len() <= max_bytes;
        if fits {
            self.push(index, term, payload);
        }
        fits
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// What entries are read into.
pub trait Gather: Default {
    /// Takes one more entry, the first in any case, another if it still fits into `max_bytes`; says whether it did.
    fn take(&mut self, index: u64, term: u64, payload: &[u8], max_bytes: usize) -> bool;
    /// Whether nothing was taken yet.
    fn is_empty(&self) -> bool;
}

/// What was found: the entries, or where on the disk they are, to be read without holding the log.
#[derive(Debug)]
pub enum Reading<G> {
    Ready(G),
    OnDisk(DiskReading),
}

/// Entries to be read from one segment.
#[derive(Debug)]
pub struct DiskReading {
    file: Arc<dyn DiskFile>,
    path: String,
    segment_position: u64,
    salt: u64,
    max_bytes: usize,
    first_index: u64,
    positions: Vec<u64>,
}

impl Log {
    /// The entries from `first` to `last` (both included), as many as fit into `max_bytes` of payload but at least one.
    /// The answer may end early; ask again for the rest.
    pub fn slice(&mut self, first: u64, last: u64, max_bytes: usize) -> Result<Reading<Slice>, LogError> {
        self.gather(first, last, max_bytes)
    }

    /// Like `slice`, into whatever the caller wants.
    pub(super) fn gather<G: Gather>(
        &mut self,
        first: u64,
        last: u64,
        max_bytes: usize,
    ) -> Result<Reading<G>, LogError> {
        self.check()?;
        if first < self.first_index() || last > self.last_index() {
            let (first_index, last_index) = (self.first_index(), self.last_index());
            let index = if first < first_index { first } else { last };
            return Err(LogError::OutOfRange { index, first: first_index, last: last_index });
        }
        let mut gathered = G::default();
        for index in first..=last {
            let position = self.index.position(index).unwrap_or(u64::MAX);
            let Some(bytes) = self.in_memory_at(position) else {
                if gathered.is_empty() {
                    return self.plan_reading(first, last, max_bytes).map(Reading::OnDisk);
                }
                break;
            };
            // What this process wrote into its own memory needs no second check of its checksum on the disk.
            let (record, _) = decode(bytes, Place { salt: self.salt, position }).map_err(|_| damaged_memory(index))?;
            if !gathered.take(index, record.term, record.payload, max_bytes) {
                break;
            }
        }
        Ok(Reading::Ready(gathered))
    }

    fn in_memory_at(&self, position: u64) -> Option<&[u8]> {
        match position.checked_sub(self.pending_position) {
            Some(offset) => self.pending.get(offset as usize..).filter(|bytes| !bytes.is_empty()),
            None => self.cache.read(position),
        }
    }

    fn plan_reading(&mut self, first: u64, last: u64, max_bytes: usize) -> Result<DiskReading, LogError> {
        let storage = self.storage.as_mut().ok_or_else(|| damaged_memory(first))?;
        let position = self.index.position(first).unwrap_or(u64::MAX);
        let behind = storage.segments.partition_point(|segment| segment.position <= position);
        let in_memory = self.cache.start().unwrap_or(self.pending_position);
        let end = storage.segments.get(behind).map_or(in_memory, |segment| segment.position.min(in_memory));
        let segment = behind.checked_sub(1).and_then(|at| storage.segments.get_mut(at));
        let segment = segment.ok_or_else(|| damaged_memory(first))?;
        let name = segment_name(segment.sequence);
        let path = storage.disk.path(&name);
        if segment.file.is_none() {
            let opened = storage.disk.open(&name, false);
            segment.file = Some(opened.map_err(|error| LogError::io("open", path.clone(), error))?);
        }
        let file = segment.file.clone().ok_or(LogError::Closed)?;
        let count_max = max_bytes / RECORD_HEADER_BYTES + 1;
        let positions = (first..=last).take(count_max).filter_map(|index| self.index.position(index));
        Ok(DiskReading {
            file,
            path,
            segment_position: segment.position,
            salt: self.salt,
            max_bytes,
            first_index: first,
            positions: positions.take_while(|position| *position < end).collect(),
        })
    }
}

impl DiskReading {
    /// Reads and checks the entries.
    pub fn read<G: Gather>(self) -> Result<G, LogError> {
        let mut window = Window::new(Arc::clone(&self.file), self.path.clone())?;
        let mut gathered = G::default();
        for (at, position) in self.positions.iter().enumerate() {
            let index = self.first_index + at as u64;
            let offset = SEGMENT_HEADER_BYTES + position - self.segment_position;
            let damaged = |what: &str| LogError::Damaged { path: self.path.clone(), offset, what: what.to_owned() };
            let (record, _) = match window.record(offset, Place { salt: self.salt, position: *position })? {
                Ok(found) => found,
                Err(Defect::Invalid(what)) => return Err(damaged(what)),
                Err(_) => return Err(damaged("the record is gone")),
            };
            if record.kind != Kind::Entry || record.index != index {
                return Err(damaged("another record stands here"));
            }
            if !gathered.take(index, record.term, record.payload, self.max_bytes) {
                break;
            }
        }
        Ok(gathered)
    }
}

/// A part of a file in memory, read in blocks.
#[derive(Debug)]
pub(super) struct Window {
    file: Arc<dyn DiskFile>,
    path: String,
    pub length: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    pub fn new(file: Arc<dyn DiskFile>, path: String) -> Result<Self, LogError> {
        let length = file.length().map_err(|error| LogError::io("read the length of", path.clone(), error))?;
        Ok(Self { file, path, length, start: 0, bytes: Vec::new() })
    }

    /// The record at an offset, read on as far as it needs.
    pub fn record(&mut self, offset: u64, place: Place) -> Result<Result<(Record<'_>, usize), Defect>, LogError> {
        self.load(offset, RECORD_HEADER_BYTES)?;
        if let Err(Defect::Short { needed }) = decode(self.at(offset), place) {
            self.load(offset, needed)?;
        }
        Ok(decode(self.at(offset), place))
    }

    /// The bytes from one offset to another, or to the end of the file.
    pub fn range(&mut self, start: u64, end: u64) -> Result<&[u8], LogError> {
        let end = end.min(self.length).max(start);
        self.load(start, (end - start) as usize)?;
        let bytes = self.at(start);
        Ok(&bytes[..bytes.len().min((end - start) as usize)])
    }

    fn at(&self, offset: u64) -> &[u8] {
        offset.checked_sub(self.start).and_then(|skip| self.bytes.get(skip as usize..)).unwrap_or_default()
    }

    /// Has at least `needed` bytes from `offset` in memory, or all up to the end of the file.
    fn load(&mut self, offset: u64, needed: usize) -> Result<(), LogError> {
        let end = (offset + needed as u64).min(self.length);
        if offset >= self.start && end <= self.start + self.bytes.len() as u64 {
            return Ok(());
        }
        let end = end.max(offset + LOG_READ_BLOCK_BYTES as u64).min(self.length);
        self.start = offset;
        self.bytes.resize(end.saturating_sub(offset) as usize, 0);
        let read = self.file.read_at(&mut self.bytes, offset);
        read.map_err(|error| LogError::io("read", self.path.clone(), error))
    }
}

fn damaged_memory(index: u64) -> LogError {
    LogError::Damaged {
        path: "the log in memory".into(),
        offset: 0,
        what: format!("entry {index} is not where it should be"),
    }
}
