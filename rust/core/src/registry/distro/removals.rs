//! What was removed, remembered for a while, so that a message that was late does not bring it back.

use super::super::ResourceKey;
use super::super::digest::Digest;
use super::holders::HolderName;
use crate::limits::{DISTRO_REMOVAL_MS, DISTRO_REMOVALS_COUNT_MAX};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The publisher of a record as all nodes name it; a connection is one to the record's holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum PublisherId {
    Connection(u64),
    Address(Box<str>, u16),
}

/// A record without instances, which was removed.
#[derive(Debug, Clone)]
pub(in super::super) struct Removal {
    pub(super) service: ResourceKey,
    pub(super) publisher: PublisherId,
    pub(super) holder: Arc<HolderName>,
    pub(super) epoch: u32,
    pub(super) revision: u64,
    /// Of an address that no longer beats: wall time of the last beat, at the node that removed it; 0 if that is not
    /// known. With `SAID_SO` if it was said to go: then wall time of that, and not before its last registration.
    pub(super) silent_ms: u64,
    /// Wall time at which this node heard of it.
    pub(super) removed_ms: u64,
}

/// Whatever beats are heard, this removal counts, but for a registration that came later.
pub(in super::super) const SAID_SO: u64 = 1 << 63;

/// All that are remembered, by the key of their record.
#[derive(Debug)]
pub(super) struct Removals {
    count_max: usize,
    table: HashMap<Digest, (u64, Removal), FixedState>,
    /// In the order in which they were heard of.
    order: BTreeMap<u64, Digest>,
    next: u64,
}

impl Default for Removals {
    fn default() -> Self {
        Self::up_to(DISTRO_REMOVALS_COUNT_MAX)
    }
}

impl Removals {
    fn up_to(count_max: usize) -> Self {
        Self { count_max, table: HashMap::default(), order: BTreeMap::new(), next: 0 }
    }

    pub(super) fn get(&self, key: Digest) -> Option<&Removal> {
        self.table.get(&key).map(|(_, removal)| removal)
    }

    /// Where too many are remembered the oldest is forgotten: comparing digests finds what then comes back.
    pub(super) fn insert(&mut self, key: Digest, removal: Removal) {
        self.remove(key);
        if self.table.len() >= self.count_max
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.table.remove(&oldest);
        }
        self.next += 1;
        self.order.insert(self.next, key);
        self.table.insert(key, (self.next, removal));
    }

    pub(super) fn remove(&mut self, key: Digest) -> Option<Removal> {
        let (number, removal) = self.table.remove(&key)?;
        self.order.remove(&number);
        Some(removal)
    }

    /// Forgets this node's own up to a revision that all others know, and those of others that are old.
    pub(super) fn forget(&mut self, own: &HolderName, up_to_revision: u64, now_ms: u64) -> usize {
        let before = self.table.len();
        let order = &mut self.order;
        self.table.retain(|_, (number, removal)| {
            let is_over = if *removal.holder == *own {
                removal.revision <= up_to_revision
            } else {
                now_ms.saturating_sub(removal.removed_ms) >= DISTRO_REMOVAL_MS
            };
            if is_over {
                order.remove(number);
            }
            !is_over
        });
        if super::super::links::is_sparse(self.table.len(), self.table.capacity()) {
            self.table.shrink_to_fit();
        }
        before - self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_too_many_the_oldest_goes() {
        let holder = Arc::new(HolderName { node_id: "a".into(), boot: 1 });
        let removal = |revision| Removal {
            service: ResourceKey::new(("public", "g", "s")),
            publisher: PublisherId::Connection(revision),
            holder: holder.clone(),
            epoch: 0,
            revision,
            silent_ms: SAID_SO,
            removed_ms: 0,
        };
        let key = |number: u64| Digest::from_u128(number.into());
        let mut removals = Removals::up_to(3);
        // The first is heard of again before there are too many.
        for (revision, number) in [1, 2, 3, 1, 4].into_iter().enumerate() {
            removals.insert(key(number), removal(revision as u64 + 1));
        }
        let kept: Vec<_> = (1..5).map(|number| removals.get(key(number)).map(|of| of.revision)).collect();
        assert_eq!(kept, [Some(4), None, Some(3), Some(5)]);
        assert_eq!(removals.forget(&holder, 4, 0), 2);
        assert_eq!((removals.table.len(), removals.order.len()), (1, 1));
    }
}
