//! What one client publishes and is subscribed to, for whoever administers it.

use super::Registry;
use super::deadlines::NOWHERE;
use super::key::ResourceKey;
use super::model::{Instance, Publisher};

/// One instance that a client publishes, and where.
pub type Published<'a> = (&'a ResourceKey, &'a Instance);
/// A service that a client is subscribed to, and its filter of clusters.
pub type Subscribed<'a> = (&'a ResourceKey, &'a str);

impl Registry {
    /// Those that publish or published something lately, in no order, among the next `look_count` places from one on, and
    /// where to go on, if there is more.
    pub fn publishers_from(&self, place: usize, look_count: usize) -> (Vec<&Publisher>, Option<usize>) {
        self.publishers.from(place, look_count)
    }

    /// Whether this publisher is known.
    pub fn has_publisher(&self, publisher: &Publisher) -> bool {
        self.publishers.find(publisher.borrowed()).is_some()
    }

    /// What a publisher has, the newest publication first.
    pub fn published(&self, publisher: &Publisher) -> impl Iterator<Item = Published<'_>> {
        let holder = self.publishers.find(publisher.borrowed());
        let links = holder.into_iter().flat_map(|holder| self.publications.of_holder(holder));
        links.flat_map(|link| {
            let publication = self.publications.get(link);
            let key = &self.services.get(publication.subject).key;
            publication.value.entries.as_slice().iter().map(move |entry| (key, &entry.instance))
        })
    }

    /// When an address last beat, if that is timed here.
    pub fn last_beat_ms(&self, publisher: &Publisher) -> Option<u64> {
        let holder = self.publishers.find(publisher.borrowed())?;
        let beats = self.publications.of_holder(holder).map(|link| self.publications.get(link).value.beat);
        beats.filter(|slot| *slot != NOWHERE).map(|slot| self.beats.get(slot).since_ms).max()
    }

    /// The id of the node to which a remote connection belongs.
    pub fn holder_node_id(&self, holder: u32) -> Option<&str> {
        self.distro.as_ref().map(|distro| distro.node_id_of(holder))
    }

    /// What a connection is subscribed to, the newest first.
    pub fn subscribed(&self, connection: u64) -> impl Iterator<Item = Subscribed<'_>> {
        let of = self.subscribers.of_connection(connection);
        of.map(|(service, clusters)| (&self.services.get(service).key, clusters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_known_with_what_it_has() {
        let mut registry = Registry::new([7; 16]);
        let (client, other) = (Publisher::Connection(1), Publisher::Connection(3));
        registry.publish(&other, ("n", "g", "z"), vec![Instance::new("10.0.0.9", 9)], 1).expect("it is taken");
        registry.publish(&client, ("n", "g", "a"), vec![Instance::new("10.0.0.1", 1)], 1).expect("it is taken");
        registry.publish(&client, ("n", "g", "b"), vec![Instance::new("10.0.0.1", 2)], 1).expect("it is taken");
        registry.subscribe(1, ("n", "g", "c"), "x");
        let published: Vec<_> = registry.published(&client).map(|(key, of)| (key.name().to_owned(), of.port)).collect();
        assert_eq!(published, [("b".to_owned(), 2), ("a".to_owned(), 1)]);
        let subscribed: Vec<_> = registry.subscribed(1).map(|(key, of)| (key.name().to_owned(), of)).collect();
        assert_eq!(subscribed, [("c".to_owned(), "x")]);
        assert!(registry.has_publisher(&client) && !registry.has_publisher(&Publisher::Connection(2)));
        assert_eq!(registry.published(&Publisher::Connection(2)).count() + registry.subscribed(2).count(), 0);
        let (first, next) = registry.publishers_from(0, 1);
        assert_eq!((first, next), (vec![&other], Some(1)));
        assert_eq!(registry.publishers_from(1, 100), (vec![&client], None));
    }
}
