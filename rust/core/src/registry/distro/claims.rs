//! Which publications have an instance of the same ip, port and cluster in the same service.

use super::super::key::NameHash;
use super::super::model::Instance;
use hashbrown::HashTable;

/// One entry of one publication. Its hash is kept: computing it again would need the publication.
#[derive(Debug, Clone, Copy)]
struct Claim {
    hash: u64,
    link: u32,
    at: u32,
}

/// The entries of all records, by the hash of service, ip, port and cluster.
#[derive(Debug)]
pub(super) struct Claims {
    table: HashTable<Claim>,
    hash: NameHash,
    /// The hashes that changed and have more than one entry, or had.
    contested: Vec<u64>,
}

impl Claims {
    pub(super) fn new(hash: NameHash) -> Self {
        Self { table: HashTable::new(), hash, contested: Vec::new() }
    }

    fn hash_of(&self, service: u32, instance: &Instance) -> u64 {
        self.hash.of((service, &*instance.ip, instance.port, instance.cluster.as_str()))
    }

    /// Notes an entry.
    pub(super) fn insert(&mut self, service: u32, instance: &Instance, link: u32, at: u32) {
        let hash = self.hash_of(service, instance);
        if self.is_claimed(hash) {
            self.contested.push(hash);
        }
        self.table.insert_unique(hash, Claim { hash, link, at }, |claim| claim.hash);
    }

    /// Forgets an entry.
    pub(super) fn remove(&mut self, service: u32, instance: &Instance, link: u32, at: u32) {
        let hash = self.hash_of(service, instance);
        if let Ok(found) = self.table.find_entry(hash, |claim| (claim.link, claim.at) == (link, at)) {
            found.remove();
        }
        if self.is_claimed(hash) {
            self.contested.push(hash);
        }
    }

    fn is_claimed(&self, hash: u64) -> bool {
        self.table.find(hash, |claim| claim.hash == hash).is_some()
    }

    /// The entries of one hash, which are nearly always of one instance, in a defined order.
    pub(super) fn of(&self, hash: u64) -> Vec<(u32, u32)> {
        let claims = self.table.iter_hash(hash).filter(|claim| claim.hash == hash);
        let mut found: Vec<_> = claims.map(|claim| (claim.link, claim.at)).collect();
        found.sort_unstable();
        found
    }

    pub(super) fn contested(&self) -> &[u64] {
        &self.contested
    }

    pub(super) fn take_contested(&mut self) -> Vec<u64> {
        let mut contested = std::mem::take(&mut self.contested);
        contested.sort_unstable();
        contested.dedup();
        contested
    }

    /// Gives memory back after most entries have gone.
    pub(super) fn shrink(&mut self) {
        if super::super::links::is_sparse(self.table.len(), self.table.capacity()) {
            self.table.shrink_to_fit(|claim| claim.hash);
        }
    }
}
