//! Answers from what the registry holds.

use super::distro::visible;
use super::key::KeyParts;
use super::model::{Instance, Publisher};
use super::protect::protect;
use super::render::{View, write_head, write_hosts, write_tail};
use super::select::select;
use super::{Registry, RegistryError};

/// How much the registry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Services that were published and not cleaned since.
    pub services: usize,
    /// Instances of all publications.
    pub instances: usize,
    /// Subscriptions: pairs of a connection and a service.
    pub subscribers: usize,
    /// Connections that published, those to other nodes included.
    pub connection_publishers: usize,
    /// Addresses that are kept alive by beats, the idle ones included.
    pub address_publishers_ephemeral: usize,
    /// Addresses with persistent instances.
    pub address_publishers_persistent: usize,
}

impl Registry {
    /// Appends the ServiceInfo of a service, with empty `hosts` if it is not known.
    pub fn write_service_info(&mut self, key: KeyParts<'_>, view: &View<'_>, now_ms: u64, out: &mut Vec<u8>) {
        write_head(out, key, view, self.pace.cache_ms);
        let (last_ref_time_ms, is_protected) = self.write_list(key, view, now_ms, out);
        write_tail(out, last_ref_time_ms, is_protected);
    }

    /// Appends the array of instances alone, as the v3 client API answers it.
    pub fn write_instances(&mut self, key: KeyParts<'_>, view: &View<'_>, now_ms: u64, out: &mut Vec<u8>) {
        self.write_list(key, view, now_ms, out);
    }

    /// One page of the services published in a group, in order of their first registration, and how many there are
    /// in all. A `page_no` below 1 acts as 1; a page past the end is empty.
    pub fn list_services(&self, namespace: &str, group: &str, page_no: i64, page_size: usize) -> (usize, Vec<&str>) {
        let pages_before = usize::try_from(page_no.max(1) - 1).unwrap_or(usize::MAX);
        self.services.list(namespace, group, pages_before.saturating_mul(page_size), page_size)
    }

    /// Every instance of a service with its publisher, shown or not, the oldest publication first.
    pub fn instances(&self, key: KeyParts<'_>) -> impl Iterator<Item = (&Publisher, &Instance)> {
        let links = self.services.find(key).into_iter().flat_map(|id| self.publications.of_subject(id));
        let newest_first: Vec<_> = links.map(|link| self.publications.get(link)).collect();
        newest_first.into_iter().rev().flat_map(|link| {
            let publisher = &self.publishers.get(link.holder).publisher;
            link.value.entries.as_slice().iter().map(move |entry| (publisher, &entry.instance))
        })
    }

    /// Whether a service is ephemeral, none if nobody published it. One that holds both kinds counts as persistent.
    pub fn service_is_ephemeral(&self, key: KeyParts<'_>) -> Option<bool> {
        self.services.get(self.services.find(key)?).is_ephemeral()
    }

    /// Refuses a publication of this kind beforehand, for those that are decided elsewhere.
    ///
    /// # Errors
    /// `KindConflict` if the service is of the other kind.
    pub fn check_kind(&self, key: KeyParts<'_>, ephemeral: bool) -> Result<(), RegistryError> {
        match self.service_is_ephemeral(key) {
            Some(existing_is_ephemeral) if existing_is_ephemeral != ephemeral => {
                Err(RegistryError::KindConflict { service: format!("{}@@{}", key.1, key.2), existing_is_ephemeral })
            }
            _ => Ok(()),
        }
    }

    /// The digest of a service's effective list: equal lists have equal digests, on every node of the cluster.
    pub fn service_digest(&self, key: KeyParts<'_>) -> Option<u128> {
        Some(self.services.get(self.services.find(key)?).digest.to_u128())
    }

    /// The digest of all that a publisher published.
    #[cfg(test)]
    pub(super) fn publisher_digest(&self, publisher: &Publisher) -> Option<u128> {
        let holder = self.publishers.find(publisher.borrowed())?;
        Some(self.publishers.get(holder).digest.to_u128())
    }

    /// How often a publisher's record changed.
    #[cfg(test)]
    pub(super) fn publisher_revision(&self, publisher: &Publisher) -> Option<u64> {
        let holder = self.publishers.find(publisher.borrowed())?;
        Some(self.publishers.get(holder).revision)
    }

    /// How much there is of everything.
    pub fn counts(&self) -> Counts {
        let [connections, ephemeral, persistent] = self.publishers.counts;
        Counts {
            services: self.services.published_count(),
            instances: self.instance_count,
            subscribers: self.subscribers.len(),
            connection_publishers: connections,
            address_publishers_ephemeral: ephemeral,
            address_publishers_persistent: persistent,
        }
    }

    /// How many publishers this node handles itself, and how many instances they have: its own connections, and the
    /// addresses that it waits for beats of or would check. It takes time in proportion to all publishers.
    pub fn responsible_counts(&self) -> (usize, usize) {
        let is_handled = |publisher: &Publisher| match publisher {
            Publisher::Connection(_) => true,
            Publisher::Remote { .. } => false,
            Publisher::Address { ip, port, .. } => self.is_responsible(ip, *port),
        };
        let handled = self.publishers.all().filter(|publisher| is_handled(publisher));
        handled.fold((0, 0), |(publishers, instances), one| (publishers + 1, instances + self.published(one).count()))
    }

    /// Appends the `hosts` array and returns the answer's `lastRefTime`, and whether the list is protected.
    fn write_list(&mut self, key: KeyParts<'_>, view: &View<'_>, now_ms: u64, out: &mut Vec<u8>) -> (u64, bool) {
        let Some(id) = self.services.find(key) else {
            out.extend_from_slice(b"[]");
            return (self.services.answer_unknown(now_ms), false);
        };
        let service = self.services.get_mut(id);
        let last_ref_time_ms = service.answer(now_ms);
        let is_protected = match service.views.find(view) {
            Some((hosts, is_protected)) => {
                out.extend_from_slice(hosts);
                is_protected
            }
            None => self.render_list(id, key, view, out),
        };
        (last_ref_time_ms, is_protected)
    }

    /// Renders a view, keeps it until the list changes, appends it, and says whether it is protected.
    fn render_list(&mut self, id: u32, key: KeyParts<'_>, view: &View<'_>, out: &mut Vec<u8>) -> bool {
        let links = self.publications.of_subject(id);
        let entries = links.flat_map(|link| visible(&self.publications, self.distro.as_deref(), link).rev());
        let declared = self.services.get(id).declared.as_deref();
        let mut entries = select(entries, declared, &mut self.digester, view);
        let is_protected = protect(&mut entries, declared);
        let start = out.len();
        write_hosts(out, key, &entries);
        self.services.keep_view(id, view, &out[start..], is_protected);
        is_protected
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Instance, Publisher, Registry};

    #[test]
    fn members_share_the_addresses_and_each_has_its_connections() {
        let registries = ["x", "y"].map(|id| {
            let mut registry = Registry::new([7; 16]);
            for (port, ephemeral) in (0..100).flat_map(|port| [(port, true), (port, false)]) {
                let publisher = Publisher::address("10.0.0.1", port, ephemeral);
                let key = ("public", "g", if ephemeral { "a" } else { "b" });
                registry.publish(&publisher, key, vec![Instance::new("10.0.0.1", port)], 1).expect("it is taken");
            }
            let own = vec![Instance::new("10.0.0.2", 1), Instance::new("10.0.0.2", 2)];
            registry.publish(&Publisher::Connection(1), ("public", "g", "a"), own, 1).expect("it is taken");
            assert_eq!(registry.responsible_counts(), (201, 202), "alone it handles all");
            registry.set_members(id, ["x", "y"]);
            registry
        });
        let [(one, of_one), (other, of_other)] = registries.each_ref().map(Registry::responsible_counts);
        assert!(one > 50 && other > 50);
        assert_eq!((one + other, of_one + of_other), (200 + 2, 200 + 4));
    }
}
