//! The services that the registry knows: by key, by group in order of first registration, and which of them changed.

use super::declared::Declared;
use super::digest::Digest;
use super::fuzzy::FuzzyPattern;
use super::key::{KeyParts, NameHash, ResourceKey};
use super::links::{id, is_sparse};
use super::render::{View, Views};
use crate::limits::VIEWS_BYTES_MAX;
use hashbrown::HashTable;
use slab::Slab;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

/// A change that nobody has taken yet.
#[derive(Debug)]
struct Pending {
    /// The list's digest when changes were last taken.
    digest_before: Digest,
    /// Whether a client saw the list in between: then it must hear of a change back, too.
    answered: bool,
}

/// One service; its publications and subscriptions are links to it.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) key: ResourceKey,
    pub(super) key_digest: Digest,
    /// Whether its first publication was ephemeral, none while it is only subscribed to.
    pub(super) ephemeral: Option<bool>,
    /// Publications from the log, which are applied whatever else is there.
    pub(super) persistent_count: u32,
    /// What operators said of it and of its instances.
    pub(super) declared: Option<Box<Declared>>,
    /// The sum over the instances that subscribers are shown.
    pub(super) digest: Digest,
    pub(super) views: Views,
    /// Wall time when a publication was last withdrawn: since then an empty service is empty.
    pub(super) withdrawn_ms: u64,
    stamp_ms: u64,
    answered_ms: u64,
    pending: Option<Pending>,
}

impl Service {
    /// The `lastRefTime` of an answer given now. It never shrinks, and it grows across every change of the list,
    /// because clients discard what is not newer than what they hold (protocol/grpc.md section 5).
    pub(super) fn answer(&mut self, now_ms: u64) -> u64 {
        self.answered_ms = now_ms.max(self.stamp_ms).max(self.answered_ms);
        if let Some(pending) = &mut self.pending {
            pending.answered = true;
        }
        self.answered_ms
    }

    /// Whether it is ephemeral: as it was created, or as its first publication was, unless it holds persistent ones.
    pub(super) fn is_ephemeral(&self) -> Option<bool> {
        if self.persistent_count > 0 {
            return Some(false);
        }
        let record = self.declared.as_ref().and_then(|declared| declared.service.as_ref());
        record.filter(|record| record.created).map(|record| record.ephemeral).or(self.ephemeral)
    }

    pub(super) fn is_created(&self) -> bool {
        self.declared.as_ref().is_some_and(|declared| declared.is_created())
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending.is_some()
    }
}

/// The published services of one group of one namespace.
#[derive(Debug)]
struct Group {
    namespace: Box<str>,
    group: Box<str>,
    services: Vec<u32>,
}

/// All services.
#[derive(Debug)]
pub(super) struct Services {
    services: Slab<Service>,
    index: HashTable<u32>,
    /// All of them in key order.
    order: BTreeMap<ResourceKey, u32>,
    groups: HashTable<Group>,
    hash: NameHash,
    changed: Vec<u32>,
    published_count: usize,
    /// The size of all views kept.
    rendered_bytes: usize,
    /// The newest `lastRefTime` told of any service that was not there.
    unknown_answered_ms: u64,
}

impl Services {
    pub(super) fn new(hash: NameHash) -> Self {
        Self {
            services: Slab::new(),
            index: HashTable::new(),
            order: BTreeMap::new(),
            groups: HashTable::new(),
            hash,
            changed: Vec::new(),
            published_count: 0,
            rendered_bytes: 0,
            unknown_answered_ms: 0,
        }
    }

    pub(super) fn find(&self, key: KeyParts<'_>) -> Option<u32> {
        self.index.find(self.hash.of(key), |id| self.services[*id as usize].key.is(key)).copied()
    }

    pub(super) fn insert(&mut self, key: KeyParts<'_>, key_digest: Digest) -> u32 {
        let service = Service {
            key: ResourceKey::new(key),
            key_digest,
            ephemeral: None,
            persistent_count: 0,
            declared: None,
            digest: Digest::default(),
            views: Views::default(),
            withdrawn_ms: 0,
            stamp_ms: 0,
            // Its first change must be newer than whatever was said of it while it was not there.
            answered_ms: self.unknown_answered_ms,
            pending: None,
        };
        let ordered_key = service.key.clone();
        let inserted = id(self.services.insert(service));
        self.order.insert(ordered_key, inserted);
        let (services, hash) = (&self.services, self.hash);
        self.index.insert_unique(hash.of(key), inserted, |id| hash.of(services[*id as usize].key.parts()));
        inserted
    }

    /// Forgets a service that has neither publications nor subscriptions nor an untaken change.
    pub(super) fn remove(&mut self, service: u32) {
        let mut removed = self.services.remove(service as usize);
        self.order.remove(&removed.key);
        self.rendered_bytes -= removed.views.clear();
        self.unknown_answered_ms = self.unknown_answered_ms.max(removed.answered_ms);
        if let Ok(entry) = self.index.find_entry(self.hash.of(removed.key.parts()), |id| *id == service) {
            entry.remove();
        }
    }

    pub(super) fn get(&self, service: u32) -> &Service {
        &self.services[service as usize]
    }

    pub(super) fn get_mut(&mut self, service: u32) -> &mut Service {
        &mut self.services[service as usize]
    }

    /// The `lastRefTime` of an answer about a service that is not there.
    pub(super) fn answer_unknown(&mut self, now_ms: u64) -> u64 {
        self.unknown_answered_ms = self.unknown_answered_ms.max(now_ms);
        self.unknown_answered_ms
    }

    /// Fixes the kind of a service at its first publication and enters it in its group's list.
    pub(super) fn enlist(&mut self, service: u32, ephemeral: bool) {
        let entry = &mut self.services[service as usize];
        if entry.ephemeral.is_some() {
            return;
        }
        entry.ephemeral = Some(ephemeral);
        self.published_count += 1;
        let (namespace, group) = (entry.key.namespace(), entry.key.group());
        let hash = self.hash;
        let found = self.groups.find_mut(hash.of((namespace, group)), |of| of.is(namespace, group));
        if let Some(of) = found {
            of.services.push(service);
            return;
        }
        let new = Group { namespace: namespace.into(), group: group.into(), services: vec![service] };
        self.groups.insert_unique(hash.of((namespace, group)), new, |of| hash.of((&*of.namespace, &*of.group)));
    }

    /// Takes services off their lists: the next publication fixes their kind anew.
    pub(super) fn delist(&mut self, services: &[u32]) {
        for service in services {
            self.published_count -= usize::from(self.get_mut(*service).ephemeral.take().is_some());
        }
        let services = &self.services;
        self.groups.retain(|of| {
            of.services.retain(|id| services[*id as usize].ephemeral.is_some());
            !of.services.is_empty()
        });
    }

    /// One page of a group's services, in order of first registration, and how many there are in all.
    pub(super) fn list(&self, namespace: &str, group: &str, skip: usize, take: usize) -> (usize, Vec<&str>) {
        let found = self.groups.find(self.hash.of((namespace, group)), |of| of.is(namespace, group));
        let services = found.map_or(&[][..], |of| &of.services);
        let page = services.iter().skip(skip).take(take);
        (services.len(), page.map(|id| self.services[*id as usize].key.name()).collect())
    }

    /// The services like a pattern among the next `look_count`, from a place in the table on, and where to go on. A pattern
    /// for one group that has no more services than that needs no look at others.
    pub(super) fn like(&self, pattern: &FuzzyPattern, place: usize, look_count: usize) -> (Vec<u32>, Option<usize>) {
        let is_like = |id: &u32| pattern.is_met_by(self.services[*id as usize].key.parts());
        if let Some(group) = pattern.only_group().filter(|_| place == 0) {
            let namespace = pattern.namespace();
            let found = self.groups.find(self.hash.of((namespace, group)), |of| of.is(namespace, group));
            let published = found.map_or(&[][..], |of| &of.services);
            if published.len() <= look_count {
                return (published.iter().copied().filter(is_like).collect(), None);
            }
        }
        let end = self.services.capacity().min(place + look_count);
        let looked_at = (place..end).filter(|at| self.services.get(*at).is_some_and(|of| of.ephemeral.is_some()));
        (looked_at.map(id).filter(is_like).collect(), (end < self.services.capacity()).then_some(end))
    }

    /// The groups of a namespace, whatever its case, each with its published services; in no order.
    pub(super) fn groups_of(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = (&str, impl Iterator<Item = &ResourceKey>)> {
        self.groups.iter().filter(move |of| of.namespace.eq_ignore_ascii_case(namespace)).map(|of| {
            let keys = of.services.iter().map(|id| &self.services[*id as usize].key);
            (&*of.group, keys)
        })
    }

    /// The services of a namespace in order of group and name, those behind a key if one is given.
    pub(super) fn of_namespace<'a>(
        &'a self,
        namespace: &'a str,
        after: Option<&ResourceKey>,
    ) -> impl Iterator<Item = (&'a ResourceKey, u32)> {
        let from = match after {
            Some(after) => Excluded(after.clone()),
            None => Included(ResourceKey::new((namespace, "", ""))),
        };
        let rest = self.order.range((from, Unbounded)).map(|(key, id)| (key, *id));
        rest.take_while(move |(key, _)| key.namespace() == namespace)
    }

    /// Notes that a publication's part in the list of a service went from `before` to `after`.
    pub(super) fn shift(&mut self, service: u32, before: Digest, after: Digest, now_ms: u64) {
        if before == after {
            return;
        }
        let changed = &mut self.services[service as usize];
        if changed.pending.is_none() {
            changed.pending = Some(Pending { digest_before: changed.digest, answered: false });
            self.changed.push(service);
        }
        changed.digest = changed.digest - before + after;
        self.rendered_bytes -= changed.views.clear();
        changed.stamp_ms = now_ms.max(changed.answered_ms + 1);
    }

    /// The services whose list is another than when this was last called, in order of first change. One that
    /// changed back in between without a client seeing it is left out.
    pub(super) fn take_changed(&mut self) -> Vec<ResourceKey> {
        let mut keys = Vec::with_capacity(self.changed.len());
        for id in std::mem::take(&mut self.changed) {
            let service = &mut self.services[id as usize];
            let pending = service.pending.take();
            if pending.is_some_and(|pending| pending.answered || pending.digest_before != service.digest) {
                keys.push(service.key.clone());
            }
        }
        keys
    }

    /// Keeps a rendered view until its service changes, or until all views together take too much.
    pub(super) fn keep_view(&mut self, service: u32, view: &View<'_>, hosts: &[u8], is_protected: bool) {
        if self.rendered_bytes + hosts.len() > VIEWS_BYTES_MAX {
            self.services.iter_mut().for_each(|(_, service)| {
                service.views.clear();
            });
            self.rendered_bytes = 0;
        }
        if hosts.len() <= VIEWS_BYTES_MAX {
            self.rendered_bytes += hosts.len();
            self.rendered_bytes -= self.services[service as usize].views.keep(view, hosts, is_protected);
        }
    }

    /// Gives memory back after most services have gone.
    pub(super) fn shrink(&mut self) {
        if is_sparse(self.services.len(), self.services.capacity()) {
            self.services.shrink_to_fit();
            let (services, hash) = (&self.services, self.hash);
            self.index.shrink_to_fit(|id| hash.of(services[*id as usize].key.parts()));
        }
    }

    /// How many services have been published (and not cleaned since).
    pub(super) fn published_count(&self) -> usize {
        self.published_count
    }

    /// The services at places from `from`, no more than `look_count` places, and where to go on; none at the end.
    pub(super) fn at_places(&self, from: usize, look_count: usize) -> (impl Iterator<Item = &Service>, Option<usize>) {
        let end = self.services.capacity();
        let to = from.saturating_add(look_count).min(end);
        ((from..to).filter_map(|place| self.services.get(place)), (to < end).then_some(to))
    }

    /// Every service with its id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Service)> {
        self.services.iter().map(|(index, service)| (id(index), service))
    }
}

impl Group {
    fn is(&self, namespace: &str, group: &str) -> bool {
        (&*self.namespace, &*self.group) == (namespace, group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::VIEWS_COUNT_MAX;
    use crate::registry::digest::Digester;

    fn services(names: &[&str]) -> Services {
        let mut services = Services::new(NameHash::new(&[7; 16]));
        for name in names {
            services.insert(("public", "g", name), Digest::default());
        }
        services
    }

    fn kept_bytes(services: &Services, clusters: &[String]) -> usize {
        let kept = services.iter().flat_map(|(_, service)| {
            let views = clusters.iter().map(|clusters| View { clusters, ..View::default() });
            views.filter_map(|view| service.views.find(&view).map(|(hosts, _)| hosts.len()))
        });
        kept.sum()
    }

    #[test]
    fn views_are_kept_up_to_a_number_and_a_size() {
        let mut services = services(&["a", "b"]);
        let clusters: Vec<_> = (0..=VIEWS_COUNT_MAX).map(|number| format!("c{number}")).collect();
        let mut keep = |service: u32, clusters: &str, bytes: usize, expected: usize, all: &[String]| {
            services.keep_view(service, &View { clusters, ..View::default() }, &vec![b'x'; bytes], false);
            assert_eq!((kept_bytes(&services, all), services.rendered_bytes), (expected, expected));
        };
        for (number, name) in clusters.iter().enumerate() {
            // The last makes the first go.
            let expected = if number < VIEWS_COUNT_MAX { 100 * (number + 1) } else { 100 * VIEWS_COUNT_MAX + 7 };
            keep(0, name, if number < VIEWS_COUNT_MAX { 100 } else { 107 }, expected, &clusters);
        }
        keep(1, "c0", VIEWS_BYTES_MAX - 1_000, VIEWS_BYTES_MAX - 1_000 + 100 * VIEWS_COUNT_MAX + 7, &clusters);
        keep(1, "c1", 1_000, 1_000, &clusters);
        keep(0, "c0", VIEWS_BYTES_MAX + 1, 0, &clusters);
    }

    #[test]
    fn a_change_and_a_removal_give_views_back() {
        let mut services = services(&["a", "b"]);
        for service in [0, 1] {
            services.keep_view(service, &View::default(), b"[]", false);
        }
        let digest = Digester::new(&[7; 16]).service(("", "", ""));
        services.shift(0, Digest::default(), digest, 1);
        assert_eq!(services.rendered_bytes, 2);
        services.remove(1);
        assert_eq!(services.rendered_bytes, 0);
    }
}
