//! A dense list of moments at which something is due: scanning 100,000 of them takes well under a millisecond.
//!
//! Heartbeats move their deadline far more often than one passes, so moving is one write and a scan looks at all;
//! a heap or wheel would pay on every beat.

use super::links::{id, is_sparse};

/// The slot of what has no deadline.
pub(super) const NOWHERE: u32 = u32::MAX;

/// When something is due, and since when it has been waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    pub(super) due_ms: u64,
    pub(super) since_ms: u64,
    pub(super) owner: u32,
}

/// All deadlines of one kind. Owners keep their slot and are told when it moves.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    slots: Vec<Deadline>,
}

impl Deadlines {
    /// Adds one and returns its slot.
    pub(super) fn insert(&mut self, deadline: Deadline) -> u32 {
        self.slots.push(deadline);
        id(self.slots.len() - 1)
    }

    /// Takes a slot out. Returns the owner whose deadline now lies in it, if one was moved there.
    pub(super) fn remove(&mut self, slot: u32) -> Option<u32> {
        self.slots.swap_remove(slot as usize);
        self.slots.get(slot as usize).map(|moved| moved.owner)
    }

    pub(super) fn get(&self, slot: u32) -> Deadline {
        self.slots[slot as usize]
    }

    pub(super) fn set(&mut self, slot: u32, due_ms: u64, since_ms: u64) {
        let deadline = &mut self.slots[slot as usize];
        (deadline.due_ms, deadline.since_ms) = (due_ms, since_ms);
    }

    /// Gives memory back after most deadlines have gone.
    pub(super) fn shrink(&mut self) {
        if is_sparse(self.slots.len(), self.slots.capacity()) {
            self.slots.shrink_to_fit();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Those that are due before a moment, in no order.
    pub(super) fn before(&self, moment_ms: u64) -> Vec<Deadline> {
        self.slots.iter().filter(|deadline| deadline.due_ms < moment_ms).copied().collect()
    }

    /// The owners whose moment has passed.
    pub(super) fn passed(&self, now_ms: u64) -> Vec<u32> {
        self.slots.iter().filter(|deadline| deadline.due_ms < now_ms).map(|deadline| deadline.owner).collect()
    }
}
