//! Who watches which services, and which of those came or went.

use super::Registry;
use super::fuzzy::{Difference, FuzzyPattern, Looked, TooManyPatterns, Watches};
use super::key::{KeyParts, ResourceKey};
use super::links::Links;
use super::publication::Publication;
use super::services::Services;
use crate::limits::FUZZY_LOOKS_COUNT;
use std::collections::{BTreeMap, BTreeSet};

/// The watches, and what has to be told to them.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    /// By the place of a service in the table of all.
    watches: Watches<usize>,
    /// Services of which something changed that may make them come or go, each with whether it was there before.
    before: BTreeMap<ResourceKey, bool>,
}

impl Registry {
    /// Makes a connection a watcher of a pattern, or leaves it one, and says what it has to be told; `None` if it takes
    /// further calls to find that out, for no call looks at more than a bounded number of services.
    ///
    /// # Errors
    /// There are too many patterns; nothing has changed then.
    pub fn watch(
        &mut self,
        connection: u64,
        pattern: &FuzzyPattern,
        received: &BTreeSet<ResourceKey>,
    ) -> Result<Option<Difference>, TooManyPatterns> {
        self.watchers.watches.watch(connection, pattern)?;
        self.note_presence();
        let (services, publications) = (&self.services, &self.publications);
        let look = |from: Option<&usize>| {
            let (like_it, next) = services.like(pattern, from.copied().unwrap_or(0), FUZZY_LOOKS_COUNT);
            let present = like_it.into_iter().filter(|id| is_present(services, publications, *id));
            Looked { found: present.map(|id| services.get(id).key.clone()).collect(), next }
        };
        let Some(matches) = self.watchers.watches.matches(pattern, look) else { return Ok(None) };
        Ok(Some(Difference::between(pattern, received, matches, |key| {
            let service = services.find(key.parts());
            service.is_some_and(|service| is_present(services, publications, service))
        })))
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
        self.services.find(key).is_some_and(|service| is_present(&self.services, &self.publications, service))
    }

    /// The services that came or went since this was last called, in order, as long as anybody watches.
    pub fn take_come_and_gone(&mut self) -> Vec<ResourceKey> {
        self.note_presence();
        let before = std::mem::take(&mut self.watchers.before).into_iter();
        before.filter(|(key, was_present)| self.has_present(key.parts()) != *was_present).map(|(key, _)| key).collect()
    }

    /// Brings what is known of matches up to date.
    fn note_presence(&mut self) {
        for key in self.watchers.before.keys() {
            let service = self.services.find(key.parts());
            let is_there = service.is_some_and(|service| is_present(&self.services, &self.publications, service));
            self.watchers.watches.note(key, is_there);
        }
    }

    /// To be called before anything changes that may make a service come or go.
    #[inline]
    pub(super) fn may_come_or_go(&mut self, service: u32) {
        if !self.watchers.watches.is_empty() {
            let is_present = is_present(&self.services, &self.publications, service);
            self.watchers.before.entry(self.services.get(service).key.clone()).or_insert(is_present);
        }
    }
}

fn is_present(services: &Services, publications: &Links<Publication>, service: u32) -> bool {
    publications.any_holds(service) || services.get(service).is_created()
}
