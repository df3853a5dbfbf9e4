//! What one publisher has in one service.

use super::digest::{Digest, Digester};
use super::model::Instance;

/// An instance and its digest, kept because a change must subtract what was there.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) instance: Instance,
    pub(super) digest: Digest,
}

/// Nearly every publication is one instance, which then needs no allocation of its own.
#[derive(Debug)]
pub(super) enum Entries {
    One(Entry),
    Many(Box<[Entry]>),
}

impl Entries {
    /// Takes the instances over and sets their kind.
    pub(super) fn new(instances: Vec<Instance>, ephemeral: bool, digester: &mut Digester) -> Self {
        let mut entries = instances.into_iter().map(|mut instance| {
            instance.ephemeral = ephemeral;
            let digest = digester.instance(&instance);
            Entry { instance, digest }
        });
        match (entries.len(), entries.next()) {
            (1, Some(entry)) => Self::One(entry),
            (_, first) => Self::Many(first.into_iter().chain(entries).collect()),
        }
    }

    pub(super) fn as_slice(&self) -> &[Entry] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Entry] {
        match self {
            Self::One(entry) => std::slice::from_mut(entry),
            Self::Many(entries) => entries,
        }
    }

    /// The digest of all of it.
    pub(super) fn sum(&self) -> Digest {
        self.as_slice().iter().map(|entry| entry.digest).sum()
    }

    /// Sets the health of every instance and says how many changed.
    pub(super) fn set_healthy(&mut self, healthy: bool, digester: &mut Digester) -> usize {
        let mut changed = 0;
        for entry in self.as_mut_slice().iter_mut().filter(|entry| entry.instance.healthy != healthy) {
            entry.instance.healthy = healthy;
            entry.digest = digester.instance(&entry.instance);
            changed += 1;
        }
        changed
    }
}

/// The digest of what entries add to the service's list: disabled instances are never shown.
pub(super) fn shown<'a>(entries: impl Iterator<Item = &'a Entry>) -> Digest {
    entries.filter(|entry| entry.instance.enabled).map(|entry| entry.digest).sum()
}

/// One publication.
#[derive(Debug)]
pub(super) struct Publication {
    /// Its part in the publisher's digest.
    pub(super) record: Digest,
    /// Where its beat is noted, `deadlines::NOWHERE` if it needs none.
    pub(super) beat: u32,
    pub(super) entries: Entries,
}
