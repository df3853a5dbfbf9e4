//! The publishers that the registry knows, each with the digest and revision of its record.

use super::deadlines::NOWHERE;
use super::digest::Digest;
use super::key::NameHash;
use super::links::{id, is_sparse};
use super::model::{Publisher, PublisherRef};
use hashbrown::HashTable;
use slab::Slab;

/// One publisher.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) publisher: Publisher,
    /// The sum over its publications.
    pub(super) digest: Digest,
    /// How often its record changed.
    pub(super) revision: u64,
    /// Where it is noted that it publishes nothing any more, or `NOWHERE`.
    pub(super) idle: u32,
}

/// All publishers, found by what they are.
#[derive(Debug)]
pub(super) struct Publishers {
    records: Slab<Record>,
    index: HashTable<u32>,
    hash: NameHash,
    /// Connections, ephemeral addresses, persistent addresses.
    pub(super) counts: [usize; 3],
}

fn kind(publisher: &Publisher) -> usize {
    match publisher {
        Publisher::Connection(_) | Publisher::Remote { .. } => 0,
        Publisher::Address { ephemeral: true, .. } => 1,
        Publisher::Address { ephemeral: false, .. } => 2,
    }
}

impl Publishers {
    pub(super) fn new(hash: NameHash) -> Self {
        Self { records: Slab::new(), index: HashTable::new(), hash, counts: [0; 3] }
    }

    pub(super) fn find(&self, publisher: PublisherRef<'_>) -> Option<u32> {
        let is_it = |id: &u32| self.records[*id as usize].publisher.borrowed() == publisher;
        self.index.find(self.hash.of(publisher), is_it).copied()
    }

    pub(super) fn find_or_insert(&mut self, publisher: &Publisher) -> u32 {
        if let Some(found) = self.find(publisher.borrowed()) {
            return found;
        }
        let record = Record { publisher: publisher.clone(), digest: Digest::default(), revision: 0, idle: NOWHERE };
        let inserted = id(self.records.insert(record));
        self.counts[kind(publisher)] += 1;
        let (records, hash) = (&self.records, self.hash);
        self.index.insert_unique(hash.of(publisher.borrowed()), inserted, |id| {
            hash.of(records[*id as usize].publisher.borrowed())
        });
        inserted
    }

    pub(super) fn remove(&mut self, publisher: u32) {
        let record = self.records.remove(publisher as usize);
        self.counts[kind(&record.publisher)] -= 1;
        let hash = self.hash.of(record.publisher.borrowed());
        if let Ok(entry) = self.index.find_entry(hash, |id| *id == publisher) {
            entry.remove();
        }
    }

    pub(super) fn get(&self, publisher: u32) -> &Record {
        &self.records[publisher as usize]
    }

    pub(super) fn get_mut(&mut self, publisher: u32) -> &mut Record {
        &mut self.records[publisher as usize]
    }

    /// Gives memory back after most publishers have gone.
    pub(super) fn shrink(&mut self) {
        if is_sparse(self.records.len(), self.records.capacity()) {
            self.records.shrink_to_fit();
            let (records, hash) = (&self.records, self.hash);
            self.index.shrink_to_fit(|id| hash.of(records[*id as usize].publisher.borrowed()));
        }
    }

    /// Notes that a publication's part in the record went from `before` to `after`.
    pub(super) fn shift(&mut self, publisher: u32, before: Digest, after: Digest) {
        let record = self.get_mut(publisher);
        record.digest = record.digest - before + after;
        record.revision += 1;
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Publisher> {
        self.records.iter().map(|(_, record)| &record.publisher)
    }

    /// Those in the `look_count` places from `place` on, and the place behind; none at the end.
    pub(super) fn from(&self, place: usize, look_count: usize) -> (Vec<&Publisher>, Option<usize>) {
        let end = self.records.capacity();
        let to = place.saturating_add(look_count).min(end);
        let found = (place..to).filter_map(|at| self.records.get(at)).map(|record| &record.publisher);
        (found.collect(), (to < end).then_some(to))
    }

    /// Those of persistent instances among the `look_count` places from `from` on, and the place behind; none at the end.
    pub(super) fn persistent_from(&self, from: usize, look_count: usize) -> (Vec<u32>, Option<usize>) {
        let end = self.records.capacity();
        let to = from.saturating_add(look_count).min(end);
        let is_persistent = |place: &usize| self.records.get(*place).is_some_and(|of| !of.publisher.is_ephemeral());
        ((from..to).filter(is_persistent).map(id).collect(), (to < end).then_some(to))
    }

    /// The publishers of persistent instances.
    pub(super) fn persistent(&self) -> Vec<Publisher> {
        let publishers = self.records.iter().map(|(_, record)| &record.publisher);
        publishers.filter(|publisher| !publisher.is_ephemeral()).cloned().collect()
    }
}
