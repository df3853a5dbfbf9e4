//! Which entries the log holds: their terms and where they stand, without their payloads.

use std::collections::VecDeque;

use super::record::RECORD_ALIGN_BYTES;

/// Consecutive entries of one term.
#[derive(Clone, Copy, Debug)]
struct Run {
    first_index: u64,
    term: u64,
}

/// Where an entry's record stands, and the first byte of its payload, in 8 bytes: positions are multiples of 8 and stay
/// far below 2^55, so there is room for both.
#[derive(Clone, Copy, Debug)]
struct Slot(u64);

impl Slot {
    const SHIFT: u32 = 9;
    const MARKER_MASK: u64 = (1 << Self::SHIFT) - 1;

    #[inline]
    fn new(position: u64, payload: &[u8]) -> Self {
        Self(
            (position / RECORD_ALIGN_BYTES as u64) << Self::SHIFT
                | payload.first().map_or(0, |byte| Self::marker(*byte)),
        )
    }

    /// How an entry is marked whose payload starts with the byte; an empty payload has 0.
    fn marker(byte: u8) -> u64 {
        0x100 | u64::from(byte)
    }

    fn position(self) -> u64 {
        (self.0 >> Self::SHIFT) * RECORD_ALIGN_BYTES as u64
    }
}

/// Positions (8 bytes an entry) and terms (one run a term) of the entries behind the base.
///
/// The base is the entry in front of the first: its term is known, its payload is gone (or never was, for index 0).
#[derive(Debug, Default)]
pub(crate) struct Index {
    base_index: u64,
    base_term: u64,
    slots: VecDeque<Slot>,
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
        self.base_index + self.slots.len() as u64
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

    /// The last entry of exactly this term; the base counts.
    pub fn last_index_of_term(&self, term: u64) -> Option<u64> {
        let behind = self.runs.partition_point(|run| run.term <= term);
        if behind.checked_sub(1).is_some_and(|at| self.runs[at].term == term) {
            return Some(self.runs.get(behind).map_or(self.last_index(), |next| next.first_index - 1));
        }
        (term == self.base_term).then_some(self.base_index)
    }

    /// The entries from `first` to `last`, as far as they are here, whose payload starts with the byte.
    pub fn starting_with(&self, byte: u8, first: u64, last: u64) -> Vec<u64> {
        let first = first.max(self.first_index());
        let behind = last.min(self.last_index()) + 1;
        if first >= behind {
            return Vec::new();
        }
        let offsets = (first - self.first_index()) as usize..(behind - self.first_index()) as usize;
        let marked = |slot: &Slot| slot.0 & Slot::MARKER_MASK == Slot::marker(byte);
        (first..).zip(self.slots.range(offsets)).filter(|(_, slot)| marked(slot)).map(|(index, _)| index).collect()
    }

    /// Where the entry's record stands, for an entry behind the base.
    pub fn position(&self, index: u64) -> Option<u64> {
        let offset = index.checked_sub(self.first_index())?;
        self.slots.get(usize::try_from(offset).ok()?).map(|slot| slot.position())
    }

    /// Adds one entry; its term is not below the last.
    #[inline]
    pub fn push(&mut self, term: u64, position: u64, payload: &[u8]) {
        if self.runs.back().is_none_or(|run| run.term != term) {
            self.runs.push_back(Run { first_index: self.last_index() + 1, term });
        }
        self.slots.push_back(Slot::new(position, payload));
    }

    /// Makes (index, term) the last entry: cuts the suffix behind it, or, where the log holds no such entry, drops
    /// everything and takes it as the base.
    pub fn cut_to(&mut self, index: u64, term: u64) {
        if self.term_at(index) != Some(term) {
            *self = Self::new(index, term);
            return;
        }
        self.slots.truncate((index - self.base_index) as usize);
        while self.runs.back().is_some_and(|run| run.first_index > index) {
            self.runs.pop_back();
        }
    }

    /// Forgets the entries up to `index`, which becomes the base; it is not behind the last.
    pub fn drop_front(&mut self, index: u64) {
        let Some(term) = self.term_at(index) else { return };
        self.slots.drain(..(index - self.base_index) as usize);
        self.slots.shrink_to(self.slots.len() * 2);
        self.base_index = index;
        self.base_term = term;
        let behind = self.runs.partition_point(|run| run.first_index <= index);
        self.runs.drain(..behind.saturating_sub(1));
        if let Some(run) = self.runs.front_mut().filter(|run| run.first_index <= index) {
            run.first_index = index + 1;
        }
        if self.slots.is_empty() {
            self.runs.clear();
        }
    }

    fn run_of(&self, index: u64) -> Option<&Run> {
        let behind = self.runs.partition_point(|run| run.first_index <= index);
        behind.checked_sub(1).and_then(|at| self.runs.get(at))
    }
}
