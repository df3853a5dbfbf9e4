//! Who watches which services, and which of those came or went.

use super::Registry;
use super::fuzzy::{Difference, FuzzyPattern, TooManyPatterns, Watches};
use super::key::{KeyParts, ResourceKey};
use std::collections::{BTreeMap, BTreeSet};

/// The watches, and what has to be told to them.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    watches: Watches,
    /// Services of which something changed that may make them come or go, each with whether it was there before.
    before: BTreeMap<ResourceKey, bool>,
}

impl Registry {
    /// Makes a connection a watcher of a pattern, or leaves it one, and says what it has to be told.
    ///
    /// # Errors
    /// There are too many patterns; nothing has changed then.
    pub fn watch(
        &mut self,
        connection: u64,
        pattern: &FuzzyPattern,
        received: &BTreeSet<ResourceKey>,
    ) -> Result<Difference, TooManyPatterns> {
        self.watchers.watches.watch(connection, pattern)?;
        let like_it = self.services.like(pattern).filter(|id| self.is_present(*id));
        let matches = like_it.map(|id| &self.services.get(id).key);
        Ok(Difference::between(pattern, received, matches, |key| self.has_present(key.parts())))
    }

    /// Ends a watch. False if there was none.
    pub fn unwatch(&mut self, connection: u64, pattern: &str) -> bool {
        self.watchers.watches.unwatch(connection, pattern)
    }

    /// Ends all watches of a connection.
    pub fn drop_watcher(&mut self, connection: u64) {
        self.watchers.watches.drop_connection(connection);
    }

    /// Whether a connection watches a pattern, as it wrote it.
    pub fn is_watching(&self, connection: u64, pattern: &str) -> bool {
        self.watchers.watches.has(connection, pattern)
    }

    /// The connections that watch a service, in order.
    pub fn watchers(&self, key: KeyParts<'_>) -> Vec<u64> {
        self.watchers.watches.watchers(key).into_iter().collect()
    }

    /// Whether watchers count a service as there: somebody publishes in it, or an operator has created it.
    pub fn has_present(&self, key: KeyParts<'_>) -> bool {
        self.services.find(key).is_some_and(|service| self.is_present(service))
    }

    /// The services that came or went since this was last called, in order, as long as anybody watches.
    pub fn take_come_and_gone(&mut self) -> Vec<ResourceKey> {
        let before = std::mem::take(&mut self.watchers.before).into_iter();
        before.filter(|(key, was_present)| self.has_present(key.parts()) != *was_present).map(|(key, _)| key).collect()
    }

    fn is_present(&self, service: u32) -> bool {
        self.publications.any_holds(service) || self.services.get(service).is_created()
    }

    /// To be called before anything changes that may make a service come or go.
    #[inline]
    pub(super) fn may_come_or_go(&mut self, service: u32) {
        if !self.watchers.watches.is_empty() {
            let is_present = self.is_present(service);
            self.watchers.before.entry(self.services.get(service).key.clone()).or_insert(is_present);
        }
    }
}
