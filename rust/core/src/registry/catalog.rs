//! What administrators ask: services with their figures, one service in full, all of its instances.

use super::Registry;
use super::declared::{ClusterRecord, Selector};
use super::distro::visible;
use super::key::{KeyParts, ResourceKey};
use super::model::Instance;
use super::overlay::Pairs;
use super::protect::is_reached;
use super::render::write_one;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One line of the list of services (protocol/http.md section 6.2, "ServiceView").
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceView {
    name: String,
    group_name: String,
    cluster_count: usize,
    ip_count: usize,
    healthy_instance_count: usize,
    /// A text, as clients read it.
    trigger_flag: &'static str,
}

/// A page of them, and how many there are in all.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePage {
    count: usize,
    service_list: Vec<ServiceView>,
}

/// What is known of a service itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceDetail<'a> {
    ephemeral: bool,
    protect_threshold: f64,
    metadata: &'a Pairs,
    selector: &'a Selector,
    clusters: BTreeMap<&'a str, &'a ClusterRecord>,
}

impl ServicePage {
    /// The page as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("writing to memory cannot fail")
    }
}

impl Registry {
    /// Whether there is such a service: created, or registered and not cleaned away since.
    pub fn has_service(&self, key: KeyParts<'_>) -> bool {
        self.service_is_ephemeral(key).is_some()
    }

    /// Appends the array of all instances as operators have them, the disabled ones too, without protection.
    pub fn write_all_instances(&self, key: KeyParts<'_>, out: &mut Vec<u8>) {
        out.push(b'[');
        for (at, instance) in self.effective(key).iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_one(out, key, instance);
        }
        out.push(b']');
    }

    /// Appends what is known of a service and its clusters, those without instances too; false if there is none.
    pub fn write_service_detail(&self, key: KeyParts<'_>, out: &mut Vec<u8>) -> bool {
        let Some(service) = self.services.find(key).map(|service| self.services.get(service)) else { return false };
        let Some(ephemeral) = service.is_ephemeral() else { return false };
        let record = service.declared.as_ref().and_then(|declared| declared.service.as_ref());
        let instances = self.effective(key);
        let (no_pairs, default_cluster) = (Pairs::new(), ClusterRecord::default());
        let mut clusters: BTreeMap<&str, &ClusterRecord> =
            instances.iter().map(|instance| (instance.cluster.as_str(), &default_cluster)).collect();
        clusters.extend(record.iter().flat_map(|record| &record.clusters).map(|(name, of)| (name.as_str(), of)));
        let detail = ServiceDetail {
            ephemeral,
            protect_threshold: record.map_or(0.0, |record| record.protect_threshold()),
            metadata: record.map_or(&no_pairs, |record| &record.metadata),
            selector: record.map_or(&Selector::None, |record| &record.selector),
            clusters,
        };
        serde_json::to_writer(out, &detail).expect("writing to memory cannot fail");
        true
    }

    /// Goes on through the services of all namespaces at place `from` and looks at no more than `look_count` of them.
    /// Gives the keys of those that were created, or registered and not cleaned away since, in no order, and where to go
    /// on; none at the end of a round.
    pub fn service_keys(&self, from: usize, look_count: usize) -> (Vec<&ResourceKey>, Option<usize>) {
        let (services, next) = self.services.at_places(from, look_count);
        let listed = services.filter(|service| service.is_ephemeral().is_some());
        (listed.map(|service| &service.key).collect(), next)
    }

    /// One page of the services whose group and name contain what is asked for, in order of group and name.
    pub fn service_page(
        &self,
        namespace: &str,
        (group_part, name_part): (&str, &str),
        with_empty: bool,
        page_no: usize,
        page_size: usize,
    ) -> ServicePage {
        let is_asked_for = |key: &ResourceKey| {
            key.namespace() == namespace && key.group().contains(group_part) && key.name().contains(name_part)
        };
        let listed = self.services.iter().filter(|(_, service)| service.is_ephemeral().is_some());
        let chosen = listed
            .filter(|(_, service)| is_asked_for(&service.key))
            .filter(|(id, _)| with_empty || self.publications.any_holds(*id));
        let mut keys: Vec<&ResourceKey> = chosen.map(|(_, service)| &service.key).collect();
        keys.sort_unstable();
        let page = keys.iter().skip(page_no.max(1).saturating_sub(1).saturating_mul(page_size)).take(page_size);
        ServicePage { count: keys.len(), service_list: page.map(|key| self.service_view(key)).collect() }
    }

    /// Namespace and `group@@name` of the services whose grouped name contains a part, of all namespaces if none is named;
    /// in order.
    pub fn service_names(&self, namespace: Option<&str>, part: &str) -> Vec<(&str, String)> {
        let listed = self.services.iter().filter(|(_, service)| service.is_ephemeral().is_some());
        let keys = listed.map(|(_, service)| service.key.parts());
        let asked_for = keys.filter(|(of, ..)| namespace.is_none_or(|namespace| namespace == *of));
        let names = asked_for.map(|(namespace, group, name)| (namespace, format!("{group}@@{name}")));
        let mut found: Vec<_> = names.filter(|(_, name)| name.contains(part)).collect();
        found.sort_unstable();
        found
    }

    fn service_view(&self, key: &ResourceKey) -> ServiceView {
        let instances = self.effective(key.parts());
        let healthy = instances.iter().filter(|instance| instance.healthy).count();
        let service = self.services.find(key.parts()).map(|service| self.services.get(service));
        let record = service.and_then(|of| of.declared.as_ref()).and_then(|declared| declared.service.as_ref());
        let threshold = record.map_or(0.0, |record| record.protect_threshold());
        ServiceView {
            name: key.name().to_owned(),
            group_name: key.group().to_owned(),
            cluster_count: instances.iter().map(|instance| instance.cluster.as_str()).collect::<BTreeSet<_>>().len(),
            ip_count: instances.len(),
            healthy_instance_count: healthy,
            trigger_flag: if is_reached(healthy, instances.len(), threshold) { "true" } else { "false" },
        }
    }

    /// Every instance under its overlay, the newest publication first.
    fn effective(&self, key: KeyParts<'_>) -> Vec<Instance> {
        let Some(service) = self.services.find(key) else { return Vec::new() };
        let declared = self.services.get(service).declared.as_deref();
        let links = self.publications.of_subject(service);
        let mut id = String::new();
        let entries = links.flat_map(|link| visible(&self.publications, self.distro.as_deref(), link).rev());
        let mut over = |instance: &Instance| declared.and_then(|declared| declared.over(instance, &mut id));
        entries.map(|entry| over(&entry.instance).unwrap_or_else(|| entry.instance.clone())).collect()
    }
}
