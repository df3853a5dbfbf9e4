//! Configs: their content with its md5, what happened to them, and who listens to which of them.

mod describe;
mod gray;
mod history;
mod listeners;
mod model;
mod pattern;
mod publish;
mod quota;
mod rollback;
mod rule;
mod search;
mod snapshot;
mod store;
mod watchers;

pub use crate::registry::{KeyParts, SnapshotError};
pub use gray::{Answer, Gray, GrayPublication, GrayRefused, Terms};
pub use history::{Change, Event, Removal};
pub use model::{Config, Md5, StoredConfig};
pub use pattern::Pattern;
pub use publish::{Publication, Published};
pub use quota::{OverQuota, Quota, QuotaDefaults};
pub use rollback::{RollbackRefused, RolledBack};
pub use rule::{Asker, Labels, Rule, RuleError};
pub use search::{Filter, Found, Search};
pub use snapshot::{DecodedConfigs, FrozenConfigs, Replaced};

use crate::registry::links::Links;
use crate::registry::{NameHash, ResourceKey, Watches};
use foldhash::fast::FixedState;
use gray::Grays;
use hashbrown::{HashMap, HashTable};
use history::{Events, History};
use listeners::{Listener, Listening};
use quota::{Counts, Quotas};
use slab::Slab;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What names a config: namespace, group, data id.
pub type ConfigKey = ResourceKey;

/// What is known of one key: a config, its gray releases, what happened to it, or only that somebody listens for it to appear.
#[derive(Debug)]
struct Entry {
    key: ConfigKey,
    /// Shared with what was frozen for a snapshot.
    config: Option<Arc<StoredConfig>>,
    /// Shared likewise. None for nearly all: there need not be a config.
    grays: Option<Grays>,
    history: Option<Events>,
}

/// All configs of one node with their listeners.
#[derive(Debug)]
pub struct Configs {
    entries: Slab<Entry>,
    index: HashTable<u32>,
    hash: NameHash,
    /// The configs that exist, in key order.
    order: BTreeMap<ConfigKey, u32>,
    /// How many of them there are in each namespace and group.
    counts: Counts,
    quotas: Quotas,
    history: History,
    /// Gray releases of all configs.
    gray_count: usize,
    connections: Slab<Listening>,
    connection_index: HashMap<u64, u32, FixedState>,
    /// Holder: connection; subject: entry.
    listeners: Links<Listener>,
    /// By the last key that was looked at.
    watches: Watches<ConfigKey>,
}

impl Configs {
    /// `hash_key` is secret: it keeps clients from choosing keys that collide in the table.
    pub fn new(hash_key: [u8; 16]) -> Self {
        Self {
            entries: Slab::new(),
            index: HashTable::new(),
            hash: NameHash::new(&hash_key),
            order: BTreeMap::new(),
            counts: Counts::default(),
            quotas: Quotas::default(),
            history: History::default(),
            gray_count: 0,
            connections: Slab::new(),
            connection_index: HashMap::default(),
            listeners: Links::default(),
            watches: Watches::default(),
        }
    }
}

#[cfg(test)]
mod gray_tests;
#[cfg(test)]
mod quota_tests;
#[cfg(test)]
mod tests;
