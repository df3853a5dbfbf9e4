//! What operators have said of a service, its clusters and its instances: replicated through the log, as against what
//! publishers say, and the same on every node.

use super::digest::{Digest, Digester};
use super::metadata::{CLIENT_BEAT_KEY, Metadata, is_true};
use super::model::Instance;
use super::overlay::{Overlay, Pairs, Presence, id_of, write_id};
use super::publication::{self, Entry};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How a service chooses what a subscriber is shown. `label` needs data about clients that no part of this server has,
/// and without it every instance is shown, as in the existing server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Selector {
    /// All of them.
    None,
    /// By an expression over labels of consumer and provider.
    Label {
        /// Kept as it was written.
        expression: String,
    },
}

/// How the instances of a cluster are to be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE")]
pub enum HealthChecker {
    /// Whether the port accepts a connection.
    Tcp,
    /// What a GET answers.
    #[serde(rename_all = "camelCase")]
    Http {
        /// The path asked for.
        #[serde(default)]
        path: String,
        /// `name:value|name:value`.
        #[serde(default)]
        headers: String,
        /// Shown again; any 200 passes.
        #[serde(default = "http_ok")]
        expected_response_code: u16,
    },
    /// What a statement asked of a MySQL server gives.
    Mysql {
        /// Who logs in.
        user: String,
        /// Its password.
        pwd: String,
        /// The statement.
        cmd: String,
    },
    /// Not at all: health is only what the API sets.
    None,
}

fn http_ok() -> u16 {
    200
}

/// One cluster of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRecord {
    /// How its instances are checked.
    pub health_checker: HealthChecker,
    /// The port checked unless it is the instance's own.
    pub healthy_check_port: u16,
    /// Check each instance at its own port.
    pub use_instance_port_for_check: bool,
    /// Free pairs.
    #[serde(default)]
    pub metadata: Pairs,
}

impl Default for ClusterRecord {
    /// As protocol/semantics.md section 3 has it for a cluster that nobody said anything of.
    fn default() -> Self {
        Self {
            health_checker: HealthChecker::Tcp,
            healthy_check_port: 80,
            use_instance_port_for_check: true,
            metadata: Pairs::new(),
        }
    }
}

/// One service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ServiceRecord {
    /// It was created on its own, so it stays until it is deleted; otherwise its record goes with it.
    pub(super) created: bool,
    pub(super) ephemeral: bool,
    /// The bits, as of an overlay's weight.
    threshold_bits: u64,
    pub(super) metadata: Pairs,
    pub(super) selector: Selector,
    pub(super) clusters: BTreeMap<String, ClusterRecord>,
    pub(super) revision: u64,
    #[serde(skip)]
    pub(super) presence: Presence,
}

impl ServiceRecord {
    pub(super) fn new(ephemeral: bool) -> Self {
        Self {
            created: false,
            ephemeral,
            threshold_bits: 0.0_f64.to_bits(),
            metadata: Pairs::new(),
            selector: Selector::None,
            clusters: BTreeMap::new(),
            revision: 0,
            presence: Presence::default(),
        }
    }

    /// From 0 to 1.
    pub(super) fn protect_threshold(&self) -> f64 {
        f64::from_bits(self.threshold_bits)
    }

    pub(super) fn set_protect_threshold(&mut self, threshold: f64) {
        self.threshold_bits = threshold.to_bits();
    }
}

/// All that was said of one service. It is there only while there is something.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Declared {
    pub(super) service: Option<ServiceRecord>,
    /// By `ip:port:cluster`.
    pub(super) overlays: BTreeMap<String, Overlay>,
}

impl Declared {
    pub(super) fn is_empty(&self) -> bool {
        self.service.is_none() && self.overlays.is_empty()
    }

    pub(super) fn is_created(&self) -> bool {
        self.service.as_ref().is_some_and(|record| record.created)
    }

    /// The instance under its overlay, none if it has none.
    pub(super) fn over(&self, instance: &Instance, id: &mut String) -> Option<Instance> {
        if self.overlays.is_empty() {
            return None;
        }
        write_id(id, &instance.ip, instance.port, instance.cluster.as_str());
        self.overlays.get(id.as_str()).map(|overlay| overlay.over(instance))
    }

    /// The metadata that an instance is shown with.
    pub(super) fn metadata_of<'a>(&self, instance: &'a Instance) -> Cow<'a, Metadata> {
        let overlay = if self.overlays.is_empty() { None } else { self.overlays.get(&id_of(instance)) };
        overlay.map_or(Cow::Borrowed(&instance.metadata), |overlay| overlay.over_metadata(instance))
    }

    /// Whether instances of the service stay although nobody beats for them.
    pub(super) fn skips_beat_check(&self) -> bool {
        let metadata = self.service.as_ref().map(|record| &record.metadata);
        metadata.and_then(|pairs| pairs.get(CLIENT_BEAT_KEY)).is_some_and(|value| is_true(value))
    }

    /// The digest of what entries add to the service's list.
    pub(super) fn shown<'a>(&self, entries: impl Iterator<Item = &'a Entry>, digester: &mut Digester) -> Digest {
        if self.overlays.is_empty() {
            return publication::shown(entries);
        }
        let mut id = String::new();
        let mut shown = |entry: &Entry| match self.over(&entry.instance, &mut id) {
            Some(instance) => instance.enabled.then(|| digester.instance(&instance)),
            None => entry.instance.enabled.then_some(entry.digest),
        };
        entries.filter_map(&mut shown).sum()
    }

    /// What it adds to the service's digest by itself: a threshold changes the list without any instance changing.
    pub(super) fn digest(&self, digester: &Digester) -> Digest {
        let threshold = self.service.as_ref().map(|record| digester.threshold(record.protect_threshold()));
        threshold.unwrap_or_default()
    }
}
