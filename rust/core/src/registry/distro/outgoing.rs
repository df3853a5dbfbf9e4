//! What other nodes are to be told: own changes, and everything for a node that starts.

use super::super::Registry;
use super::super::digest::Digest;
use super::batch::Batch;
use super::error::DistroError;
use super::holders::OWN;
use std::collections::BTreeMap;

/// A change of this node's own records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// A publication that is there.
    Record(u32),
    /// The key of one that was removed.
    Removal(Digest),
}

/// Changes by revision. A record that changes again takes its place at the end, so there is one for each at most.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<u64, Change>);

impl Changes {
    pub(super) fn insert(&mut self, revision: u64, change: Change) {
        self.0.insert(revision, change);
    }

    pub(super) fn remove(&mut self, revision: u64) {
        self.0.remove(&revision);
    }
}

impl Registry {
    /// Own records and removals that changed since this was last called, the oldest change first, each as it is now:
    /// about `bytes_max` of them, at least one. None if there is nothing.
    pub fn distro_take_changes(&mut self, bytes_max: usize) -> Option<Vec<u8>> {
        let distro = self.distro.as_deref_mut()?;
        let mut taken = Vec::new();
        let mut batch = Batch::default();
        while batch.is_below(bytes_max) {
            let Some((_, change)) = distro.changes.0.pop_first() else { break };
            taken.push(change);
            match change {
                Change::Record(link) => {
                    batch.record(&self.publications, &self.publishers, &self.services, distro, link)
                }
                Change::Removal(key) => distro.removals.get(key).into_iter().for_each(|of| batch.removal(of)),
            }
        }
        (!taken.is_empty()).then(|| batch.finish())
    }

    /// Records of all holders for a node that starts, about `bytes_max` of them, at least one, with the cursor after
    /// which to go on: empty at the beginning and at the end. What changes meanwhile is told by its holder.
    ///
    /// # Errors
    /// `Cursor` if it is none that was given out.
    pub fn distro_load(&self, after: &[u8], bytes_max: usize) -> Result<(Vec<u8>, Vec<u8>), DistroError> {
        let distro = self.distro.as_deref().ok_or(DistroError::NotOpen)?;
        let begin = match after {
            [] => 0,
            _ => u32::from_le_bytes(after.try_into().map_err(|_| DistroError::Cursor(after.len()))?) as usize,
        };
        let mut batch = Batch::default();
        for link in begin..distro.stamps.len() {
            if !batch.is_below(bytes_max) {
                return Ok((batch.finish(), super::super::links::id(link).to_le_bytes().into()));
            }
            let link = super::super::links::id(link);
            if distro.stamp(link).is_some() {
                batch.record(&self.publications, &self.publishers, &self.services, distro, link);
            }
        }
        Ok((batch.finish(), Vec::new()))
    }

    /// Forgets own removals up to a revision that all live members are known to have seen, and those of other holders
    /// that are old. Returns how many.
    pub fn distro_forget_removals(&mut self, now_ms: u64, up_to_revision: u64) -> usize {
        let Some(distro) = &mut self.distro else { return 0 };
        let own = distro.holders.get(OWN).name.clone();
        distro.removals.forget(&own, up_to_revision, now_ms)
    }
}
