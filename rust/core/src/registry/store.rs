//! Publishing, withdrawing, and the death of a publisher.

use super::deadlines::{Deadline, NOWHERE};
use super::digest::Digest;
use super::distro::{Before, Cause, SAID_SO, Shift, visible};
use super::key::KeyParts;
use super::model::{Instance, Publisher, PublisherRef};
use super::publication::{self, Entries, Publication};
use super::{Registry, RegistryError, ResourceKey};
use crate::limits::IDLE_PUBLISHER_MS;

impl Registry {
    /// Replaces what `publisher` has in a service by `instances`: one, a batch, or none (an empty publication, which
    /// still keeps the service).
    ///
    /// What is persistent comes from the log and is always taken, so that every node holds the same of it: the service
    /// may hold both kinds for a while.
    ///
    /// # Errors
    /// `KindConflict` if the publication is ephemeral and the service persistent; nothing has changed then.
    pub fn publish(
        &mut self,
        publisher: &Publisher,
        key: KeyParts<'_>,
        instances: Vec<Instance>,
        now_ms: u64,
    ) -> Result<(), RegistryError> {
        let ephemeral = publisher.is_ephemeral();
        if ephemeral {
            self.check_kind(key, ephemeral)?;
        }
        let link = self.place(publisher, key, instances, Cause::Registered, now_ms);
        if matches!(publisher, Publisher::Address { ephemeral: true, .. }) {
            self.schedule_beat(link, now_ms);
        }
        Ok(())
    }

    /// Puts instances in place of what `publisher` has in a service.
    pub(super) fn place(
        &mut self,
        publisher: &Publisher,
        key: KeyParts<'_>,
        instances: Vec<Instance>,
        cause: Cause,
        now_ms: u64,
    ) -> u32 {
        let ephemeral = publisher.is_ephemeral();
        let service = self.find_or_create_service(key);
        let holder = self.publishers.find_or_insert(publisher);
        self.services.enlist(service, ephemeral);
        self.wake(holder);
        let link = self.find_or_insert_publication(holder, service);
        let entries = Entries::new(instances, ephemeral, &mut self.digester);
        let before = self.begin(link);
        let publication = self.publications.value_mut(link);
        self.instance_count += entries.as_slice().len();
        self.instance_count -= publication.entries.as_slice().len();
        publication.entries = entries;
        self.settle(link, before, cause, now_ms);
        link
    }

    /// Removes what `publisher` has in a service; the instances are not compared. False if there was nothing.
    pub fn withdraw(&mut self, publisher: &Publisher, key: KeyParts<'_>, now_ms: u64) -> bool {
        let Some(link) = self.find_publication(publisher.borrowed(), key) else { return false };
        let holder = self.take_out(link, SAID_SO, now_ms);
        self.retire(holder, now_ms);
        true
    }

    /// Removes a publisher with all that it published, as when its connection dies. Returns how many publications.
    pub fn drop_publisher(&mut self, publisher: &Publisher, now_ms: u64) -> usize {
        let Some(holder) = self.publishers.find(publisher.borrowed()) else { return 0 };
        let links = self.publications.of_holder(holder).collect::<Vec<_>>();
        for link in &links {
            self.take_out(*link, SAID_SO, now_ms);
        }
        self.forget(holder);
        links.len()
    }

    /// Removes services that nobody has published in for `unchanged_for_ms`, and returns how many: the next
    /// registration fixes their kind anew. Their subscribers stay subscribed. Memory that is no longer needed is given
    /// back as well.
    pub fn clean_empty_services(&mut self, now_ms: u64, unchanged_for_ms: u64) -> usize {
        let is_over = |id: u32, service: &super::services::Service| {
            service.ephemeral.is_some()
                && !service.is_created()
                && !service.is_pending()
                && !self.publications.any_holds(id)
                && now_ms.saturating_sub(service.withdrawn_ms) >= unchanged_for_ms
        };
        let over: Vec<u32> =
            self.services.iter().filter(|(id, service)| is_over(*id, service)).map(|(id, _)| id).collect();
        self.services.delist(&over);
        let unlisted = self.services.iter().filter(|(_, service)| service.ephemeral.is_none()).map(|(id, _)| id);
        for service in unlisted.collect::<Vec<_>>() {
            self.remove_if_unused(service);
        }
        self.shrink();
        over.len()
    }

    /// Tables never shrink by themselves, and a burst of registrations should not be paid for ever after.
    fn shrink(&mut self) {
        self.services.shrink();
        self.publishers.shrink();
        self.publications.shrink();
        self.beats.shrink();
        self.idle.shrink();
        if let Some(distro) = &mut self.distro {
            distro.shrink();
        }
    }

    /// The services whose effective list changed since this was last called, in order of first change. A list that
    /// changed and changed back without having been answered to anyone is not among them.
    pub fn take_changed(&mut self) -> Vec<ResourceKey> {
        self.services.take_changed()
    }

    pub(super) fn find_or_create_service(&mut self, key: KeyParts<'_>) -> u32 {
        match self.services.find(key) {
            Some(service) => service,
            None => {
                let key_digest = self.digester.service(key);
                self.services.insert(key, key_digest)
            }
        }
    }

    /// Forgets a service that is neither published nor subscribed to, and that nobody said anything of.
    pub(super) fn remove_if_unused(&mut self, service: u32) {
        let entry = self.services.get(service);
        let published = entry.ephemeral.is_some() || entry.is_pending() || entry.declared.is_some();
        if !published && !self.subscribers.has_any(service) {
            self.services.remove(service);
        }
    }

    pub(super) fn find_publication(&self, publisher: PublisherRef<'_>, key: KeyParts<'_>) -> Option<u32> {
        self.publications.find(self.publishers.find(publisher)?, self.services.find(key)?)
    }

    fn find_or_insert_publication(&mut self, holder: u32, service: u32) -> u32 {
        if let Some(found) = self.publications.find(holder, service) {
            return found;
        }
        let entries = Entries::Many(Box::default());
        let empty = Publication { record: Digest::default(), beat: NOWHERE, entries };
        let is_persistent = !self.publishers.get(holder).publisher.is_ephemeral();
        self.services.get_mut(service).persistent_count += u32::from(is_persistent);
        self.may_come_or_go(service);
        self.publications.insert(holder, service, empty)
    }

    /// The digest of what a publication adds to its service's list.
    pub(super) fn shown(&mut self, link: u32) -> Digest {
        let entries = visible(&self.publications, self.distro.as_deref(), link);
        match &self.services.get(self.publications.get(link).subject).declared {
            None => publication::shown(entries),
            Some(declared) => declared.shown(entries, &mut self.digester),
        }
    }

    /// What must be known of a publication before its entries change.
    pub(super) fn begin(&mut self, link: u32) -> Before {
        let shown = self.shown(link);
        let was_hidden = self.distro.is_some() && self.lift_record(link);
        Before { shown, was_hidden }
    }

    /// Brings digests, caches and versions in line after the entries of a publication changed.
    pub(super) fn settle(&mut self, link: u32, before: Before, cause: Cause, now_ms: u64) {
        let (holder, service) = (self.publications.get(link).holder, self.publications.get(link).subject);
        let entries = &self.publications.get(link).value.entries;
        let key_digest = self.services.get(service).key_digest;
        let record = self.digester.publication(key_digest, entries.as_slice().len(), entries.sum());
        let publication = self.publications.value_mut(link);
        let is_altered = record != publication.record;
        if is_altered {
            self.publishers.shift(holder, publication.record, record);
            publication.record = record;
        }
        let mut others = Shift::default();
        if self.distro.is_some() {
            others = self.lay_record(link, is_altered || before.was_hidden, cause, now_ms);
        }
        let shown = self.shown(link);
        self.services.shift(service, before.shown + others.lost, shown + others.gained, now_ms);
    }

    /// Ends a publication, and returns its publisher, which may be left without any. `silent_ms`: wall time of its
    /// last beat if it fell silent, or `SAID_SO`.
    pub(super) fn take_out(&mut self, link: u32, silent_ms: u64, now_ms: u64) -> u32 {
        let removal = self.distro.is_some().then(|| self.removal_of(link)).flatten();
        let holder = self.discard(link, now_ms);
        if let Some(removal) = removal {
            self.note_removal(removal, silent_ms, now_ms);
        }
        holder
    }

    /// Removes a publication without a word to other nodes, and returns its publisher.
    pub(super) fn discard(&mut self, link: u32, now_ms: u64) -> u32 {
        let beat = self.publications.get(link).value.beat;
        if beat != NOWHERE {
            self.unschedule_beat(beat);
        }
        self.may_come_or_go(self.publications.get(link).subject);
        let before = self.begin(link);
        let removed = self.publications.remove(link);
        self.instance_count -= removed.value.entries.as_slice().len();
        let others = if self.distro.is_some() { self.drop_record(link) } else { Shift::default() };
        self.services.shift(removed.subject, before.shown + others.lost, others.gained, now_ms);
        let is_persistent = !self.publishers.get(removed.holder).publisher.is_ephemeral();
        let service = self.services.get_mut(removed.subject);
        service.withdrawn_ms = now_ms;
        service.persistent_count -= u32::from(is_persistent);
        self.publishers.shift(removed.holder, removed.value.record, Digest::default());
        removed.holder
    }

    /// What becomes of a publisher that may have lost its last publication: a connection stays until it is dropped,
    /// an ephemeral address for a while; what other nodes or the log know of goes.
    pub(super) fn retire(&mut self, holder: u32, now_ms: u64) {
        if self.publications.holds_any(holder) {
            return;
        }
        match self.publishers.get(holder).publisher {
            Publisher::Connection(_) => {}
            Publisher::Remote { .. } | Publisher::Address { ephemeral: false, .. } => self.forget(holder),
            Publisher::Address { ephemeral: true, .. } => {
                let due_ms = now_ms.saturating_add(IDLE_PUBLISHER_MS);
                let slot = self.idle.insert(Deadline { due_ms, since_ms: now_ms, owner: holder });
                self.publishers.get_mut(holder).idle = slot;
            }
        }
    }

    /// Takes a publisher off the list of those that publish nothing.
    pub(super) fn wake(&mut self, holder: u32) {
        let slot = std::mem::replace(&mut self.publishers.get_mut(holder).idle, NOWHERE);
        if slot == NOWHERE {
            return;
        }
        if let Some(moved) = self.idle.remove(slot) {
            self.publishers.get_mut(moved).idle = slot;
        }
    }

    /// Removes a publisher that has no publication.
    pub(super) fn forget(&mut self, holder: u32) {
        self.wake(holder);
        self.publishers.remove(holder);
    }
}
