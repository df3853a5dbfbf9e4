//! Which connections listen to which keys.

use super::{Asker, Configs, KeyParts, Labels};
use crate::registry::links::id;
use crate::registry::same_text;
use std::sync::Arc;

/// What one connection told of one key.
#[derive(Debug)]
pub(super) struct Listener {
    /// The namespace exactly as this listener wrote it: pushes must repeat it (protocol/grpc.md section 4).
    tenant: Box<str>,
    /// The md5 of what it holds, empty for nothing.
    md5: Box<str>,
    /// It was told since that there is something else, so that what it holds by now is not known.
    is_unsure: bool,
}

/// A connection that listens to something, with what decides which version of it is for its client.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) connection: u64,
    ip: Box<str>,
    tag: Option<Box<str>>,
    labels: Option<Arc<Labels>>,
}

impl Listening {
    fn new(connection: u64, who: &Asker<'_>) -> Self {
        Self { connection, ip: who.ip.into(), tag: who.tag.map(Box::from), labels: who.labels.map(Arc::clone) }
    }

    fn asker(&self) -> Asker<'_> {
        Asker { ip: &self.ip, tag: self.tag.as_deref(), labels: self.labels.as_ref() }
    }

    /// Address and labels are said once for a connection, the tag with each request.
    fn renew(&mut self, who: &Asker<'_>) {
        if self.tag.as_deref() != who.tag {
            self.tag = who.tag.map(Box::from);
        }
    }
}

impl Configs {
    /// Makes a connection a listener of a key, or renews what it told. True if what it holds (`md5`, empty for
    /// nothing) is not what is there for it.
    pub fn listen(
        &mut self,
        connection: u64,
        who: &Asker<'_>,
        key: KeyParts<'_>,
        tenant_as_sent: &str,
        md5: &str,
    ) -> bool {
        let subject = self.find_or_insert(key);
        let connections = &mut self.connections;
        let make = || id(connections.insert(Listening::new(connection, who)));
        let holder = *self.connection_index.entry(connection).or_insert_with(make);
        connections[holder as usize].renew(who);
        let is_outdated = !same_text(md5, self.entries[subject as usize].md5_for(who));
        match self.listeners.find(holder, subject) {
            Some(link) => self.listeners.value_mut(link).renew(tenant_as_sent, md5, is_outdated),
            None => {
                let listener = Listener { tenant: tenant_as_sent.into(), md5: md5.into(), is_unsure: is_outdated };
                self.listeners.insert(holder, subject, listener);
            }
        }
        is_outdated
    }

    /// Ends a listener. False if there was none.
    pub fn unlisten(&mut self, connection: u64, key: KeyParts<'_>) -> bool {
        let Some(link) = self.find_listener(connection, key) else { return false };
        let removed = self.listeners.remove(link);
        self.remove_if_unused(removed.subject);
        self.remove_connection_if_unused(removed.holder);
        true
    }

    /// Ends all listeners of a connection and returns how many there were.
    pub fn drop_listener(&mut self, connection: u64) -> usize {
        let Some(holder) = self.connection_index.get(&connection).copied() else { return 0 };
        let links = self.listeners.of_holder(holder).collect::<Vec<_>>();
        for link in &links {
            let subject = self.listeners.remove(*link).subject;
            self.remove_if_unused(subject);
        }
        self.remove_connection_if_unused(holder);
        links.len()
    }

    /// Who listens to a key, each with the tenant as it wrote it, the newest first.
    pub fn listeners(&self, key: KeyParts<'_>) -> impl Iterator<Item = (u64, &str)> {
        self.listeners_of(key).map(|(listening, listener)| (listening.connection, &*listener.tenant))
    }

    /// Those of the listeners that may hold another content than what is there for them: who must be notified.
    pub fn outdated_listeners(&self, key: KeyParts<'_>) -> impl Iterator<Item = (u64, &str)> {
        let entry = self.find(key).map(|id| &self.entries[id as usize]);
        let is_outdated = move |listening: &Listening, listener: &Listener| {
            let md5 = entry.map_or("", |entry| entry.md5_for(&listening.asker()));
            listener.is_unsure || !same_text(&listener.md5, md5)
        };
        let outdated = self.listeners_of(key).filter(move |(listening, listener)| is_outdated(listening, listener));
        outdated.map(|(listening, listener)| (listening.connection, &*listener.tenant))
    }

    /// A listener was told that there is something else.
    pub fn notified(&mut self, connection: u64, key: KeyParts<'_>) {
        if let Some(link) = self.find_listener(connection, key) {
            self.listeners.value_mut(link).is_unsure = true;
        }
    }

    /// Who listens to a key, each with the md5 that it last told, the newest first.
    pub fn told(&self, key: KeyParts<'_>) -> impl Iterator<Item = (u64, &str)> {
        self.listeners_of(key).map(|(listening, listener)| (listening.connection, &*listener.md5))
    }

    /// What a connection listens to, each with the md5 that it last told, the newest first.
    pub fn listened(&self, connection: u64) -> impl Iterator<Item = (KeyParts<'_>, &str)> {
        let links = self.connection_index.get(&connection).into_iter().flat_map(|of| self.listeners.of_holder(*of));
        links.map(|link| {
            let link = self.listeners.get(link);
            (self.entries[link.subject as usize].key.parts(), &*link.value.md5)
        })
    }

    /// The tenant as this connection wrote it when it began to listen to a key.
    pub fn listener_tenant(&self, connection: u64, key: KeyParts<'_>) -> Option<&str> {
        let link = self.find_listener(connection, key)?;
        Some(&self.listeners.get(link).value.tenant)
    }

    /// How many pairs of a connection and a key.
    pub fn listener_count(&self) -> usize {
        self.listeners.len()
    }

    fn find_listener(&self, connection: u64, key: KeyParts<'_>) -> Option<u32> {
        self.listeners.find(*self.connection_index.get(&connection)?, self.find(key)?)
    }

    fn listeners_of(&self, key: KeyParts<'_>) -> impl Iterator<Item = (&Listening, &Listener)> {
        let links = self.find(key).into_iter().flat_map(|subject| self.listeners.of_subject(subject));
        links.map(|link| {
            let link = self.listeners.get(link);
            (&self.connections[link.holder as usize], &link.value)
        })
    }

    fn remove_connection_if_unused(&mut self, holder: u32) {
        if !self.listeners.holds_any(holder) {
            let listening = self.connections.remove(holder as usize);
            self.connection_index.remove(&listening.connection);
        }
    }
}

impl Listener {
    /// Clients ask again and again with what they told before: only what differs is copied.
    fn renew(&mut self, tenant: &str, md5: &str, is_unsure: bool) {
        self.is_unsure = is_unsure;
        if !same_text(&self.tenant, tenant) {
            self.tenant = tenant.into();
        }
        if !same_text(&self.md5, md5) {
            self.md5 = md5.into();
        }
    }
}

impl super::Entry {
    fn md5_for(&self, who: &Asker<'_>) -> &str {
        self.answer_for(false, || *who).map_or("", |answer| answer.config.md5())
    }
}
