//! Who watches which configs.

use super::{ConfigKey, Configs, KeyParts};
use crate::registry::{Difference, FuzzyPattern, TooManyPatterns};
use std::collections::BTreeSet;

impl Configs {
    /// Makes a connection a watcher of a pattern, or leaves it one, and says what it has to be told.
    ///
    /// # Errors
    /// There are too many patterns; nothing has changed then.
    pub fn watch(
        &mut self,
        connection: u64,
        pattern: &FuzzyPattern,
        received: &BTreeSet<ConfigKey>,
    ) -> Result<Difference, TooManyPatterns> {
        self.watches.watch(connection, pattern)?;
        let group = pattern.only_group();
        let first = ConfigKey::new((pattern.namespace(), group.unwrap_or(""), ""));
        let near =
            self.order.range(first..).map(|(key, _)| key).take_while(|key| {
                key.namespace() == pattern.namespace() && group.is_none_or(|group| key.group() == group)
            });
        let matches = self.watches.matches(pattern, near.filter(|key| pattern.is_met_by(key.parts())));
        Ok(Difference::between(pattern, received, &matches, |key| self.get(key.parts()).is_some()))
    }

    /// Ends a watch. False if there was none.
    pub fn unwatch(&mut self, connection: u64, pattern: &str) -> bool {
        self.watches.unwatch(connection, pattern)
    }

    /// Ends all watches of a connection.
    pub fn drop_watcher(&mut self, connection: u64) {
        self.watches.drop_connection(connection);
    }

    /// Whether a connection watches a pattern, as it wrote it.
    pub fn is_watching(&self, connection: u64, pattern: &str) -> bool {
        self.watches.has(connection, pattern)
    }

    /// The connections that watch a config, in order.
    pub fn watchers(&self, key: KeyParts<'_>) -> Vec<u64> {
        if self.watches.is_empty() { Vec::new() } else { self.watches.watchers(key).into_iter().collect() }
    }
}
