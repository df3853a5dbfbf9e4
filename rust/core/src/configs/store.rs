//! Putting, getting and removing configs.

use super::{Config, ConfigKey, Configs, Entry, KeyParts, StoredConfig};
use crate::registry::links::id;
use std::sync::Arc;

impl Configs {
    /// Stores a config, over an existing one if there is one, which lends it its creation time. Returns its md5.
    pub fn put(&mut self, key: KeyParts<'_>, config: Config) -> &str {
        let id = self.find_or_insert(key);
        self.store(id, StoredConfig::new(config)).md5()
    }

    /// Stores a config under a key that is known.
    pub(super) fn store(&mut self, id: u32, mut config: StoredConfig) -> &StoredConfig {
        let entry = &mut self.entries[id as usize];
        match &entry.config {
            Some(existing) => config = config.created_at(existing.created_ms),
            None => {
                self.order.insert(entry.key.clone(), id);
            }
        }
        entry.config.insert(Arc::new(config))
    }

    /// Removes a config and returns it. Its listeners stay.
    pub fn remove(&mut self, key: KeyParts<'_>) -> Option<Arc<StoredConfig>> {
        let id = self.find(key)?;
        let entry = &mut self.entries[id as usize];
        let removed = entry.config.take()?;
        self.order.remove(&entry.key);
        self.remove_if_unused(id);
        Some(removed)
    }

    /// The config of this key.
    pub fn get(&self, key: KeyParts<'_>) -> Option<&StoredConfig> {
        self.entries[self.find(key)? as usize].config.as_deref()
    }

    /// The md5 of a config's content, empty if there is none (protocol/semantics.md section 4).
    pub fn md5_of(&self, key: KeyParts<'_>) -> &str {
        self.get(key).map_or("", StoredConfig::md5)
    }

    /// How many configs exist.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none exists.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// All configs in order of namespace, group and data id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ConfigKey, &StoredConfig)> {
        self.order.iter().map(|(key, id)| {
            let config = &self.entries[*id as usize].config;
            (key, config.as_deref().expect("what is in the order exists"))
        })
    }

    /// All configs as they are now, in no order; they are shared, so this costs little.
    pub(super) fn shared(&self) -> Vec<(ConfigKey, Arc<StoredConfig>)> {
        let existing = |entry: &Entry| Some((entry.key.clone(), Arc::clone(entry.config.as_ref()?)));
        let mut shared = Vec::with_capacity(self.len());
        shared.extend(self.entries.iter().filter_map(|(_, entry)| existing(entry)));
        shared
    }

    pub(super) fn find(&self, key: KeyParts<'_>) -> Option<u32> {
        self.index.find(self.hash.of(key), |id| self.entries[*id as usize].key.is(key)).copied()
    }

    pub(super) fn find_or_insert(&mut self, key: KeyParts<'_>) -> u32 {
        self.find(key).unwrap_or_else(|| self.insert(key))
    }

    /// Makes an entry for a key that has none.
    pub(super) fn insert(&mut self, key: KeyParts<'_>) -> u32 {
        let inserted = id(self.entries.insert(Entry { key: ConfigKey::new(key), config: None }));
        let (entries, hash) = (&self.entries, self.hash);
        self.index.insert_unique(hash.of(key), inserted, |id| hash.of(entries[*id as usize].key.parts()));
        inserted
    }

    /// Forgets a key that has neither a config nor a listener.
    pub(super) fn remove_if_unused(&mut self, id: u32) {
        if self.entries[id as usize].config.is_some() || self.listeners.any_holds(id) {
            return;
        }
        let entry = self.entries.remove(id as usize);
        if let Ok(found) = self.index.find_entry(self.hash.of(entry.key.parts()), |other| *other == id) {
            found.remove();
        }
    }
}
