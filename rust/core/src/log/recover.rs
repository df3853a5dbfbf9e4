//! Opening a log: what is whole is kept, what a crash tore is cut and reported, anything else refuses to start.
//!
//! Each group of records is written at once, synced once, and ends with a mark. The next group is written only after the
//! sync of the one before has succeeded. So, in the last segment (a segment is begun only when those before are synced):
//! - damage with no mark behind it lies in a group that was never acknowledged: a torn tail, to be cut;
//! - damage in front of the group of the last mark had been synced: refused;
//! - damage inside the group of the last mark is a torn write only if sectors of it are blank that were not blank when
//!   it was written (the mark says how many were); else every sector had arrived and was changed later: refused.

use std::sync::Arc;

use super::disk::Disk;
use super::error::LogError;
use super::index::Index;
use super::read::Window;
use super::record::{
    Defect, Kind, MARK_PAYLOAD_BYTES, Place, RECORD_ALIGN_BYTES, Record, blank_sectors, decode, encode, fill_checksums,
    mark_candidates, mark_payload, marked_commit, record_bytes,
};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_name, segment_sequence};
use super::snapshot::newest_snapshot;
use super::state::{HardState, Log, SnapshotId};
use super::storage::{Segment, Storage};
use super::writer::{OpenSegment, Writer, create_segment, remove, sync_directory};
use crate::limits::{LOG_CACHE_BYTES, LOG_SEGMENT_BYTES, LOG_VOTE_BYTES_MAX, LOG_ZERO_AHEAD_BYTES};

/// How a log is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A new segment is begun at the first sync after the current one has grown to this.
    pub segment_bytes: u64,
    /// A random number for the checksums of a log that is created now; an existing log has its own. It keeps a client
    /// from writing something into a payload that recovery would take for a record.
    pub salt: u64,
    /// How much of the log stays in memory; a part of it more while it is being written.
    pub cache_bytes: usize,
    /// Zeros written ahead of small groups (see `LOG_ZERO_AHEAD_BYTES`).
    pub zero_ahead_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: LOG_SEGMENT_BYTES,
            salt: 0,
            cache_bytes: LOG_CACHE_BYTES,
            zero_ahead_bytes: LOG_ZERO_AHEAD_BYTES,
        }
    }
}

/// What the records read so far amount to.
#[derive(Debug)]
struct Replay {
    index: Index,
    hard: HardState,
    /// The newest index that a mark declares committed.
    committed: u64,
    salt: u64,
    /// The stream position behind the last whole record.
    position: u64,
    /// Where the group of the last mark starts. Up to here the sync is known to have succeeded.
    proven: u64,
    /// Whether the last record is a mark.
    ends_with_mark: bool,
    report: Option<String>,
}

/// One segment while it is read.
#[derive(Debug)]
struct Reader {
    window: Window,
    path: String,
    header: SegmentHeader,
}

impl Log {
    /// Opens the log of a folder, or creates it. Everything that the log then holds is durable.
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<(Log, Writer), LogError> {
        let lock = disk.lock().map_err(|error| lock_error(disk.as_ref(), error))?;
        let names = disk.list().map_err(|error| LogError::io("list", disk.path(""), error))?;
        // Names that a killed process left may not be durable yet.
        sync_directory(disk.as_ref())?;
        let snapshot = newest_snapshot(disk.as_ref(), &names)?;
        let mut sequences: Vec<u64> = names.iter().filter_map(|name| segment_sequence(name)).collect();
        sequences.sort_unstable();
        let headers = read_headers(disk.as_ref(), &sequences)?;
        let (replay, current) = match headers.first() {
            None => create_log(&disk, snapshot, options)?,
            Some(_) => replay_segments(&disk, &headers)?,
        };
        check_snapshot_joins(disk.as_ref(), &replay, snapshot, &headers)?;
        let segments = match headers.is_empty() {
            true => [Segment { sequence: 1, position: current.position, file: None }].into(),
            false => {
                headers.iter().map(|h| Segment { sequence: h.sequence, position: h.position, file: None }).collect()
            }
        };
        let writer = Writer::new(Arc::clone(&disk), current, options.zero_ahead_bytes);
        let storage = Storage {
            disk,
            segments,
            segment_bytes: options.segment_bytes,
            cache_bytes: options.cache_bytes,
            _lock: lock,
        };
        let committed = replay.committed;
        let mut log = Log::start(replay.index, replay.hard, snapshot, replay.salt, replay.position, Some(storage));
        log.report = replay.report;
        log.start_over_behind_snapshot();
        log.recover_commit(committed);
        Ok((log, writer))
    }
}

fn lock_error(disk: &dyn Disk, error: std::io::Error) -> LogError {
    match error.kind() {
        std::io::ErrorKind::WouldBlock => LogError::Locked { path: disk.path(""), holder: error.to_string() },
        _ => LogError::io("lock", disk.path(""), error),
    }
}

/// The headers of all segments, oldest first. A last segment that a crash left without a header is removed.
fn read_headers(disk: &dyn Disk, sequences: &[u64]) -> Result<Vec<SegmentHeader>, LogError> {
    let mut headers: Vec<SegmentHeader> = Vec::with_capacity(sequences.len());
    for (at, sequence) in sequences.iter().enumerate() {
        let name = segment_name(*sequence);
        let path = disk.path(&name);
        let damaged = |what: &str| LogError::Damaged { path: path.clone(), offset: 0, what: what.to_owned() };
        let file = disk.open(&name, false).map_err(|error| LogError::io("open", path.clone(), error))?;
        let mut window = Window::new(file, path.clone())?;
        let header = SegmentHeader::decode(window.range(0, SEGMENT_HEADER_BYTES)?).map_err(damaged)?;
        let Some(header) = header else {
            let is_last = at + 1 == sequences.len();
            let never_begun = is_last && has_nothing(&mut window)? && (at > 0 || *sequence == 1);
            if !never_begun {
                return Err(damaged("the segment header is gone"));
            }
            remove(disk, &name)?;
            break;
        };
        if header.sequence != *sequence || headers.last().is_some_and(|before| before.sequence + 1 != *sequence) {
            return Err(damaged("the segment before this one is missing"));
        }
        headers.push(header);
    }
    Ok(headers)
}

/// Whether a segment has no record: the header is synced before the first is written.
fn has_nothing(window: &mut Window) -> Result<bool, LogError> {
    let end = window.length;
    Ok(window.range(SEGMENT_HEADER_BYTES.min(end), end)?.iter().all(|byte| *byte == 0))
}

fn create_log(disk: &Arc<dyn Disk>, snapshot: SnapshotId, options: Options) -> Result<(Replay, OpenSegment), LogError> {
    if snapshot.index > 0 {
        let what = "there is a snapshot, but no log segment".to_owned();
        return Err(LogError::Damaged { path: disk.path(&segment_name(1)), offset: 0, what });
    }
    let hard = HardState::default();
    let header = SegmentHeader { sequence: 1, position: 0, last_index: 0, last_term: 0, salt: options.salt, hard };
    let current = create_segment(disk, &header)?;
    Ok((Replay::new(&header), current))
}

/// An older snapshot than the first entry would leave a gap.
fn check_snapshot_joins(
    disk: &dyn Disk,
    replay: &Replay,
    snapshot: SnapshotId,
    headers: &[SegmentHeader],
) -> Result<(), LogError> {
    let base_index = replay.index.base_index();
    if base_index <= snapshot.index {
        return Ok(());
    }
    let path = disk.path(&headers.first().map_or_else(|| segment_name(1), SegmentHeader::name));
    let what = format!("the entries {} to {base_index} are neither in a snapshot nor in the log", snapshot.index + 1);
    Err(LogError::Damaged { path, offset: 0, what })
}

fn replay_segments(disk: &Arc<dyn Disk>, headers: &[SegmentHeader]) -> Result<(Replay, OpenSegment), LogError> {
    let mut replay = Replay::new(&headers[0]);
    let mut current = None;
    for (at, header) in headers.iter().enumerate() {
        let name = header.name();
        let path = disk.path(&name);
        let file = disk.open(&name, false).map_err(|error| LogError::io("open", path.clone(), error))?;
        let window = Window::new(Arc::clone(&file), path.clone())?;
        let mut reader = Reader { window, path: path.clone(), header: header.clone() };
        replay.check_continues(&reader)?;
        let damage = replay.read_segment(&mut reader)?;
        let is_last = at + 1 == headers.len();
        if let Some((offset, what)) = damage {
            if !is_last || !reader.is_torn(offset)? {
                return Err(LogError::Damaged { path, offset, what });
            }
            replay.report = Some(reader.describe_cut(offset)?);
        }
        if is_last {
            let end = SEGMENT_HEADER_BYTES + replay.position - header.position;
            let allocated = reader.window.length.max(end);
            let segment = OpenSegment { file, path, position: header.position, end, allocated, reserved: 0 };
            current = Some(replay.make_durable(&mut reader, segment)?);
        }
    }
    Ok((replay, current.expect("there is at least one segment")))
}

impl Replay {
    fn new(header: &SegmentHeader) -> Self {
        Self {
            index: Index::new(header.last_index, header.last_term),
            hard: header.hard.clone(),
            committed: 0,
            salt: header.salt,
            position: header.position,
            proven: header.position,
            ends_with_mark: true,
            report: None,
        }
    }

    fn check_continues(&mut self, reader: &Reader) -> Result<(), LogError> {
        let header = &reader.header;
        let here = (self.position, self.index.last_index(), self.index.last_term(), &self.hard, self.salt);
        if here != (header.position, header.last_index, header.last_term, &header.hard, header.salt) {
            let what = "the segment does not continue the one before".to_owned();
            return Err(LogError::Damaged { path: reader.path.clone(), offset: 0, what });
        }
        self.proven = header.position;
        self.ends_with_mark = true;
        Ok(())
    }

    /// Takes in the records of a segment up to its end, or to the first damage: its offset, and what is wrong there.
    fn read_segment(&mut self, reader: &mut Reader) -> Result<Option<(u64, String)>, LogError> {
        loop {
            let offset = SEGMENT_HEADER_BYTES + self.position - reader.header.position;
            let (record, size) =
                match reader.window.record(offset, Place { salt: self.salt, position: self.position })? {
                    Ok(found) => found,
                    Err(Defect::Blank) => {
                        let at_end = reader.is_blank_from(offset)?;
                        return Ok((!at_end).then(|| (offset, "a blank where a record should be".into())));
                    }
                    Err(Defect::Short { .. }) => return Ok(Some((offset, "the file ends inside a record".into()))),
                    Err(Defect::Invalid(what)) => return Ok(Some((offset, what.into()))),
                };
            if let Err(what) = self.apply(&record, reader.header.position) {
                return Err(LogError::Damaged { path: reader.path.clone(), offset, what: what.to_owned() });
            }
            self.ends_with_mark = record.kind == Kind::Mark;
            if self.ends_with_mark {
                self.proven = record.index;
            }
            self.position += size as u64;
        }
    }

    /// Takes in one record. A checksum that matches says that it was written so; whether it makes sense is checked as well.
    fn apply(&mut self, record: &Record<'_>, segment_position: u64) -> Result<(), &'static str> {
        match record.kind {
            Kind::Entry if record.index != self.index.last_index() + 1 => {
                return Err("an entry is missing in front of this one");
            }
            Kind::Entry if record.term < self.index.last_term() => return Err("the term of the entry goes back"),
            Kind::Entry => self.index.push(record.term, self.position, record.payload),
            Kind::Hard => {
                let vote = std::str::from_utf8(record.payload).map_err(|_| "the vote is not text")?;
                if vote.len() > LOG_VOTE_BYTES_MAX {
                    return Err("the vote is too long");
                }
                self.hard = HardState { term: record.term, vote: vote.to_owned() };
            }
            Kind::Cut => self.index.cut_to(record.index, record.term),
            Kind::Mark if !(segment_position..=self.position).contains(&record.index) => {
                return Err("the mark is not that of a group of this segment");
            }
            Kind::Mark => self.committed = self.committed.max(marked_commit(record.payload)?),
        }
        Ok(())
    }

    /// Cuts what is torn, and makes certain that what is kept is on the disk.
    ///
    /// That it could be read proves nothing: it may come from pages that a failed sync of a killed process left in
    /// memory, marked clean. So what is behind the last sync known to have succeeded is written again.
    fn make_durable(&mut self, reader: &mut Reader, mut segment: OpenSegment) -> Result<OpenSegment, LogError> {
        if self.report.is_some() {
            let set = segment.file.set_length(segment.end);
            set.map_err(|error| LogError::io("shorten", segment.path.clone(), error))?;
            segment.allocated = segment.end;
            reader.window.length = segment.end;
            // The cut must be there before anything is written behind it, or the rest might seem to belong to that.
            segment.sync()?;
        }
        let start = SEGMENT_HEADER_BYTES + self.proven - segment.position;
        let mut bytes = reader.window.range(start, segment.end)?.to_vec();
        if !self.ends_with_mark {
            let blanks = blank_sectors(&bytes, start);
            let mark = bytes.len();
            encode(&mut bytes, Kind::Mark, self.proven, blanks, &mark_payload(self.committed));
            fill_checksums(&mut bytes[mark..], self.salt, self.position);
            let size = record_bytes(MARK_PAYLOAD_BYTES) as u64;
            segment.end += size;
            self.position += size;
        }
        if self.proven == segment.position {
            segment.write(&reader.header.encode(), 0)?;
        }
        segment.write(&bytes, start)?;
        segment.allocated = segment.allocated.max(segment.end);
        segment.sync()?;
        Ok(segment)
    }
}

impl Reader {
    fn position_of(&self, offset: u64) -> u64 {
        self.header.position + offset - SEGMENT_HEADER_BYTES
    }

    fn is_blank_from(&mut self, offset: u64) -> Result<bool, LogError> {
        let end = self.window.length;
        Ok(self.window.range(offset, end)?.iter().all(|byte| *byte == 0))
    }

    /// Whether damage at an offset comes from a group whose sync never succeeded (the rules are at the top).
    fn is_torn(&mut self, offset: u64) -> Result<bool, LogError> {
        let Some((mark_offset, group_position, blanks)) = self.last_mark(offset)? else { return Ok(true) };
        if self.position_of(offset) < group_position {
            return Ok(false);
        }
        let group_offset = SEGMENT_HEADER_BYTES + group_position - self.header.position;
        let group = self.window.range(group_offset, mark_offset)?;
        Ok(blank_sectors(group, group_offset) > blanks)
    }

    /// The last valid mark at or behind an offset: where it is, where its group starts, and the group's blank sectors.
    fn last_mark(&mut self, offset: u64) -> Result<Option<(u64, u64, u64)>, LogError> {
        let start = offset.next_multiple_of(RECORD_ALIGN_BYTES as u64);
        let (end, salt) = (self.window.length, self.header.salt);
        let first_position = self.header.position;
        let start_position = self.position_of(start);
        let bytes = self.window.range(start, end)?;
        let marks = mark_candidates(bytes).filter_map(|at| {
            let position = start_position + at as u64;
            let (record, _) = decode(&bytes[at..], Place { salt, position }).ok()?;
            let sound = record.kind == Kind::Mark && (first_position..=position).contains(&record.index);
            sound.then_some((start + at as u64, record.index, record.term))
        });
        Ok(marks.last())
    }

    fn describe_cut(&mut self, offset: u64) -> Result<String, LogError> {
        let end = self.window.length;
        let rest = self.window.range(offset, end)?;
        let bytes = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Ok(format!(
            "{}: a write that never completed was cut at offset {offset} ({bytes} bytes); nothing acknowledged was in it",
            self.path
        ))
    }
}
