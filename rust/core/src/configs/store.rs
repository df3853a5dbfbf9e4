//! Putting, getting and removing configs.

use super::{Config, ConfigKey, Configs, Entry, KeyParts, StoredConfig};
use crate::registry::links::id;

impl Configs {
    /// Stores a config, over an existing one if there is one, which lends it its creation time. Returns its md5.
    pub fn put(&mut self, key: KeyParts<'_>, mut config: Config) -> &str {
        let id = self.find_or_insert(key);
        let entry = &mut self.entries[id as usize];
        match &entry.config {
            Some(existing) => config.created_ms = existing.created_ms,
            None => {
                self.order.insert(entry.key.clone(), id);
            }
        }
        entry.config.insert(StoredConfig::new(config)).md5()
    }

    /// Removes a config and returns it. Its listeners stay.
    pub fn remove(&mut self, key: KeyParts<'_>) -> Option<StoredConfig> {
        let id = self.find(key)?;
        let entry = &mut self.entries[id as usize];
        let removed = entry.config.take()?;
        self.order.remove(&entry.key);
        self.remove_if_unused(id);
        Some(removed)
    }

    /// The config of this key.
    pub fn get(&self, key: KeyParts<'_>) -> Option<&StoredConfig> {
        self.entries[self.find(key)? as usize].config.as_ref()
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
            (key, config.as_ref().expect("what is in the order exists"))
        })
    }

    pub(super) fn find(&self, key: KeyParts<'_>) -> Option<u32> {
        self.index.find(self.hash.of(key), |id| self.entries[*id as usize].key.is(key)).copied()
    }

    pub(super) fn find_or_insert(&mut self, key: KeyParts<'_>) -> u32 {
        if let Some(found) = self.find(key) {
            return found;
        }
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
