//! Instance lists as the JSON that clients read (field order and presence as recorded in protocol/answers).

use super::json::{write_bool, write_escaped, write_float, write_integer, write_string};
use super::key::{KeyParts, same_text};
use super::metadata::ID_GENERATOR_KEY;
use super::model::Instance;
use super::protect::Shown;
use crate::limits::VIEWS_COUNT_MAX;

/// Which instances of a service to show, and how to name it.
#[derive(Debug, Clone, Copy, Default)]
pub struct View<'a> {
    /// A comma list of clusters, shown again in the answer as it was sent; blank means all.
    pub clusters: &'a str,
    /// Leave unhealthy instances out.
    pub healthy_only: bool,
    /// Name the service `group@@name`, as HTTP v1 does; gRPC uses the bare name.
    pub grouped_name: bool,
}

/// The `hosts` array of one view, rendered.
#[derive(Debug)]
struct Rendered {
    clusters: Box<str>,
    healthy_only: bool,
    hosts: Box<[u8]>,
    is_protected: bool,
}

/// The rendered views of one service, valid until its list changes.
#[derive(Debug, Default)]
pub(super) struct Views(Vec<Rendered>);

impl Views {
    /// The hosts, and whether they are shown healthy for protection.
    pub(super) fn find(&self, view: &View<'_>) -> Option<(&[u8], bool)> {
        let mut views = self.0.iter();
        let found =
            views.find(|kept| kept.healthy_only == view.healthy_only && same_text(&kept.clusters, view.clusters));
        found.map(|kept| (&*kept.hosts, kept.is_protected))
    }

    /// Keeps a view. The oldest makes room for it; returns how many bytes of hosts that was.
    pub(super) fn keep(&mut self, view: &View<'_>, hosts: &[u8], is_protected: bool) -> usize {
        let freed = if self.0.len() < VIEWS_COUNT_MAX { 0 } else { self.0.remove(0).hosts.len() };
        self.0.reserve_exact(1);
        let (clusters, healthy_only) = (view.clusters.into(), view.healthy_only);
        self.0.push(Rendered { clusters, healthy_only, hosts: hosts.into(), is_protected });
        freed
    }

    /// Forgets all and returns how many bytes of hosts they were.
    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.0).into_iter().map(|kept| kept.hosts.len()).sum()
    }
}

/// Everything of a ServiceInfo before the value of `hosts`.
pub(super) fn write_head(out: &mut Vec<u8>, (_, group, name): KeyParts<'_>, view: &View<'_>, cache_ms: u64) {
    out.extend_from_slice(b"{\"name\":");
    if view.grouped_name {
        write_grouped(out, group, name);
    } else {
        write_string(out, name);
    }
    out.extend_from_slice(b",\"groupName\":");
    write_string(out, group);
    out.extend_from_slice(b",\"clusters\":");
    write_string(out, view.clusters);
    out.extend_from_slice(b",\"cacheMillis\":");
    write_integer(out, cache_ms);
    out.extend_from_slice(b",\"hosts\":");
}

/// Everything of a ServiceInfo after the value of `hosts`.
pub(super) fn write_tail(out: &mut Vec<u8>, last_ref_time_ms: u64, is_protected: bool) {
    out.extend_from_slice(b",\"lastRefTime\":");
    write_integer(out, last_ref_time_ms);
    out.extend_from_slice(b",\"checksum\":\"\",\"allIps\":false,\"reachProtectionThreshold\":");
    write_bool(out, is_protected);
    out.extend_from_slice(b",\"valid\":true}");
}

/// The `hosts` array.
pub(super) fn write_hosts(out: &mut Vec<u8>, (_, group, name): KeyParts<'_>, entries: &[Shown<'_>]) {
    let mut service = Vec::with_capacity(group.len() + name.len() + 4);
    write_grouped(&mut service, group, name);
    out.push(b'[');
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_instance(out, &service, entry.instance());
    }
    out.push(b']');
}

/// One instance alone.
pub(super) fn write_one(out: &mut Vec<u8>, (_, group, name): KeyParts<'_>, instance: &Instance) {
    let mut service = Vec::new();
    write_grouped(&mut service, group, name);
    write_instance(out, &service, instance);
}

/// `group@@name` as a JSON string.
fn write_grouped(out: &mut Vec<u8>, group: &str, name: &str) {
    out.push(b'"');
    write_escaped(out, group);
    out.extend_from_slice(b"@@");
    write_escaped(out, name);
    out.push(b'"');
}

/// One instance; `service` is the grouped name as a JSON string.
fn write_instance(out: &mut Vec<u8>, service: &[u8], instance: &Instance) {
    out.push(b'{');
    if let Some(instance_id) = &instance.instance_id {
        out.extend_from_slice(b"\"instanceId\":");
        write_string(out, instance_id);
        out.push(b',');
    }
    out.extend_from_slice(b"\"ip\":");
    write_string(out, &instance.ip);
    out.extend_from_slice(b",\"port\":");
    write_integer(out, instance.port.into());
    out.extend_from_slice(b",\"weight\":");
    write_float(out, instance.weight);
    out.extend_from_slice(b",\"healthy\":");
    write_bool(out, instance.healthy);
    out.extend_from_slice(b",\"enabled\":");
    write_bool(out, instance.enabled);
    out.extend_from_slice(b",\"ephemeral\":");
    write_bool(out, instance.ephemeral);
    out.extend_from_slice(b",\"clusterName\":");
    write_string(out, instance.cluster.as_str());
    out.extend_from_slice(b",\"serviceName\":");
    out.extend_from_slice(service);
    write_metadata(out, instance);
    out.push(b'}');
}

/// The metadata and the keys that the existing server computes from it.
fn write_metadata(out: &mut Vec<u8>, instance: &Instance) {
    let metadata = &instance.metadata;
    out.extend_from_slice(b",\"metadata\":{");
    for (at, (key, value)) in metadata.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(out, key);
        out.push(b':');
        write_string(out, value);
    }
    out.extend_from_slice(b"},\"instanceHeartBeatInterval\":");
    write_integer(out, metadata.beat_interval_ms());
    out.extend_from_slice(b",\"instanceHeartBeatTimeOut\":");
    write_integer(out, metadata.beat_timeout_ms());
    out.extend_from_slice(b",\"ipDeleteTimeout\":");
    write_integer(out, metadata.delete_timeout_ms());
    // The existing server names its default generator only where there is no metadata at all.
    let generator = if metadata.is_empty() { Some("simple") } else { metadata.get(ID_GENERATOR_KEY) };
    if let Some(generator) = generator {
        out.extend_from_slice(b",\"instanceIdGenerator\":");
        write_string(out, generator);
    }
}
