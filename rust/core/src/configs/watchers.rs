//! Who watches which configs.

use super::{ConfigKey, Configs, KeyParts};
use crate::limits::FUZZY_LOOKS_COUNT;
use crate::registry::{Difference, FuzzyPattern, Looked, TooManyPatterns};
use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included, Unbounded};

impl Configs {
    /// Makes a connection a watcher of a pattern, or leaves it one, and says what it has to be told; `None` if it takes
    /// further calls to find that out, for no call looks at more than a bounded number of configs.
    ///
    /// # Errors
    /// There are too many patterns; nothing has changed then.
    pub fn watch(
        &mut self,
        connection: u64,
        pattern: &FuzzyPattern,
        received: &BTreeSet<ConfigKey>,
    ) -> Result<Option<Difference>, TooManyPatterns> {
        self.watches.watch(connection, pattern)?;
        let order = &self.order;
        let look = |from: Option<&ConfigKey>| {
            let group = pattern.only_group();
            let first = || Included(ConfigKey::new((pattern.namespace(), group.unwrap_or(""), "")));
            let rest = order.range((from.map_or_else(first, |last| Excluded(last.clone())), Unbounded));
            let is_near = |key: &ConfigKey| {
                key.namespace() == pattern.namespace() && group.is_none_or(|group| key.group() == group)
            };
            let near = rest.map(|(key, _)| key).take_while(|key| is_near(key)).take(FUZZY_LOOKS_COUNT);
            let (mut found, mut last, mut looked_at_count) = (Vec::new(), None, 0);
            for key in near {
                (last, looked_at_count) = (Some(key), looked_at_count + 1);
                if pattern.is_met_by(key.parts()) {
                    found.push(key.clone());
                }
            }
            Looked { found, next: last.filter(|_| looked_at_count == FUZZY_LOOKS_COUNT).cloned() }
        };
        let Some(matches) = self.watches.matches(pattern, look) else { return Ok(None) };
        Ok(Some(Difference::between(pattern, received, matches, |key| order.contains_key(key))))
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
