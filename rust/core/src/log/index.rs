//! Which entries the log holds: their terms and where they stand, without their payloads.

use std::collections::VecDeque;

/// Consecutive entries of one term.
#[derive(Clone, Copy, Debug)]
struct Run {
    first_index: u64,
    term: u64,
}

/// Positions (8 bytes an entry) and terms (one run a term) of the entries behind the base.
///
/// The base is the entry in front of the first: its term is known, its payload is gone (or never was, for index 0).
#[derive(Debug, Default)]
pub(crate) struct Index {
    base_index: u64,
    base_term: u64,
    positions: VecDeque<u64>,
    runs: VecDeque<Run>,
}

impl Index {
    /// An empty log whose next entry is `base_index + 1`.
    pub fn new(base_index: u64, base_term: u64) -> Self {
        Self { base_index, base_term, ..Self::default() }
    }

    pub fn base_index(&self) -> u64 {
        self.base_index
    }

    pub fn first_index(&self) -> u64 {
        self.base_index + 1
    }

    pub fn last_index(&self) -> u64 {
        self.base_index + self.positions.len() as u64
    }

    pub fn last_term(&self) -> u64 {
        self.runs.back().map_or(self.base_term, |run| run.term)
    }

    /// The term of an entry, or of the base.
    pub fn term_at(&self, index: u64) -> Option<u64> {
        if index < self.base_index || index > self.last_index() {
            return None;
        }
        Some(self.run_of(index).map_or(self.base_term, |run| run.term))
    }

    /// The first entry that the log holds of the term which the entry at `index` has.
    pub fn first_index_of_term_at(&self, index: u64) -> u64 {
        self.run_of(index).map_or(self.base_index, |run| run.first_index)
    }

    /// Where the entry's record stands, for an entry behind the base.
    pub fn position(&self, index: u64) -> Option<u64> {
        let offset = index.checked_sub(self.first_index())?;
        self.positions.get(usize::try_from(offset).ok()?).copied()
    }

    /// Adds one entry; its term is not below the last.
    #[inline]
    pub fn push(&mut self, term: u64, position: u64) {
        if self.runs.back().is_none_or(|run| run.term != term) {
            self.runs.push_back(Run { first_index: self.last_index() + 1, term });
        }
        self.positions.push_back(position);
    }

    /// Makes (index, term) the last entry: cuts the suffix behind it, or, where the log holds no such entry, drops
    /// everything and takes it as the base.
    pub fn cut_to(&mut self, index: u64, term: u64) {
        if self.term_at(index) != Some(term) {
            *self = Self::new(index, term);
            return;
        }
        self.positions.truncate((index - self.base_index) as usize);
        while self.runs.back().is_some_and(|run| run.first_index > index) {
            self.runs.pop_back();
        }
    }

    /// Forgets the entries up to `index`, which becomes the base; it is not behind the last.
    pub fn drop_front(&mut self, index: u64) {
        let Some(term) = self.term_at(index) else { return };
        self.positions.drain(..(index - self.base_index) as usize);
        self.positions.shrink_to(self.positions.len() * 2);
        self.base_index = index;
        self.base_term = term;
        let behind = self.runs.partition_point(|run| run.first_index <= index);
        self.runs.drain(..behind.saturating_sub(1));
        if let Some(run) = self.runs.front_mut().filter(|run| run.first_index <= index) {
            run.first_index = index + 1;
        }
        if self.positions.is_empty() {
            self.runs.clear();
        }
    }

    fn run_of(&self, index: u64) -> Option<&Run> {
        let behind = self.runs.partition_point(|run| run.first_index <= index);
        behind.checked_sub(1).and_then(|at| self.runs.get(at))
    }
}
