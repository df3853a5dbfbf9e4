//! What nodes of a cluster tell each other of ephemeral publications.
//!
//! A **record** is one publication: what one publisher has in one service. It belongs to one **holder**, which is one run
//! of a node (its id, and a number that rises with every start), and only that node changes it. The record of a
//! connection never changes its holder; that of an address that beats is taken over by another node with a higher epoch.
//! Records are ordered by their **version**, and of two the newer one counts, in whatever order they arrive. A **removal**
//! is remembered for a while with its version, so that what it removed does not come back with a message that was late.
//!
//! Each holder's records have a digest, the sum of a keyed hash of each, in a tree of two levels below it, so that two
//! nodes find what they differ in with little traffic. What was removed is no part of it.
//!
//! Nothing of this is kept on a node that is alone: every hook in the registry is one branch.

mod apply;
mod batch;
mod claims;
mod error;
mod hash;
mod holders;
mod narrow;
mod outgoing;
mod ownership;
mod record;
mod removals;
mod rules;
mod tree;
mod view;

pub use apply::Applied;
pub use error::DistroError;
pub use narrow::Differences;
pub use ownership::{HolderView, PublisherName, PublisherView};
pub(super) use record::{Before, Cause, Shift};
pub(super) use removals::SAID_SO;
pub(super) use view::visible;

use super::Registry;
use claims::Claims;
use foldhash::fast::FixedState;
use hashbrown::HashSet;
use holders::{Holders, OWN};
use outgoing::Changes;
use record::Stamp;
use removals::Removals;

/// What a node of a cluster knows of records beside the publications themselves.
#[derive(Debug)]
pub(super) struct Distro {
    holders: Holders,
    /// By publication; without a revision where there is none, or one that is no record.
    stamps: Vec<Stamp>,
    removals: Removals,
    /// Own changes that nobody has taken yet.
    changes: Changes,
    claims: Claims,
    /// The entries (publication and position in it) that a newer publication of the same address hides.
    hidden: HashSet<(u32, u32), FixedState>,
    /// This node is about to stop.
    has_left: bool,
}

impl Registry {
    /// From now on this node tells others of its publications, as the holder of this name.
    ///
    /// # Errors
    /// If it does so already, if there are ephemeral publishers, or if the node's id is too long.
    pub fn distro_open(&mut self, node_id: &str, boot: u64) -> Result<(), DistroError> {
        let [connections, addresses, _] = self.publishers.counts;
        if self.distro.is_some() || connections + addresses > 0 {
            return Err(DistroError::TooLate);
        }
        self.distro = Some(Box::new(Distro {
            holders: Holders::new(node_id, boot, &mut self.digester)?,
            stamps: Vec::new(),
            removals: Removals::default(),
            changes: Changes::default(),
            claims: Claims::new(self.names),
            hidden: HashSet::default(),
            has_left: false,
        }));
        Ok(())
    }

    /// This node is about to stop: what its connections take with them is noted no more, because their clients go
    /// elsewhere, and other nodes keep the records until these have had the time.
    pub fn distro_leave(&mut self) {
        if let Some(distro) = &mut self.distro {
            distro.has_left = true;
        }
    }
}

impl Distro {
    /// The stamp of a publication that is a record.
    fn stamp(&self, link: u32) -> Option<&Stamp> {
        self.stamps.get(link as usize).filter(|stamp| stamp.revision != 0)
    }

    /// Of the node whose run a holder is.
    pub(super) fn node_id_of(&self, holder: u32) -> &str {
        &self.holders.get(holder).name.node_id
    }

    /// The publications that are records of a holder.
    fn links_of(&self, holder: u32) -> impl Iterator<Item = u32> {
        let stamps = self.stamps.iter().enumerate();
        let of_holder = stamps.filter(move |(_, stamp)| stamp.revision != 0 && stamp.holder == holder);
        of_holder.map(|(link, _)| super::links::id(link))
    }

    /// Gives memory back after most records have gone.
    pub(super) fn shrink(&mut self) {
        let used = self.stamps.iter().rposition(|stamp| stamp.revision != 0).map_or(0, |last| last + 1);
        if super::links::is_sparse(used, self.stamps.capacity()) {
            self.stamps.truncate(used);
            self.stamps.shrink_to_fit();
        }
        self.claims.shrink();
    }

    /// Whether a publication is a record of this node.
    fn is_own(&self, link: u32) -> bool {
        self.stamp(link).is_some_and(|stamp| stamp.holder == OWN)
    }
}

#[cfg(test)]
mod tests;
