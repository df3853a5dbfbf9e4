//! Random operations, drawn from a seed and what the log holds, applied to a log and to its model alike.

use proptest::prelude::*;

use super::model::{Entry, Model, read_state};
use crate::log::{HardState, Log, LogError, Options, SimulatedDisk, SnapshotId, Writer};

/// One operation; the numbers are turned into something that makes sense where the log stands.
#[derive(Clone, Debug)]
pub enum Operation {
    Append { term_step: u64, sizes: Vec<u16> },
    TryAppend { back: u64, term_step: u64, sizes: Vec<u16> },
    HardState { term_step: u64, vote: u8 },
    Commit { back: u64 },
    MarkCommit,
    Sync,
    BeginSync,
    CompleteSync,
    Snapshot { ahead: u64 },
    Compact { back: u64 },
}

pub fn operations(count_max: usize) -> impl Strategy<Value = Vec<Operation>> {
    let sizes = || prop::collection::vec(0..900u16, 1..5);
    let one = prop_oneof![
        4 => (0..2u64, sizes()).prop_map(|(term_step, sizes)| Operation::Append { term_step, sizes }),
        3 => (0..6u64, 0..2u64, sizes()).prop_map(|(back, term_step, sizes)| Operation::TryAppend { back, term_step, sizes }),
        2 => (0..2u64, 0..3u8).prop_map(|(term_step, vote)| Operation::HardState { term_step, vote }),
        1 => (0..4u64).prop_map(|back| Operation::Commit { back }),
        1 => Just(Operation::MarkCommit),
        5 => Just(Operation::Sync),
        2 => Just(Operation::BeginSync),
        2 => Just(Operation::CompleteSync),
        1 => (0..4u64).prop_map(|ahead| Operation::Snapshot { ahead }),
        1 => (0..4u64).prop_map(|back| Operation::Compact { back }),
    ];
    prop::collection::vec(one, 1..count_max)
}

/// Small segments and almost no cache, so that few operations reach every path.
pub fn options() -> Options {
    Options { segment_bytes: 6000, salt: 0x5eed, cache_bytes: 2000, zero_ahead_bytes: 1500 }
}

/// A log on a simulated disk, and what it should hold.
#[derive(Debug)]
pub struct Bench {
    pub disk: SimulatedDisk,
    pub log: Log,
    writer: Writer,
    work: Option<crate::log::Work>,
    pub model: Model,
    /// Grows, so that no two payloads are alike.
    counter: u64,
}

impl Bench {
    pub fn new(disk: SimulatedDisk) -> Result<Self, LogError> {
        let (log, writer) = Log::open(disk.attach(), options())?;
        Ok(Self { disk, log, writer, work: None, model: Model::new(), counter: 0 })
    }

    /// Opens the log again, after a crash or a clean end, and checks what it holds.
    pub fn reopen(self) -> Self {
        let Self { disk, log, model, counter, .. } = self;
        drop(log);
        let (log, writer) = Log::open(disk.attach(), options()).expect("no damage, so it opens");
        let mut bench = Self { disk, log, writer, work: None, model, counter };
        bench.model.check_recovered(&mut bench.log);
        bench
    }

    /// Runs operations until one fails; says whether all went through.
    pub fn run(&mut self, operations: &[Operation]) -> bool {
        operations.iter().all(|operation| self.apply(operation).is_ok() && self.check_contents())
    }

    /// Reads everything back: from what is pending, from memory, and from segments. False when the disk has failed.
    fn check_contents(&mut self) -> bool {
        let found = read_state(&mut self.log);
        found.is_some_and(|found| {
            assert_eq!(found, self.model.now);
            true
        })
    }

    /// An error means that the log has failed for good.
    pub fn apply(&mut self, operation: &Operation) -> Result<(), LogError> {
        match operation {
            Operation::Append { term_step, sizes } => self.append(*term_step, sizes),
            Operation::TryAppend { back, term_step, sizes } => self.try_append(*back, *term_step, sizes),
            Operation::HardState { term_step, vote } => self.set_hard_state(*term_step, *vote),
            Operation::Commit { back } => {
                let index = self.log.last_index().saturating_sub(*back);
                self.log.commit(index)?;
                self.model.committed = self.model.committed.max(index);
                Ok(())
            }
            Operation::MarkCommit => {
                let wanted = self.model.is_commit_unmarked();
                self.log.mark_commit()?;
                assert!(!wanted || self.work.is_some() || self.log.has_work(), "there is something to write");
                Ok(())
            }
            Operation::Sync => {
                self.complete_sync()?;
                self.begin_sync();
                self.complete_sync()
            }
            Operation::BeginSync => {
                self.begin_sync();
                Ok(())
            }
            Operation::CompleteSync => self.complete_sync(),
            Operation::Snapshot { ahead } => self.save_snapshot(*ahead),
            Operation::Compact { back } => {
                let index = self.log.snapshot().index.saturating_sub(*back);
                self.log.compact(index)?;
                self.model.compact(index);
                Ok(())
            }
        }
    }

    fn payload(&mut self, size: u16) -> Vec<u8> {
        self.counter += 1;
        let bytes = self.counter.to_le_bytes().map(|byte| byte.wrapping_mul(31) | 1);
        // Some payloads are all zeros: blank sectors must not be taken for torn ones, nor the other way round.
        let fill = |at: usize| if size % 5 == 0 { 0 } else { bytes[at % 8] };
        let mut payload: Vec<u8> = (0..usize::from(size)).map(fill).collect();
        let head = [&[0xa5, 0x5a], &self.counter.to_le_bytes()[..]].concat();
        let length = payload.len().min(head.len());
        payload[..length].copy_from_slice(&head[..length]);
        payload
    }

    fn append(&mut self, term_step: u64, sizes: &[u16]) -> Result<(), LogError> {
        let term = self.log.last_term().max(1) + term_step;
        let payloads: Vec<Vec<u8>> = sizes.iter().map(|size| self.payload(*size)).collect();
        let borrowed: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        let last_index = self.log.append(term, &borrowed)?;
        self.model.append(term, &payloads);
        assert_eq!(last_index, self.model.now.last_index());
        Ok(())
    }

    fn try_append(&mut self, back: u64, term_step: u64, sizes: &[u16]) -> Result<(), LogError> {
        let prev_index = (self.log.last_index() + 1).saturating_sub(back);
        let unknown = if prev_index > self.log.last_index() { self.log.last_term() } else { 0 };
        let prev_term = self.log.term_at(prev_index).unwrap_or(unknown);
        let mut entries: Vec<Entry> = Vec::new();
        for (at, size) in sizes.iter().enumerate() {
            // Up to the middle what is there already, then (with a step) something else.
            let index = prev_index + 1 + at as u64;
            let last = entries.last().map_or(prev_term.max(1), |entry| entry.0);
            let same = self.log.term_at(index).filter(|_| at < sizes.len() / 2);
            entries.push((same.unwrap_or(last + term_step), self.payload(*size)));
        }
        // With a wrong term now and then.
        let prev_term = if back == 5 { prev_term.saturating_sub(1) } else { prev_term };
        let borrowed: Vec<(u64, &[u8])> = entries.iter().map(|(term, payload)| (*term, payload.as_slice())).collect();
        let expected = self.model.try_append(prev_index, prev_term, &entries);
        let found = self.log.try_append(prev_index, prev_term, &borrowed);
        match expected {
            Some(expected) => assert_eq!(found?, expected),
            None => {
                self.log.check()?;
                let refused = matches!(found, Err(LogError::Committed { .. } | LogError::TermWentBack { .. }));
                assert!(refused, "{found:?}");
            }
        }
        Ok(())
    }

    fn set_hard_state(&mut self, term_step: u64, vote: u8) -> Result<(), LogError> {
        let before = self.log.hard_state().clone();
        let vote = ["", "node-a", "node-b"][usize::from(vote)];
        match self.log.set_hard_state(before.term + term_step, vote) {
            Ok(_) => self.model.set_hard_state(HardState { term: before.term + term_step, vote: vote.to_owned() }),
            Err(LogError::VoteChanged { .. }) => {
                assert!(term_step == 0 && !before.vote.is_empty() && before.vote != vote)
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn begin_sync(&mut self) {
        if let Some(work) = self.log.begin_sync() {
            self.model.begin_sync(!work.group.is_empty());
            self.work = Some(work);
        }
    }

    fn complete_sync(&mut self) -> Result<(), LogError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let result = self.writer.perform(&work);
        let done = result.is_ok();
        self.log.complete_sync(result);
        if done {
            self.model.complete_sync();
            assert!(self.log.synced().index <= self.log.last_index());
        } else {
            self.check_failed_for_good(&work);
        }
        self.log.check()
    }

    fn check_failed_for_good(&mut self, work: &crate::log::Work) {
        let operations = self.disk.operations();
        assert!(self.log.begin_sync().is_none());
        assert!(matches!(self.writer.perform(work), Err(LogError::Failed { .. })));
        assert!(matches!(self.log.append(u64::MAX, &[b"x"]), Err(LogError::Failed { .. })));
        assert!(matches!(self.log.set_hard_state(u64::MAX, ""), Err(LogError::Failed { .. })));
        assert!(matches!(self.log.slice(1, 1, 1), Err(LogError::Failed { .. })));
        assert_eq!(self.disk.operations(), operations, "nothing is written or synced again");
    }

    fn save_snapshot(&mut self, ahead: u64) -> Result<(), LogError> {
        // Mostly of what is committed here; with 3 ahead of everything, as a leader sends it.
        let id = match ahead {
            3 => SnapshotId { index: self.log.last_index() + 2, term: self.log.last_term() + 1 },
            _ => SnapshotId {
                index: self.log.committed(),
                term: self.log.term_at(self.log.committed()).unwrap_or_default(),
            },
        };
        if id.index <= self.log.snapshot().index {
            return self.log.check();
        }
        let data = self.payload(600 + ahead as u16);
        self.model.attempted = Some((id, data.clone()));
        let work = self.log.begin_snapshot(id)?;
        let result = work.perform(&data);
        let harmless = result.as_ref().err().is_none_or(|failure| failure.harmless);
        let result = self.log.complete_snapshot(&work, &data, result);
        if result.is_ok() {
            self.model.save_snapshot(id, data);
        } else if harmless && self.log.check().is_ok() {
            self.model.attempted = None;
            return Ok(());
        }
        result
    }
}
