//! Replicated publications, shown from outside: two or three registries and the bytes between them.

mod claims;
mod damage;
mod hidden;
mod laws;
mod moves;
mod repair;
mod twins;
mod versions;

use super::*;
use crate::registry::tests::{KEY, NOW_MS, instance, service_info};
use crate::registry::{Instance, Publisher, View};

/// Everything in one batch.
const ALL: usize = usize::MAX;

/// The registry of a node in its first run.
fn node(id: &str) -> Registry {
    run(id, 1)
}

fn run(id: &str, boot: u64) -> Registry {
    let mut registry = Registry::new([7; 16]);
    registry.distro_open(id, boot).unwrap();
    registry
}

/// One connection registers one instance.
fn register(registry: &mut Registry, connection: u64, ip: &str, now_ms: u64) {
    registry.publish(&Publisher::Connection(connection), KEY, vec![instance(ip, 80)], now_ms).unwrap();
}

/// An address registers itself.
fn beat_first(registry: &mut Registry, ip: &str, now_ms: u64) {
    registry.publish(&Publisher::address(ip, 80, true), KEY, vec![instance(ip, 80)], now_ms).unwrap();
}

/// What one node has to say.
fn changes(from: &mut Registry) -> Vec<u8> {
    from.distro_take_changes(ALL).expect("there are changes")
}

/// Tells one node what the other has to say, and what comes back.
fn tell(from: &mut Registry, to: &mut Registry, now_ms: u64) -> Applied {
    to.distro_apply(&changes(from), now_ms).unwrap()
}

/// The addresses of a list, in order.
fn list(registry: &mut Registry) -> Vec<String> {
    let info = service_info(registry, &View::default(), NOW_MS);
    let mut list: Vec<_> =
        info["hosts"].as_array().unwrap().iter().map(|host| host["ip"].as_str().unwrap().to_owned()).collect();
    list.sort();
    list
}

/// What is known of a holder: records, instances, digest.
fn figures(registry: &Registry, holder: (&str, u64)) -> (usize, usize, u128) {
    let holders = registry.distro_holders();
    let found = holders.iter().find(|view| (&*view.node_id, view.boot) == holder);
    found.map_or((0, 0, 0), |view| (view.records, view.instances, view.digest))
}

/// All that is known of all holders that have anything, in a defined order.
fn all_figures(registry: &Registry) -> Vec<(Box<str>, u64, usize, usize, u128)> {
    let holders = registry.distro_holders().into_iter().filter(|view| view.records > 0);
    let mut all: Vec<_> =
        holders.map(|view| (view.node_id, view.boot, view.records, view.instances, view.digest)).collect();
    all.sort();
    all
}

/// Verification as nodes do it: finds what `to` differs in of what `holder` holds, and repairs it. Returns how many bytes
/// that took.
fn repair(holder: &mut Registry, name: (&str, u64), to: &mut Registry, now_ms: u64) -> usize {
    compare(holder, name, to, now_ms, true)
}

/// The same of a holder that is neither of the two, and may be gone: then each may have what the other lacks.
fn complete(from: &mut Registry, name: (&str, u64), to: &mut Registry, now_ms: u64) {
    compare(from, name, to, now_ms, false);
}

fn compare(holder: &mut Registry, name: (&str, u64), to: &mut Registry, now_ms: u64, is_holder: bool) -> usize {
    let mut bytes = 0;
    let different = |one: &[u8], other: &[u8]| -> Vec<usize> {
        let pairs = one.chunks(16).zip(other.chunks(16));
        pairs.enumerate().filter(|(_, (one, other))| one != other).map(|(at, _)| at).collect()
    };
    let (theirs, ours) = (holder.distro_digests(name, None).unwrap(), to.distro_digests(name, None).unwrap());
    bytes += theirs.len();
    let mut leaves = Vec::new();
    for node in different(&theirs, &ours) {
        let theirs = holder.distro_digests(name, Some(node)).unwrap();
        bytes += theirs.len();
        let ours = to.distro_digests(name, Some(node)).unwrap();
        leaves.extend(different(&theirs, &ours).into_iter().map(|leaf| node * 64 + leaf));
    }
    let versions = holder.distro_versions(name, &leaves).unwrap();
    let found = to.distro_differences(name, &leaves, &versions).unwrap();
    let records = holder.distro_records(name, &found.wanted).unwrap();
    bytes += versions.len() + found.wanted.len() + records.len();
    let applied = to.distro_apply(&records, now_ms).unwrap();
    if !applied.ours.is_empty() {
        holder.distro_apply(&applied.ours, now_ms).unwrap();
    }
    if is_holder {
        to.distro_drop_surplus(name, &leaves, &versions, now_ms).unwrap();
    }
    bytes
}
