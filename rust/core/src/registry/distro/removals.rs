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
    /// Wall time at which this node heard of it.
    pub(super) removed_ms: u64,
}

/// All that are remembered, by the key of their record.
#[derive(Debug, Default)]
pub(super) struct Removals {
    table: HashMap<Digest, (u64, Removal), FixedState>,
    /// In the order in which they were heard of.
    order: BTreeMap<u64, Digest>,
    next: u64,
}

impl Removals {
    pub(super) fn get(&self, key: Digest) -> Option<&Removal> {
        self.table.get(&key).map(|(_, removal)| removal)
    }

    /// Where too many are remembered the oldest is forgotten: comparing digests finds what then comes back.
    pub(super) fn insert(&mut self, key: Digest, removal: Removal) {
        self.remove(key);
        if self.table.len() >= DISTRO_REMOVALS_COUNT_MAX
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
