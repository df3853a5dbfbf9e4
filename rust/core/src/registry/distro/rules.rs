//! The rules by which copies agree. A test of this crate leaves out one at a time, to see that it is missed; outside of
//! its tests there is no way to.

/// What `holds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// What comes counts only if it is newer than what is known.
    NewerCounts,
    /// Of two versions the greater epoch decides, before anything else.
    EpochDecides,
    /// Whoever takes an address over makes its epoch greater.
    TakingOverRaisesEpoch,
    /// What this run of this node holds is changed by nobody else.
    OwnIsOwn,
    /// Only the holder of an address removes it for want of beats.
    HolderTimesBeats,
}

/// Whether a rule is in force: always, and that costs nothing.
#[cfg(not(test))]
pub(super) const fn holds(_rule: Rule) -> bool {
    true
}

#[cfg(test)]
pub(super) use left_out::{holds, without};

#[cfg(test)]
mod left_out {
    use super::Rule;
    use std::cell::Cell;

    thread_local! {
        static LEFT_OUT: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    pub(in super::super) fn holds(rule: Rule) -> bool {
        LEFT_OUT.get() != Some(rule)
    }

    /// Runs something where one rule is not in force; it must not panic.
    pub(in super::super) fn without<T>(rule: Rule, run: impl FnOnce() -> T) -> T {
        LEFT_OUT.set(Some(rule));
        let result = run();
        LEFT_OUT.set(None);
        result
    }
}
