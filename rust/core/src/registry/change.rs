//! Changes of metadata that come from the log. What they give depends on nothing but the log: which ephemeral instances
//! a node holds must not matter, or nodes would differ.

use super::Registry;
use super::declared::{ClusterRecord, Declared, Selector, ServiceRecord};
use super::digest::Digest;
use super::distro::visible;
use super::key::KeyParts;
use super::model::PublisherRef;
use super::overlay::{Overlay, Pairs, id_of, write_id};
use super::publication;
use super::services::Service;
use crate::limits::{METADATA_CHARACTERS_MAX, OVERLAYS_COUNT_MAX};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// What may be said of a service.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceFields {
    /// The kind, which counts when nothing was said of the service before.
    pub ephemeral: bool,
    /// From 0 to 1.
    pub protect_threshold: f64,
    /// Free pairs, in place of those that were there.
    pub metadata: Pairs,
    /// Which instances subscribers are shown.
    pub selector: Selector,
}

/// What names an instance to its overlay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceName {
    /// The instance's own.
    pub ip: String,
    /// The instance's own.
    pub port: u16,
    /// Not blank.
    pub cluster_name: String,
}

/// One change of what belongs to a service, as commands of the log hold it in JSON.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "change")]
pub enum MetadataChange {
    /// A service of its own; refused if there is one.
    #[serde(rename = "service.create")]
    CreateService(ServiceFields),
    /// Of a service that is there, created or registered.
    #[serde(rename = "service.update")]
    UpdateService(ServiceFields),
    /// With all that was said of it; refused while it has persistent instances.
    #[serde(rename = "service.delete")]
    DeleteService,
    /// All that is said of one cluster.
    #[serde(rename = "cluster.update", rename_all = "camelCase")]
    UpdateCluster {
        /// Which.
        cluster_name: String,
        /// In place of what was there.
        cluster: ClusterRecord,
    },
    /// What is said of one instance; none leaves what was said before, metadata replaces it.
    #[serde(rename = "instance.update")]
    UpdateInstance {
        /// Which.
        instance: InstanceName,
        /// Whether it is shown at all.
        enabled: Option<bool>,
        /// 0 to 10000.
        weight: Option<f64>,
        /// Over the registrant's.
        metadata: Option<Pairs>,
    },
    /// Adds pairs to what is said of instances.
    #[serde(rename = "instances.merge")]
    MergeMetadata {
        /// Which.
        instances: Vec<InstanceName>,
        /// What to add.
        metadata: Pairs,
    },
    /// Takes keys out of what is said of instances; what registrants say stays.
    #[serde(rename = "instances.strip")]
    StripMetadata {
        /// Which.
        instances: Vec<InstanceName>,
        /// What to take out.
        keys: Vec<String>,
    },
    /// Sets the health of a persistent instance.
    #[serde(rename = "instance.health")]
    SetHealth {
        /// Which.
        instance: InstanceName,
        /// How it is.
        healthy: bool,
    },
    /// Drops what belonged to something that is gone.
    #[serde(rename = "expire")]
    Expire(Expiry),
}

/// Metadata whose time is over, each with the revision that was looked at: what was changed since stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// The service's own.
    pub service: Option<u64>,
    /// Those of instances, by `ip:port:cluster`.
    pub instances: Vec<(String, u64)>,
}

/// Why a change was refused; nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// There is one already.
    #[error("specified service {0} already exists!")]
    Exists(String),
    /// It has persistent instances.
    #[error("Service {0} is not empty, can't be delete. Please unregister instance first")]
    NotEmpty(String),
    /// Too much is said of the instances of one service.
    #[error("no more than {OVERLAYS_COUNT_MAX} instances of one service can have metadata of their own")]
    TooMany,
    /// Too much is said of one instance.
    #[error("Param 'metadata' is illegal, the param length should not exceed {METADATA_CHARACTERS_MAX}.")]
    TooLong,
}

impl Registry {
    /// Applies one change that the log holds.
    ///
    /// # Errors
    /// Says why it makes no sense where it stands in the log; the same on every node.
    pub fn change_metadata(
        &mut self,
        key: KeyParts<'_>,
        change: MetadataChange,
        now_ms: u64,
    ) -> Result<(), ChangeRefused> {
        self.metadata_revision += 1;
        match change {
            MetadataChange::CreateService(fields) => self.create_service(key, fields, now_ms),
            MetadataChange::UpdateService(fields) => {
                self.declare(key, now_ms, |declared, revision| set_fields(declared, fields, revision));
                Ok(())
            }
            MetadataChange::DeleteService => self.delete_service(key, now_ms),
            MetadataChange::UpdateCluster { cluster_name, cluster } => {
                self.declare(key, now_ms, |declared, revision| {
                    // The kind counts only if it was created, which this is not.
                    let record = declared.service.get_or_insert_with(|| ServiceRecord::new(false));
                    record.clusters.insert(cluster_name, cluster);
                    record.revision = revision;
                });
                Ok(())
            }
            MetadataChange::UpdateInstance { instance, enabled, weight, metadata } => {
                self.overlay(key, &[instance], now_ms, |overlay| {
                    overlay.enabled = enabled.or(overlay.enabled);
                    weight.into_iter().for_each(|weight| overlay.set_weight(weight));
                    metadata.iter().for_each(|pairs| overlay.metadata.clone_from(pairs));
                })
            }
            MetadataChange::MergeMetadata { instances, metadata } => {
                self.overlay(key, &instances, now_ms, |overlay| overlay.metadata.extend(metadata.clone()))
            }
            MetadataChange::StripMetadata { instances, keys } => self.overlay(key, &instances, now_ms, |overlay| {
                overlay.metadata.retain(|name, _| !keys.contains(name));
            }),
            MetadataChange::SetHealth { instance, healthy } => {
                let publisher = PublisherRef::Address(&instance.ip, instance.port, false);
                if let Some(link) = self.find_publication(publisher, key) {
                    self.set_healthy(link, healthy, now_ms);
                }
                Ok(())
            }
            MetadataChange::Expire(expiry) => {
                self.drop_expired(key, &expiry, now_ms);
                Ok(())
            }
        }
    }

    fn create_service(&mut self, key: KeyParts<'_>, fields: ServiceFields, now_ms: u64) -> Result<(), ChangeRefused> {
        let service = self.services.find(key).map(|service| self.services.get(service));
        let is_created = |of: &Service| of.declared.as_ref().is_some_and(|of| of.is_created());
        if service.is_some_and(|of| of.persistent_count > 0 || is_created(of)) {
            return Err(ChangeRefused::Exists(grouped_name(key)));
        }
        let ephemeral = fields.ephemeral;
        self.declare(key, now_ms, |declared, revision| {
            // What was said of a service before it was created is no part of the new one.
            declared.service = None;
            set_fields(declared, fields, revision);
            declared.service.iter_mut().for_each(|record| record.created = true);
        });
        let service = self.find_or_create_service(key);
        self.services.enlist(service, ephemeral);
        Ok(())
    }

    fn delete_service(&mut self, key: KeyParts<'_>, now_ms: u64) -> Result<(), ChangeRefused> {
        let Some(service) = self.services.find(key) else { return Ok(()) };
        if self.services.get(service).persistent_count > 0 {
            return Err(ChangeRefused::NotEmpty(grouped_name(key)));
        }
        self.declare(key, now_ms, |declared, _| *declared = Declared::default());
        if let Some(service) = self.services.find(key).filter(|service| !self.publications.any_holds(*service)) {
            self.services.delist(&[service]);
            self.remove_if_unused(service);
        }
        Ok(())
    }

    fn overlay(
        &mut self,
        key: KeyParts<'_>,
        instances: &[InstanceName],
        now_ms: u64,
        say: impl Fn(&mut Overlay),
    ) -> Result<(), ChangeRefused> {
        let service = self.services.find(key).map(|service| self.services.get(service));
        let before = service.and_then(|of| of.declared.as_ref()).map(|declared| &declared.overlays);
        if before.map_or(0, BTreeMap::len) + instances.len() > OVERLAYS_COUNT_MAX {
            return Err(ChangeRefused::TooMany);
        }
        let mut said = BTreeMap::new();
        for name in instances {
            let mut id = String::new();
            write_id(&mut id, &name.ip, name.port, &name.cluster_name);
            let mut overlay = before.and_then(|overlays| overlays.get(&id)).cloned().unwrap_or_default();
            say(&mut overlay);
            overlay.revision = self.metadata_revision;
            if overlay.metadata_characters() > METADATA_CHARACTERS_MAX {
                return Err(ChangeRefused::TooLong);
            }
            said.insert(id, overlay);
        }
        self.declare(key, now_ms, |declared, _| {
            declared.overlays.extend(said);
            declared.overlays.retain(|_, overlay| !overlay.is_void());
        });
        Ok(())
    }

    /// Drops what is still as it was looked at. A persistent instance that came back meanwhile keeps its own: those are
    /// the same on every node.
    fn drop_expired(&mut self, key: KeyParts<'_>, expiry: &Expiry, now_ms: u64) {
        let Some(service) = self.services.find(key) else { return };
        let kept = self.persistent_ids(service);
        self.declare(key, now_ms, |declared, _| {
            let is_over = |record: &mut ServiceRecord| !record.created && Some(record.revision) == expiry.service;
            if kept.is_empty() {
                declared.service.take_if(is_over);
            }
            for (id, revision) in expiry.instances.iter().filter(|(id, _)| !kept.contains(id)) {
                if declared.overlays.get(id).is_some_and(|overlay| overlay.revision == *revision) {
                    declared.overlays.remove(id);
                }
            }
        });
    }

    fn persistent_ids(&self, service: u32) -> HashSet<String> {
        let links = self.publications.of_subject(service).map(|link| self.publications.get(link));
        let persistent = links.filter(|link| !self.publishers.get(link.holder).publisher.is_ephemeral());
        persistent.flat_map(|link| link.value.entries.as_slice()).map(|entry| id_of(&entry.instance)).collect()
    }

    /// Changes what is said of a service, and notes what that changes in its list.
    fn declare(&mut self, key: KeyParts<'_>, now_ms: u64, change: impl FnOnce(&mut Declared, u64)) {
        let service = self.find_or_create_service(key);
        self.may_come_or_go(service);
        let mut declared = self.services.get_mut(service).declared.take().unwrap_or_default();
        change(&mut declared, self.metadata_revision);
        self.set_declared(service, *declared, now_ms);
    }

    /// Puts what is said of a service in place of what was.
    pub(super) fn set_declared(&mut self, service: u32, declared: Declared, now_ms: u64) {
        self.may_come_or_go(service);
        let key = self.services.get(service).key.clone();
        if declared.is_empty() {
            self.services.get_mut(service).declared = None;
            self.declared.remove(&key);
        } else {
            self.services.get_mut(service).declared = Some(Box::new(declared));
            self.declared.insert(key, service);
        }
        let before = self.services.get(service).digest;
        let after = self.list_digest(service);
        self.services.shift(service, before, after, now_ms);
        // Timeouts of beats are among what may have been said.
        for link in self.publications.of_subject(service).collect::<Vec<_>>() {
            self.reschedule_beat(link);
        }
        self.remove_if_unused(service);
    }

    /// The digest of a service's list, from scratch.
    fn list_digest(&mut self, service: u32) -> Digest {
        let links = self.publications.of_subject(service);
        let entries = links.flat_map(|link| visible(&self.publications, self.distro.as_deref(), link));
        match &self.services.get(service).declared {
            None => publication::shown(entries),
            Some(declared) => declared.digest(&self.digester) + declared.shown(entries, &mut self.digester),
        }
    }
}

fn set_fields(declared: &mut Declared, fields: ServiceFields, revision: u64) {
    let record = declared.service.get_or_insert_with(|| ServiceRecord::new(fields.ephemeral));
    record.set_protect_threshold(fields.protect_threshold);
    record.metadata = fields.metadata;
    record.selector = fields.selector;
    record.revision = revision;
}

fn grouped_name(key: KeyParts<'_>) -> String {
    format!("{}@@{}", key.1, key.2)
}
