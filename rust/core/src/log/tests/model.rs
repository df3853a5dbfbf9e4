//! What a log should hold: a list of entries. It also knows every state that a crash may leave.

use crate::log::{Appending, HardState, Log, LogError, Reading, SnapshotId};

pub type Entry = (u64, Vec<u8>);

/// The state after one record of the stream: entries behind a base, and the hard state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub base: (u64, u64),
    pub entries: Vec<Entry>,
    pub hard: HardState,
}

impl State {
    pub fn last_index(&self) -> u64 {
        self.base.0 + self.entries.len() as u64
    }

    pub fn last_term(&self) -> u64 {
        self.entries.last().map_or(self.base.1, |entry| entry.0)
    }

    pub fn term_at(&self, index: u64) -> Option<u64> {
        match index.checked_sub(self.base.0)? {
            0 => Some(self.base.1),
            at => self.entries.get(at as usize - 1).map(|entry| entry.0),
        }
    }

    fn cut_to(&mut self, index: u64, term: u64) {
        if self.term_at(index) == Some(term) {
            self.entries.truncate((index - self.base.0) as usize);
        } else {
            (self.base, self.entries) = ((index, term), Vec::new());
        }
    }

    fn start_over_behind(&mut self, snapshot: SnapshotId) {
        if snapshot.index > self.base.0 && self.term_at(snapshot.index) != Some(snapshot.term) {
            self.cut_to(snapshot.index, snapshot.term);
        }
    }
}

/// The model of a log, with the states that its stream of records went through since the last that is durable.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub now: State,
    pub committed: u64,
    /// What the mark of the group under way says of it, and the mark of the last that was acknowledged.
    commit_taken: u64,
    pub commit_synced: u64,
    pub snapshot: SnapshotId,
    pub data: Vec<u8>,
    /// The snapshot that was being saved when something went wrong: it may stand.
    pub attempted: Option<(SnapshotId, Vec<u8>)>,
    /// States since (and with) the last acknowledged one; what is recovered is one of them.
    possible: Vec<State>,
    /// How many of them the sync that is under way covers.
    taken: usize,
}

impl Model {
    pub fn new() -> Self {
        Self { possible: vec![State::default()], ..Self::default() }
    }

    fn record(&mut self) {
        self.possible.push(self.now.clone());
    }

    pub fn append(&mut self, term: u64, payloads: &[Vec<u8>]) {
        for payload in payloads {
            self.now.entries.push((term, payload.clone()));
            self.record();
        }
    }

    /// None: to be refused, as it would replace committed entries or let the terms go back.
    pub fn try_append(&mut self, prev_index: u64, prev_term: u64, entries: &[Entry]) -> Option<Appending> {
        let last_index = self.now.last_index();
        if prev_index > last_index {
            return Some(Appending::TooShort { last_index });
        }
        if let Some(term) = self.now.term_at(prev_index).filter(|term| *term != prev_term) {
            if prev_index <= self.committed {
                return None;
            }
            let first = |index: &u64| self.now.term_at(*index) == Some(term);
            let first_index = (self.now.base.0 + 1..=prev_index).find(first).unwrap_or(prev_index);
            return Some(Appending::Conflict { term, first_index, last_index });
        }
        let there = |index: u64, term| index <= self.now.base.0 || self.now.term_at(index) == Some(term);
        let numbered = (prev_index + 1..).zip(entries);
        let new: Vec<(u64, &Entry)> = numbered.skip_while(|(index, entry)| there(*index, entry.0)).collect();
        if let Some((index, entry)) = new.first() {
            let before = self.now.term_at(index - 1).expect("the entry before is there");
            if entry.0 < before || (*index <= last_index && *index <= self.committed) {
                return None;
            }
            if *index <= last_index {
                self.now.cut_to(index - 1, before);
                self.record();
            }
        }
        for (_, entry) in new {
            self.now.entries.push(entry.clone());
            self.record();
        }
        Some(Appending::Appended { last_index: prev_index + entries.len() as u64 })
    }

    pub fn set_hard_state(&mut self, hard: HardState) {
        self.now.hard = hard;
        self.record();
    }

    /// From here on recovery may find less committed than was written down.
    pub fn forget_marks(&mut self) {
        (self.commit_taken, self.commit_synced) = (0, 0);
    }

    /// Whether more is committed than any mark says that was handed out to be written.
    pub fn is_commit_unmarked(&self) -> bool {
        self.committed > self.commit_taken
    }

    pub fn begin_sync(&mut self, has_mark: bool) {
        if has_mark {
            self.commit_taken = self.committed;
        }
        self.taken = self.possible.len() - 1;
    }

    pub fn complete_sync(&mut self) {
        self.possible.drain(..self.taken);
        self.commit_synced = self.commit_taken;
    }

    pub fn save_snapshot(&mut self, id: SnapshotId, data: Vec<u8>) {
        (self.snapshot, self.data, self.attempted) = (id, data, None);
        self.committed = self.committed.max(id.index);
        let before = self.now.clone();
        self.now.start_over_behind(id);
        if self.now != before {
            self.record();
        }
    }

    pub fn compact(&mut self, index: u64) {
        if let Some(term) = self.now.term_at(index).filter(|_| index > self.now.base.0) {
            self.now.entries.drain(..(index - self.now.base.0) as usize);
            self.now.base = (index, term);
        }
    }

    /// Checks that what was recovered is one of the possible states, and goes on from it: it is durable now.
    pub fn check_recovered(&mut self, log: &mut Log) {
        let found = log.snapshot();
        if found != self.snapshot {
            let attempted = self.attempted.take();
            let (id, data) =
                attempted.filter(|(id, _)| *id == found).expect("the snapshot is the last or the attempted");
            self.save_snapshot(id, data);
        }
        self.attempted = None;
        let loaded = log.snapshot_source().load().expect("the snapshot is whole");
        assert_eq!(loaded.map(|loaded| loaded.data.to_vec()).unwrap_or_default(), self.data);
        let lowest = self.commit_synced.max(found.index);
        assert!(
            log.committed() >= lowest,
            "a mark that was acknowledged is forgotten: {} of {lowest}",
            log.committed()
        );
        assert!(log.committed() <= self.committed, "{} was never declared committed", log.committed());
        assert!(log.committed() <= log.last_index());
        self.committed = log.committed();
        (self.commit_taken, self.commit_synced) = (self.committed, self.committed);
        let recovered = read_state(log).expect("what was recovered can be read");
        let matches = |possible: &&State| {
            let mut expected = (*possible).clone();
            expected.start_over_behind(found);
            same(&expected, &recovered)
        };
        let fits = self.possible.iter().any(|possible| matches(&possible));
        assert!(fits, "recovered {recovered:?}\nsnapshot {found:?}\npossible {:#?}", self.possible);
        self.now = recovered;
        self.possible = vec![self.now.clone()];
    }
}

/// Whether two states agree wherever both have entries, and end alike. Entries that were compacted away may be back.
fn same(expected: &State, recovered: &State) -> bool {
    let base = expected.base.0.max(recovered.base.0);
    let tail = |state: &State| state.entries[(base - state.base.0).min(state.entries.len() as u64) as usize..].to_vec();
    expected.hard == recovered.hard
        && (expected.last_index(), expected.last_term()) == (recovered.last_index(), recovered.last_term())
        && tail(expected) == tail(recovered)
}

/// Everything that a log holds, read back through its public face. None when the disk fails.
pub fn read_state(log: &mut Log) -> Option<State> {
    let mut entries = Vec::new();
    let mut next = log.first_index();
    while next <= log.last_index() {
        let slice = match log.slice(next, log.last_index(), 700) {
            Ok(Reading::Ready(slice)) => slice,
            Ok(Reading::OnDisk(reading)) => match reading.read() {
                Err(LogError::Io { .. }) => return None,
                slice => slice.expect("what is on the disk is sound"),
            },
            Err(LogError::Io { .. } | LogError::Failed { .. }) => return None,
            Err(error) => panic!("{error}"),
        };
        for (index, term, payload) in slice.iter() {
            assert_eq!((index, Some(term)), (next, log.term_at(index)));
            entries.push((term, payload.to_vec()));
            next += 1;
        }
    }
    let base = (log.first_index() - 1, log.term_at(log.first_index() - 1).unwrap_or(0));
    Some(State { base, entries, hard: log.hard_state().clone() })
}
