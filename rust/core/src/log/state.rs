//! The log itself, without a thread: every operation is a step in memory, and durability is handed out as work.
//!
//! All operations go into one ordered stream of records: entries, hard states and cuts. `begin_sync` takes what has
//! gathered as one group, `Writer::perform` writes and syncs it, `complete_sync` says how that went. The stream is only
//! ever appended to: a truncation is a record like any other, so nothing that was cut can come back, in whatever order
//! the disk wrote its pages.

use std::sync::Arc;

use super::cache::{Cache, Chunk};
use super::disk::Disk;
use super::error::LogError;
use super::index::Index;
use super::record::{BlankSectors, Kind, encode, fill_checksums, mark_payload, record_bytes};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::snapshot::{SnapshotFailure, SnapshotSource, SnapshotWork};
use super::storage::{Segment, Storage};
use crate::limits::{LOG_CHECKSUM_LAG_BYTES, LOG_CHUNK_BYTES, LOG_ENTRY_BYTES_MAX, LOG_VOTE_BYTES_MAX};

/// What a node must remember of elections: the current term, and whom it voted for in it ("" for nobody).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    pub term: u64,
    pub vote: String,
}

/// The last entry that a snapshot covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotId {
    pub index: u64,
    pub term: u64,
}

/// The answer to `try_append`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appending {
    /// The log agrees with the leader's up to here (`prev_index` plus the entries given).
    Appended { last_index: u64 },
    /// The entry at `prev_index` has another term, which starts (in this log) at `first_index`.
    Conflict { term: u64, first_index: u64, last_index: u64 },
    /// There is no entry at `prev_index`: the log ends before.
    TooShort { last_index: u64 },
}

/// What is durable: the entries up to `index`, and every operation up to `ticket`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    pub index: u64,
    pub ticket: u64,
}

/// One group for `Writer::perform`.
#[derive(Debug)]
pub struct Work {
    /// Start this segment first.
    pub(super) segment: Option<SegmentHeader>,
    /// The records of the group, its mark the last.
    pub(super) group: Vec<Arc<Chunk>>,
    /// Segments that hold nothing that is needed, oldest first.
    pub(super) removals: Vec<u64>,
}

/// A group that is being written.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    synced: Synced,
    /// The position behind the group.
    end: u64,
}

/// The replicated log of one node.
#[derive(Debug)]
pub struct Log {
    pub(super) index: Index,
    pub(super) hard: HardState,
    pub(super) committed: u64,
    /// What the last mark says of it, and whether a mark is wanted though nothing else is to be written.
    marked_commit: u64,
    wants_mark: bool,
    pub(super) snapshot: SnapshotId,
    /// The data of the snapshot, where there is no disk to hold it.
    pub(super) memory_snapshot: Option<Arc<Vec<u8>>>,
    pub(super) salt: u64,
    pub(super) storage: Option<Storage>,
    pub(super) cache: Cache,
    /// Full chunks that no group has taken yet; they are in the cache already.
    sealed: Vec<Arc<Chunk>>,
    /// Records behind them, and the position of the first.
    pub(super) pending: Vec<u8>,
    pub(super) pending_position: u64,
    /// How much of what is pending has its checksums.
    checked: usize,
    /// Counts the blank sectors of the group that gathers, as far as it has its checksums.
    blanks: BlankSectors,
    /// Where the next group starts, and the last entry and hard state as of there: for a segment that starts there.
    group_position: u64,
    pub(super) written: (u64, u64, HardState),
    in_flight: Option<InFlight>,
    synced: Synced,
    ticket: u64,
    failed: Option<String>,
    pub(super) report: Option<String>,
}

impl Log {
    /// A log without a disk: everything is durable at once. For embedding, simulation and measurements.
    pub fn in_memory() -> Self {
        Self::start(Index::new(0, 0), HardState::default(), SnapshotId::default(), 0, 0, None)
    }

    /// A log that holds what was recovered, all of it durable.
    pub(super) fn start(
        index: Index,
        hard: HardState,
        snapshot: SnapshotId,
        salt: u64,
        position: u64,
        storage: Option<Storage>,
    ) -> Self {
        let written = (index.last_index(), index.last_term(), hard.clone());
        let synced = Synced { index: index.last_index(), ticket: 0 };
        let mut log = Self {
            index,
            hard,
            committed: snapshot.index,
            marked_commit: snapshot.index,
            wants_mark: false,
            snapshot,
            memory_snapshot: None,
            salt,
            storage,
            cache: Cache::default(),
            sealed: Vec::new(),
            pending: Vec::new(),
            pending_position: position,
            checked: 0,
            blanks: BlankSectors::new(0),
            group_position: position,
            written,
            in_flight: None,
            synced,
            ticket: 0,
            failed: None,
            report: None,
        };
        log.blanks = BlankSectors::new(log.group_offset());
        log
    }

    /// The first entry that can be read; one more than `last_index` when there is none.
    pub fn first_index(&self) -> u64 {
        self.index.first_index()
    }

    /// The last entry, or the last one that was compacted away; 0 in a new log.
    pub fn last_index(&self) -> u64 {
        self.index.last_index()
    }

    /// The term of `last_index`; 0 in a new log.
    pub fn last_term(&self) -> u64 {
        self.index.last_term()
    }

    /// What is durable.
    pub fn synced(&self) -> Synced {
        self.synced
    }

    /// Term and vote as last set; durable once their ticket is.
    pub fn hard_state(&self) -> &HardState {
        &self.hard
    }

    /// What the caller declared committed.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// The last snapshot; index 0 when there is none.
    pub fn snapshot(&self) -> SnapshotId {
        self.snapshot
    }

    /// What recovery cut or removed, in words.
    pub fn recovery_report(&self) -> Option<&str> {
        self.report.as_deref()
    }

    /// The term of an entry, of the last one compacted away, or of the snapshot's last; `None` for any other index.
    pub fn term_at(&self, index: u64) -> Option<u64> {
        self.index.term_at(index).or_else(|| (index == self.snapshot.index && index > 0).then_some(self.snapshot.term))
    }

    /// The last entry of exactly this term that the log holds, or has compacted away last.
    pub fn last_index_of_term(&self, term: u64) -> Option<u64> {
        self.index.last_index_of_term(term)
    }

    /// The entries from `first` to `last` whose payload starts with the byte; only the index is looked at.
    pub fn indexes_starting_with(&self, byte: u8, first: u64, last: u64) -> Vec<u64> {
        self.index.starting_with(byte, first, last)
    }

    /// Refuses everything once a write or a sync has failed.
    pub fn check(&self) -> Result<(), LogError> {
        match &self.failed {
            Some(cause) => Err(LogError::Failed { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// Appends entries of one term, as a leader does; the answer is the new last index.
    pub fn append(&mut self, term: u64, payloads: &[&[u8]]) -> Result<u64, LogError> {
        self.check()?;
        self.check_terms(self.last_term(), payloads.iter().map(|payload| (term, payload.len())))?;
        for payload in payloads {
            self.push_entry(term, payload);
        }
        if !payloads.is_empty() {
            self.queued();
        }
        Ok(self.last_index())
    }

    /// Appends what a leader sent, if the log agrees with the leader's at `prev_index` (Raft, 5.3).
    ///
    /// Entries that are there already are kept, so an old message that arrives late cuts nothing. The first that differs
    /// cuts the log there. Compacted entries are committed, so they agree by definition. An error changes nothing.
    pub fn try_append(
        &mut self,
        prev_index: u64,
        prev_term: u64,
        entries: &[(u64, &[u8])],
    ) -> Result<Appending, LogError> {
        self.check()?;
        self.check_terms(prev_term, entries.iter().map(|(term, payload)| (*term, payload.len())))?;
        if prev_index > self.last_index() {
            return Ok(Appending::TooShort { last_index: self.last_index() });
        }
        match self.index.term_at(prev_index) {
            Some(term) if term != prev_term => {
                self.check_uncommitted(prev_index)?;
                let first_index = self.index.first_index_of_term_at(prev_index);
                return Ok(Appending::Conflict { term, first_index, last_index: self.last_index() });
            }
            _ => {}
        }
        let last_index = prev_index + entries.len() as u64;
        let kept = self.matching(prev_index, entries);
        if kept < entries.len() {
            let cut_index = prev_index + kept as u64;
            let before = self.index.term_at(cut_index).unwrap_or(prev_term);
            if entries[kept].0 < before {
                return Err(LogError::TermWentBack { term: entries[kept].0, after: before });
            }
            if cut_index < self.last_index() {
                self.check_uncommitted(cut_index + 1)?;
                self.push_cut(cut_index, before);
            }
            for (term, payload) in &entries[kept..] {
                self.push_entry(*term, payload);
            }
            self.queued();
        }
        Ok(Appending::Appended { last_index })
    }

    /// Sets term and vote. The ticket that comes back is durable once `synced().ticket` has reached it.
    pub fn set_hard_state(&mut self, term: u64, vote: &str) -> Result<u64, LogError> {
        self.check()?;
        if vote.len() > LOG_VOTE_BYTES_MAX {
            return Err(LogError::TooLong { what: "a vote", length: vote.len(), limit: LOG_VOTE_BYTES_MAX });
        }
        if term < self.hard.term {
            return Err(LogError::TermWentBack { term, after: self.hard.term });
        }
        if term == self.hard.term && !self.hard.vote.is_empty() && vote != self.hard.vote {
            return Err(LogError::VoteChanged { term, given: self.hard.vote.clone(), wanted: vote.to_owned() });
        }
        self.hard = HardState { term, vote: vote.to_owned() };
        self.push_record(Kind::Hard, 0, term, vote.as_bytes());
        self.queued();
        Ok(self.ticket)
    }

    /// Declares the entries up to `index` committed: they are never cut again.
    pub fn commit(&mut self, index: u64) -> Result<(), LogError> {
        self.check()?;
        if index > self.last_index() {
            return Err(LogError::OutOfRange { index, first: self.first_index(), last: self.last_index() });
        }
        self.committed = self.committed.max(index);
        Ok(())
    }

    /// Has the index that was declared committed written down now, though nothing else may be to write: a clean stop
    /// calls it. Otherwise it goes along with the next group. The ticket that comes back says when it is durable.
    pub fn mark_commit(&mut self) -> Result<u64, LogError> {
        self.check()?;
        if self.committed > self.marked_commit {
            self.wants_mark = self.storage.is_some();
            self.queued();
        }
        Ok(self.ticket)
    }

    /// Takes over what recovery found to have been declared committed.
    pub(super) fn recover_commit(&mut self, index: u64) {
        self.committed = self.committed.max(index.min(self.last_index()));
        self.marked_commit = self.committed;
    }

    /// Forgets the entries up to `index`, which the last snapshot must cover.
    pub fn compact(&mut self, index: u64) -> Result<(), LogError> {
        self.check()?;
        if index > self.snapshot.index {
            return Err(LogError::BeyondSnapshot { index, snapshot: self.snapshot.index });
        }
        self.index.drop_front(index.max(self.index.base_index()));
        if self.storage.is_none() {
            self.cache.drop_before(self.index.position(self.first_index()).unwrap_or(self.end_position()));
        }
        Ok(())
    }

    /// A snapshot that covers the entries up to `id.index`, for `SnapshotWork::perform`. Snapshots never go back.
    pub fn begin_snapshot(&self, id: SnapshotId) -> Result<SnapshotWork, LogError> {
        self.check()?;
        if id.index < self.snapshot.index.max(1) {
            return Err(LogError::SnapshotWentBack { index: id.index, snapshot: self.snapshot.index });
        }
        Ok(SnapshotWork { id, disk: self.disk() })
    }

    /// Says how the work went. A log that does not agree with the new snapshot (it ends before, or has another term there)
    /// starts over behind it. Where it is not certain which snapshot stands, the log is failed for good.
    pub fn complete_snapshot(
        &mut self,
        work: &SnapshotWork,
        data: &[u8],
        result: Result<(), SnapshotFailure>,
    ) -> Result<(), LogError> {
        if let Err(failure) = result {
            if !failure.harmless {
                self.fail(failure.error.to_string());
            }
            return Err(failure.error);
        }
        self.memory_snapshot = self.storage.is_none().then(|| Arc::new(data.to_vec()));
        self.snapshot = work.id;
        self.committed = self.committed.max(work.id.index);
        self.start_over_behind_snapshot();
        Ok(())
    }

    /// Where to load the last snapshot from; the log is not needed meanwhile.
    pub fn snapshot_source(&self) -> SnapshotSource {
        SnapshotSource { id: self.snapshot, disk: self.disk(), data: self.memory_snapshot.clone() }
    }

    /// Drops a log that the snapshot does not fit: a leader sent it because the two had nothing in common any more.
    pub(super) fn start_over_behind_snapshot(&mut self) {
        let SnapshotId { index, term } = self.snapshot;
        if index > self.index.base_index() && self.index.term_at(index) != Some(term) {
            self.push_cut(index, term);
            self.queued();
        }
    }

    /// Takes what has gathered as one group, unless one is being written or there is nothing to do.
    pub fn begin_sync(&mut self) -> Option<Work> {
        if self.failed.is_some() || self.in_flight.is_some() {
            return None;
        }
        let removals = self.take_removals();
        let grown = self.has_group();
        if !grown && removals.is_empty() {
            return None;
        }
        let synced = Synced { index: self.last_index(), ticket: self.ticket };
        let (segment, group) = if grown { (self.next_segment(), self.take_group()) } else { (None, Vec::new()) };
        self.in_flight = Some(InFlight { synced, end: self.group_position });
        Some(Work { segment, group, removals })
    }

    /// Says how the work went. After an error the log is failed for good: the pages of a failed sync may be marked clean
    /// though they were never written, so a second sync that succeeds would prove nothing.
    pub fn complete_sync(&mut self, result: Result<(), LogError>) {
        let Some(in_flight) = self.in_flight.take() else { return };
        match result {
            Ok(()) => {
                self.synced.index = self.synced.index.max(in_flight.synced.index);
                self.synced.ticket = in_flight.synced.ticket;
                if let Some(storage) = &self.storage {
                    self.cache.shrink_to_bytes(storage.cache_bytes, in_flight.end);
                }
            }
            Err(error) => self.fail(error.to_string()),
        }
    }

    /// Fails the log for good.
    pub(super) fn fail(&mut self, cause: String) {
        self.failed.get_or_insert(cause);
    }

    /// Whether something waits for `begin_sync`, which would take it now.
    pub fn has_work(&self) -> bool {
        let Some(storage) = &self.storage else { return false };
        let removable = storage.segments.get(1).is_some_and(|second| second.position <= self.first_position());
        self.failed.is_none() && self.in_flight.is_none() && (removable || self.has_group())
    }

    /// Whether there is something to write, were it only a mark.
    fn has_group(&self) -> bool {
        self.wants_mark || self.end_position() > self.group_position
    }

    /// The ticket of the last operation.
    pub fn ticket(&self) -> u64 {
        self.ticket
    }

    /// The disk that holds the log, if one does.
    pub(super) fn disk(&self) -> Option<Arc<dyn Disk>> {
        self.storage.as_ref().map(|storage| Arc::clone(&storage.disk))
    }

    fn check_terms(&self, after: u64, entries: impl Iterator<Item = (u64, usize)>) -> Result<(), LogError> {
        let mut last = after;
        for (term, length) in entries {
            if term < last {
                return Err(LogError::TermWentBack { term, after: last });
            }
            if length > LOG_ENTRY_BYTES_MAX {
                return Err(LogError::TooLong { what: "an entry", length, limit: LOG_ENTRY_BYTES_MAX });
            }
            last = term;
        }
        Ok(())
    }

    fn check_uncommitted(&self, index: u64) -> Result<(), LogError> {
        if index <= self.committed {
            return Err(LogError::Committed { index, committed: self.committed });
        }
        Ok(())
    }

    /// How many of the entries behind `prev_index` the log holds already.
    fn matching(&self, prev_index: u64, entries: &[(u64, &[u8])]) -> usize {
        if prev_index == self.last_index() {
            return 0;
        }
        let same = |(at, (term, _)): (usize, &(u64, &[u8]))| {
            let index = prev_index + 1 + at as u64;
            index <= self.index.base_index() || self.index.term_at(index) == Some(*term)
        };
        entries.iter().enumerate().take_while(|entry| same(*entry)).count()
    }

    #[inline]
    fn push_entry(&mut self, term: u64, payload: &[u8]) {
        let position = self.end_position();
        let index = self.last_index() + 1;
        self.push_record(Kind::Entry, index, term, payload);
        self.index.push(term, position, payload);
    }

    /// Makes (index, term) the last entry, and takes back what had been synced behind it.
    fn push_cut(&mut self, index: u64, term: u64) {
        self.push_record(Kind::Cut, index, term, &[]);
        self.index.cut_to(index, term);
        self.synced.index = self.synced.index.min(index);
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.synced.index = in_flight.synced.index.min(index);
        }
    }

    #[inline]
    fn push_record(&mut self, kind: Kind, index: u64, term: u64, payload: &[u8]) {
        if self.pending.len() + record_bytes(payload.len()) > LOG_CHUNK_BYTES && !self.pending.is_empty() {
            self.seal_chunk();
        }
        encode(&mut self.pending, kind, index, term, payload);
        if self.pending.len() - self.checked >= LOG_CHECKSUM_LAG_BYTES {
            self.fill_checksums();
        }
    }

    /// Counts an operation; without a disk it is durable now.
    fn queued(&mut self) {
        self.fill_checksums();
        self.ticket += 1;
        if self.storage.is_none() {
            self.synced = Synced { index: self.last_index(), ticket: self.ticket };
        }
    }

    fn fill_checksums(&mut self) {
        let position = self.pending_position + self.checked as u64;
        let records = &mut self.pending[self.checked..];
        fill_checksums(records, self.salt, position);
        if self.storage.is_some() {
            // Counted while the bytes are still in this processor's cache: the writer would wait for each sector.
            self.blanks.add(records);
        }
        self.checked = self.pending.len();
    }

    fn end_position(&self) -> u64 {
        self.pending_position + self.pending.len() as u64
    }

    /// The position of the first entry, or of the end where there is none.
    fn first_position(&self) -> u64 {
        self.index.position(self.first_index()).unwrap_or(self.group_position)
    }

    /// Moves what is pending into the cache, and, where there is a disk, into the group that gathers.
    fn seal_chunk(&mut self) {
        self.fill_checksums();
        self.checked = 0;
        let bytes = if self.pending.len() < LOG_CHUNK_BYTES / 2 {
            // A small group is copied, so that the cache holds no large buffers with little in them.
            let copy = self.pending.clone();
            self.pending.clear();
            copy
        } else {
            let buffer = self.cache.buffer();
            std::mem::replace(&mut self.pending, buffer)
        };
        let chunk = Arc::new(Chunk { position: self.pending_position, bytes });
        self.pending_position = chunk.end();
        if self.storage.is_some() {
            self.sealed.push(Arc::clone(&chunk));
        }
        self.cache.push(chunk);
    }

    /// Ends the group that has gathered with its mark and takes it.
    fn take_group(&mut self) -> Vec<Arc<Chunk>> {
        self.fill_checksums();
        self.push_record(Kind::Mark, self.group_position, self.blanks.count(), &mark_payload(self.committed));
        (self.marked_commit, self.wants_mark) = (self.committed, false);
        self.seal_chunk();
        self.group_position = self.pending_position;
        self.blanks = BlankSectors::new(self.group_offset());
        self.written = (self.last_index(), self.last_term(), self.hard.clone());
        std::mem::take(&mut self.sealed)
    }

    /// The offset in its file at which the next group starts: behind the last one, or at the start of a new segment.
    fn group_offset(&self) -> u64 {
        let storage = self.storage.as_ref().filter(|storage| !storage.is_full(self.group_position));
        let segment = storage.and_then(|storage| storage.segments.back());
        SEGMENT_HEADER_BYTES + segment.map_or(0, |segment| self.group_position - segment.position)
    }

    /// The header of a new segment, once the current one is full.
    fn next_segment(&mut self) -> Option<SegmentHeader> {
        let storage = self.storage.as_mut()?;
        let current = storage.segments.back()?;
        if !storage.is_full(self.group_position) {
            return None;
        }
        let (last_index, last_term, hard) = self.written.clone();
        let (sequence, position) = (current.sequence + 1, self.group_position);
        storage.segments.push_back(Segment { sequence, position, file: None });
        Some(SegmentHeader { sequence, position, last_index, last_term, salt: self.salt, hard })
    }

    /// The segments that end before the first entry; the current one always stays.
    fn take_removals(&mut self) -> Vec<u64> {
        let first_position = self.first_position();
        let mut removals = Vec::new();
        let Some(storage) = self.storage.as_mut() else { return removals };
        while storage.segments.get(1).is_some_and(|second| second.position <= first_position) {
            removals.extend(storage.segments.pop_front().map(|segment| segment.sequence));
        }
        removals
    }
}
