//! The runs of nodes whose records are known here.

use super::super::digest::{Digest, Digester};
use super::super::links::id;
use super::error::DistroError;
use super::tree::Tree;
use crate::limits::{DISTRO_HOLDERS_COUNT_MAX, DISTRO_NODE_ID_BYTES_MAX};
use slab::Slab;
use std::sync::Arc;

/// Where this node's own run is kept.
pub(super) const OWN: u32 = 0;

/// What names a run of a node; later runs are greater.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HolderName {
    pub(super) node_id: Box<str>,
    pub(super) boot: u64,
}

impl HolderName {
    pub(super) fn is(&self, (node_id, boot): (&str, u64)) -> bool {
        (&*self.node_id, self.boot) == (node_id, boot)
    }
}

/// One run of a node and the sums over its records.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) name: Arc<HolderName>,
    pub(super) hash: Digest,
    pub(super) tree: Tree,
    pub(super) records: usize,
    pub(super) instances: usize,
    /// Of this node: the last that was given to a change. Of others: the newest that was seen.
    pub(super) revision: u64,
    /// Wall time of the last change here.
    pub(super) changed_ms: u64,
}

/// All of them, this node's own first.
#[derive(Debug)]
pub(super) struct Holders(Slab<Holder>);

impl Holders {
    pub(super) fn new(node_id: &str, boot: u64, digester: &mut Digester) -> Result<Self, DistroError> {
        let mut holders = Self(Slab::new());
        holders.insert((node_id, boot), digester)?;
        Ok(holders)
    }

    /// There are few: members of a cluster, and runs of theirs that are not forgotten yet.
    pub(super) fn find(&self, name: (&str, u64)) -> Option<u32> {
        self.0.iter().find(|(_, holder)| holder.name.is(name)).map(|(slot, _)| id(slot))
    }

    fn insert(&mut self, (node_id, boot): (&str, u64), digester: &mut Digester) -> Result<u32, DistroError> {
        if node_id.len() > DISTRO_NODE_ID_BYTES_MAX {
            return Err(DistroError::NodeIdTooLong(node_id.len()));
        }
        if self.0.len() >= DISTRO_HOLDERS_COUNT_MAX {
            return Err(DistroError::TooManyHolders);
        }
        let holder = Holder {
            name: Arc::new(HolderName { node_id: node_id.into(), boot }),
            hash: digester.holder(node_id, boot),
            tree: Tree::default(),
            records: 0,
            instances: 0,
            revision: 0,
            changed_ms: 0,
        };
        Ok(id(self.0.insert(holder)))
    }

    pub(super) fn find_or_insert(&mut self, name: (&str, u64), digester: &mut Digester) -> Result<u32, DistroError> {
        self.find(name).map_or_else(|| self.insert(name, digester), Ok)
    }

    /// How many more there may be.
    pub(super) fn room(&self) -> usize {
        DISTRO_HOLDERS_COUNT_MAX - self.0.len()
    }

    /// Forgets one that has no records, other than this node's own.
    pub(super) fn remove(&mut self, slot: u32) {
        debug_assert!(slot != OWN && self.get(slot).records == 0, "only what is gone is forgotten");
        self.0.remove(slot as usize);
    }

    pub(super) fn get(&self, slot: u32) -> &Holder {
        &self.0[slot as usize]
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Holder {
        &mut self.0[slot as usize]
    }

    /// This node's own, then the others in order of their names.
    pub(super) fn in_order(&self) -> Vec<&Holder> {
        let mut holders: Vec<_> = self.0.iter().map(|(_, holder)| holder).collect();
        holders[1..].sort_unstable_by(|one, other| one.name.cmp(&other.name));
        holders
    }
}
