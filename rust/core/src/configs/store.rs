//! Putting, getting and removing configs.

use super::{Change, Config, ConfigKey, Configs, Entry, KeyParts, Md5, Removal, StoredConfig};
use crate::registry::links::id;
use std::sync::Arc;

impl Configs {
    /// Stores a config, over an existing one if there is one, which lends it its creation time. Returns its md5.
    pub fn put(&mut self, key: KeyParts<'_>, config: Config) -> Md5 {
        let id = self.find_or_insert(key);
        self.store(id, StoredConfig::new(config)).digest()
    }

    /// Stores a config under a key that is known, and notes it if that changes anything.
    pub(super) fn store(&mut self, id: u32, config: StoredConfig) -> Arc<StoredConfig> {
        let (config, change) = match self.entries[id as usize].config.take() {
            Some(before) => {
                let config = Arc::new(config.succeeding(&before));
                let changes = !config.says_the_same(&before);
                (Arc::clone(&config), changes.then(|| Change::Updated(before, config)))
            }
            None => {
                let config = Arc::new(config.with_id(self.history.next_id()));
                self.order.insert(self.entries[id as usize].key.clone(), id);
                self.watches.note(&self.entries[id as usize].key, true);
                self.counts.add(&self.entries[id as usize].key);
                (Arc::clone(&config), Some(Change::Inserted(config)))
            }
        };
        self.entries[id as usize].config = Some(Arc::clone(&config));
        if let Some(change) = change {
            self.record(id, change);
        }
        config
    }

    /// Removes a config and returns it. Its listeners and its history stay.
    pub fn remove(&mut self, key: KeyParts<'_>, removal: Removal) -> Option<Arc<StoredConfig>> {
        let id = self.find(key)?;
        let entry = &mut self.entries[id as usize];
        let removed = entry.config.take()?;
        self.order.remove(&entry.key);
        self.watches.note(&entry.key, false);
        self.counts.take(&entry.key);
        self.record(id, Change::Removed(Arc::clone(&removed), Box::new(removal)));
        Some(removed)
    }

    /// The config of this key.
    pub fn get(&self, key: KeyParts<'_>) -> Option<&StoredConfig> {
        self.entries[self.find(key)? as usize].config.as_deref()
    }

    /// The config of this key, to be kept as it is now.
    pub fn get_shared(&self, key: KeyParts<'_>) -> Option<Arc<StoredConfig>> {
        self.entries[self.find(key)? as usize].config.clone()
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

    /// How many configs a namespace has.
    pub fn count_in(&self, namespace: &str) -> usize {
        self.usage(namespace, None)
    }

    pub(super) fn find(&self, key: KeyParts<'_>) -> Option<u32> {
        self.index.find(self.hash.of(key), |id| self.entries[*id as usize].key.is(key)).copied()
    }

    pub(super) fn find_or_insert(&mut self, key: KeyParts<'_>) -> u32 {
        self.find(key).unwrap_or_else(|| self.insert(key))
    }

    /// Makes an entry for a key that has none.
    pub(super) fn insert(&mut self, key: KeyParts<'_>) -> u32 {
        let inserted =
            id(self.entries.insert(Entry { key: ConfigKey::new(key), config: None, grays: None, history: None }));
        let (entries, hash) = (&self.entries, self.hash);
        self.index.insert_unique(hash.of(key), inserted, |id| hash.of(entries[*id as usize].key.parts()));
        inserted
    }

    /// Forgets a key that has neither a config nor gray releases nor a history nor a listener.
    pub(super) fn remove_if_unused(&mut self, id: u32) {
        if self.entries[id as usize].is_kept() || self.listeners.any_holds(id) {
            return;
        }
        let entry = self.entries.remove(id as usize);
        if let Ok(found) = self.index.find_entry(self.hash.of(entry.key.parts()), |other| *other == id) {
            found.remove();
        }
    }
}

impl Entry {
    /// Whether a snapshot holds it.
    pub(super) fn is_kept(&self) -> bool {
        self.config.is_some() || self.grays.is_some() || self.history.is_some()
    }
}
