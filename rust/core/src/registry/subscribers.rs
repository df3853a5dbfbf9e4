//! Which connections want to hear of which services.

use super::Registry;
use super::ResourceKey;
use super::key::{KeyParts, same_text};
use super::links::{Links, id};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use slab::Slab;

/// Connections, and their subscriptions as links from a connection to a service that carry the cluster filter.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    connections: Slab<u64>,
    index: HashMap<u64, u32, FixedState>,
    subscriptions: Links<Box<str>>,
    /// New or altered subscriptions that nobody has taken yet.
    fresh: Vec<(u64, u32)>,
}

impl Subscribers {
    pub(super) fn has_any(&self, service: u32) -> bool {
        self.subscriptions.any_holds(service)
    }

    pub(super) fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// The services that a connection is subscribed to with its filters, the newest first.
    pub(super) fn of_connection(&self, connection: u64) -> impl Iterator<Item = (u32, &str)> {
        let links = self.index.get(&connection).into_iter().flat_map(|holder| self.subscriptions.of_holder(*holder));
        links.map(|link| {
            let link = self.subscriptions.get(link);
            (link.subject, &*link.value)
        })
    }

    fn find(&self, connection: u64, service: u32) -> Option<u32> {
        self.subscriptions.find(*self.index.get(&connection)?, service)
    }

    fn find_or_insert(&mut self, connection: u64) -> u32 {
        let connections = &mut self.connections;
        *self.index.entry(connection).or_insert_with(|| id(connections.insert(connection)))
    }

    fn remove_if_unused(&mut self, holder: u32) {
        if !self.subscriptions.holds_any(holder) {
            let connection = self.connections.remove(holder as usize);
            self.index.remove(&connection);
        }
    }
}

impl Registry {
    /// Subscribes a connection to a service, known or not. A connection has one subscription per service: new
    /// `clusters` replace the old.
    pub fn subscribe(&mut self, connection: u64, key: KeyParts<'_>, clusters: &str) {
        let service = self.find_or_create_service(key);
        let subscribers = &mut self.subscribers;
        let holder = subscribers.find_or_insert(connection);
        match subscribers.subscriptions.find(holder, service) {
            Some(link) if same_text(&subscribers.subscriptions.get(link).value, clusters) => return,
            Some(link) => *subscribers.subscriptions.value_mut(link) = clusters.into(),
            None => {
                subscribers.subscriptions.insert(holder, service, clusters.into());
            }
        }
        subscribers.fresh.push((connection, service));
    }

    /// Ends a subscription. False if there was none.
    pub fn unsubscribe(&mut self, connection: u64, key: KeyParts<'_>) -> bool {
        let Some(service) = self.services.find(key) else { return false };
        let Some(link) = self.subscribers.find(connection, service) else { return false };
        let holder = self.subscribers.subscriptions.remove(link).holder;
        self.subscribers.remove_if_unused(holder);
        self.remove_if_unused(service);
        true
    }

    /// Ends all subscriptions of a connection and returns how many there were.
    pub fn drop_subscriber(&mut self, connection: u64) -> usize {
        let Some(holder) = self.subscribers.index.get(&connection).copied() else { return 0 };
        let links = self.subscribers.subscriptions.of_holder(holder).collect::<Vec<_>>();
        for link in &links {
            let service = self.subscribers.subscriptions.remove(*link).subject;
            self.remove_if_unused(service);
        }
        self.subscribers.remove_if_unused(holder);
        links.len()
    }

    /// Who is subscribed to a service, each with its cluster filter, the newest first.
    pub fn subscribers(&self, key: KeyParts<'_>) -> impl Iterator<Item = (u64, &str)> {
        let subscribers = &self.subscribers;
        let links = self.services.find(key).into_iter().flat_map(|id| subscribers.subscriptions.of_subject(id));
        links.map(|link| {
            let link = subscribers.subscriptions.get(link);
            (subscribers.connections[link.holder as usize], &*link.value)
        })
    }

    /// The cluster filter with which a connection is subscribed to a service.
    pub fn subscription(&self, connection: u64, key: KeyParts<'_>) -> Option<&str> {
        let link = self.subscribers.find(connection, self.services.find(key)?)?;
        Some(&self.subscribers.subscriptions.get(link).value)
    }

    /// The subscriptions made or altered since this was last called, in that order, as far as they still stand: a
    /// new subscriber is always pushed to, changed list or not.
    pub fn take_subscribed(&mut self) -> Vec<(u64, ResourceKey)> {
        let fresh = std::mem::take(&mut self.subscribers.fresh);
        let standing = fresh.into_iter().filter(|(connection, id)| self.subscribers.find(*connection, *id).is_some());
        standing.map(|(connection, id)| (connection, self.services.get(id).key.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_without_subscriptions_leaves_nothing_behind() {
        let key = ("public", "g", "a");
        let mut registry = Registry::new([7; 16]);
        for by_connection in [false, true] {
            registry.subscribe(1, key, "");
            assert!(if by_connection { registry.drop_subscriber(1) == 1 } else { registry.unsubscribe(1, key) });
            assert!(registry.subscribers.connections.is_empty() && registry.subscribers.index.is_empty());
        }
    }
}
