//! What the registry promises, shown from outside. Times are milliseconds of an imagined wall clock.

mod answers;
mod dotted;
mod heartbeats;
mod kinds;
mod metadata;
mod pushes;
mod snapshots;
mod twin;
mod watching;

use super::*;

pub(super) const KEY: (&str, &str, &str) = ("public", "DEFAULT_GROUP", "orders");
pub(super) const NOW_MS: u64 = 1_795_435_036_797;

pub(super) fn registry() -> Registry {
    Registry::new([7; 16])
}

pub(super) fn instance(ip: &str, port: u16) -> Instance {
    Instance::new(ip, port)
}

pub(super) fn beating(ip: &str) -> Publisher {
    Publisher::address(ip, 80, true)
}

/// The answer to a view, parsed.
pub(super) fn service_info(registry: &mut Registry, view: &View<'_>, now_ms: u64) -> serde_json::Value {
    let mut out = Vec::new();
    registry.write_service_info(KEY, view, now_ms, &mut out);
    serde_json::from_slice(&out).unwrap()
}

/// The addresses shown by a view, in order.
pub(super) fn shown(registry: &mut Registry, view: &View<'_>) -> Vec<String> {
    let info = service_info(registry, view, NOW_MS);
    let hosts = info["hosts"].as_array().unwrap();
    hosts.iter().map(|host| host["ip"].as_str().unwrap().to_owned()).collect()
}
