//! What administrators ask: services with their figures, one service in full, all of its instances.

use super::Registry;
use super::declared::{ClusterRecord, Selector, ServiceRecord};
use super::distro::visible;
use super::key::{KeyParts, ResourceKey};
use super::model::Instance;
use super::overlay::Pairs;
use super::protect::is_reached;
use super::render::write_one;
use crate::limits::SERVICE_LOOKS_COUNT;
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

/// The services of a namespace whose group and name contain what is asked for, a page of them in order of group and name,
/// with the count of all; as far as they have been looked through.
#[derive(Debug)]
pub struct ServiceSearch {
    namespace: String,
    group_part: String,
    name_part: String,
    with_empty: bool,
    skip_count: usize,
    page_size: usize,
    /// The last one that was looked at.
    after: Option<ResourceKey>,
    page: ServicePage,
}

/// A page of them, and how many there are in all.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServicePage {
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

impl ServiceSearch {
    /// Pages are counted from 1; those without instances are left out unless `with_empty`.
    pub fn new(
        namespace: &str,
        (group_part, name_part): (&str, &str),
        with_empty: bool,
        page_no: usize,
        page_size: usize,
    ) -> Self {
        Self {
            namespace: namespace.to_owned(),
            group_part: group_part.to_owned(),
            name_part: name_part.to_owned(),
            with_empty,
            skip_count: page_no.max(1).saturating_sub(1).saturating_mul(page_size),
            page_size,
            after: None,
            page: ServicePage::default(),
        }
    }

    fn is_asked_for(&self, key: &ResourceKey) -> bool {
        key.group().contains(&self.group_part) && key.name().contains(&self.name_part)
    }

    /// The page as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.page).expect("writing to memory cannot fail")
    }
}

impl Registry {
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

    /// Carries on with a search, until it is done or has taken long enough for this time; returns whether it is done. What
    /// changes meanwhile may be found or not; nothing is found twice.
    pub fn search_services(&self, search: &mut ServiceSearch) -> bool {
        let (mut looks_count, mut after) = (0, None);
        let (mut count, mut views) = (search.page.count, Vec::new());
        for (key, id) in self.services.of_namespace(&search.namespace, search.after.as_ref()) {
            looks_count += 1;
            let is_listed = self.services.get(id).is_ephemeral().is_some();
            let is_empty = || !self.publications.any_holds(id);
            if is_listed && search.is_asked_for(key) && (search.with_empty || !is_empty()) {
                if count >= search.skip_count && count - search.skip_count < search.page_size {
                    let view = self.service_view(key, id);
                    looks_count += view.ip_count;
                    views.push(view);
                }
                count += 1;
            }
            if looks_count >= SERVICE_LOOKS_COUNT {
                after = Some(key.clone());
                break;
            }
        }
        search.page.count = count;
        search.page.service_list.append(&mut views);
        let is_done = after.is_none();
        search.after = after.or(search.after.take());
        is_done
    }

    fn service_view(&self, key: &ResourceKey, id: u32) -> ServiceView {
        let declared = self.services.get(id).declared.as_deref();
        let threshold = declared.and_then(|of| of.service.as_ref()).map_or(0.0, ServiceRecord::protect_threshold);
        let links = self.publications.of_subject(id);
        let (mut clusters, mut count, mut healthy_count, mut place) = (BTreeSet::new(), 0, 0, String::new());
        for entry in links.flat_map(|link| visible(&self.publications, self.distro.as_deref(), link)) {
            let over = declared.and_then(|declared| declared.over(&entry.instance, &mut place));
            clusters.insert(entry.instance.cluster.as_str());
            count += 1;
            healthy_count += usize::from(over.as_ref().unwrap_or(&entry.instance).healthy);
        }
        ServiceView {
            name: key.name().to_owned(),
            group_name: key.group().to_owned(),
            cluster_count: clusters.len(),
            ip_count: count,
            healthy_instance_count: healthy_count,
            trigger_flag: if is_reached(healthy_count, count, threshold) { "true" } else { "false" },
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
