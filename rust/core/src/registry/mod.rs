//! The registry: services, who publishes instances in them, and who is subscribed to them.
//!
//! Everything lives in memory and is found in O(1): publishers, services and subscribers have dense ids, and a
//! publication or subscription is a link between two of them. What follows from a change (push, sync, expiry) is
//! noted here and taken by the caller in batches. Time comes in as an argument; the registry asks for nothing.

pub(crate) mod binary;
mod catalog;
mod change;
mod checks;
mod clients;
mod deadlines;
mod declared;
mod digest;
pub mod distro;
mod dotted;
mod error;
mod expiry;
mod fuzzy;
mod heartbeat;
pub mod json;
mod key;
pub(crate) mod links;
mod metadata;
mod model;
mod overlay;
mod protect;
mod publication;
mod publishers;
mod queries;
mod render;
mod responsible;
mod select;
mod services;
mod silence;
mod snapshot;
mod snapshot_metadata;
mod store;
mod subscribers;
mod watchers;

pub use binary::{Content, SnapshotError};
pub use catalog::ServiceSearch;
pub use change::{ChangeRefused, Expiry, InstanceName, MetadataChange, ServiceFields};
pub use checks::CheckedInstance;
pub use clients::{Published, Subscribed};
pub use declared::{ClusterRecord, HealthChecker, Selector};
pub use dotted::Dotted;
pub use error::RegistryError;
pub use fuzzy::{Difference, FuzzyPattern, TooManyPatterns};
pub(crate) use fuzzy::{Looked, Watches};
pub use heartbeat::{Beat, Expired};
pub use key::{KeyParts, ResourceKey};
pub(crate) use key::{NameHash, same_text};
pub use metadata::{
    BEAT_INTERVAL_KEY, BEAT_TIMEOUT_KEY, CLIENT_BEAT_KEY, DELETE_TIMEOUT_KEY, ID_GENERATOR_KEY, Metadata,
};
pub use model::{CLUSTER_DEFAULT, ClusterName, Instance, Publisher};
pub use overlay::Pairs;
pub use queries::Counts;
pub use render::View;
pub use silence::{Silence, Silent};
pub use snapshot_metadata::DecodedMetadata;

/// What names a service.
pub type ServiceKey = ResourceKey;

use deadlines::Deadlines;
use digest::Digester;
use distro::Distro;
use links::Links;
use publication::Publication;
use publishers::Publishers;
use responsible::Responsible;
use services::Services;
use std::collections::BTreeMap;
use subscribers::Subscribers;
use watchers::Watchers;

/// All services of one node with their instances and subscribers.
#[derive(Debug)]
pub struct Registry {
    digester: Digester,
    services: Services,
    publishers: Publishers,
    /// Holder: publisher; subject: service.
    publications: Links<Publication>,
    subscribers: Subscribers,
    watchers: Watchers,
    responsible: Responsible,
    names: NameHash,
    /// What nodes of a cluster tell each other of publications; none on a node that is alone.
    distro: Option<Box<Distro>>,
    /// When the beat of an ephemeral address is late; owner: publication.
    beats: Deadlines,
    /// When an ephemeral address that publishes nothing is forgotten; owner: publisher.
    idle: Deadlines,
    /// The services that operators said something of.
    declared: BTreeMap<ResourceKey, u32>,
    /// How many changes of metadata the log had.
    metadata_revision: u64,
    instance_count: usize,
    pace: Pace,
}

/// What operators may tell all clients at once (protocol/semantics.md section 3, "Switches").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long clients rely on an answer before they ask again.
    pub cache_ms: u64,
    /// How often instances beat that say nothing of it themselves.
    pub beat_interval_ms: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { cache_ms: crate::limits::CACHE_MS, beat_interval_ms: crate::limits::BEAT_INTERVAL_MS_DEFAULT }
    }
}

impl Registry {
    /// `digest_key` is the cluster's: nodes compare digests, and nobody else may be able to compute them.
    pub fn new(digest_key: [u8; 16]) -> Self {
        let names = NameHash::new(&digest_key);
        Self {
            digester: Digester::new(&digest_key),
            services: Services::new(names),
            publishers: Publishers::new(names),
            publications: Links::default(),
            subscribers: Subscribers::default(),
            watchers: Watchers::default(),
            responsible: Responsible::new(&digest_key),
            names,
            distro: None,
            beats: Deadlines::default(),
            idle: Deadlines::default(),
            declared: BTreeMap::new(),
            metadata_revision: 0,
            instance_count: 0,
            pace: Pace::default(),
        }
    }

    /// From now on clients are told this.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }
}

#[cfg(test)]
pub(crate) mod tests;
