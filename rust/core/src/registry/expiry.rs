//! Metadata of what is gone: found by every node for what it saw go, dropped by a command of the log.

use super::Registry;
use super::change::Expiry;
use super::key::ResourceKey;
use super::links::Links;
use super::overlay::{Presence, id_of};
use super::publication::Publication;
use crate::limits::EXPIRED_COUNT_MAX;
use std::collections::HashSet;

impl Registry {
    /// Looks which metadata belongs to nothing any more and gives what has been so for `after_ms`, by service. To be
    /// called every few seconds. `sees_all`: instances that this node does not hold are nowhere else either.
    pub fn expired_metadata(&mut self, now_ms: u64, after_ms: u64, sees_all: bool) -> Vec<(ResourceKey, Expiry)> {
        let mut found = Vec::new();
        let mut count = 0;
        for (key, service) in &self.declared {
            if count >= EXPIRED_COUNT_MAX {
                break;
            }
            let entry = self.services.get_mut(*service);
            let is_listed = entry.is_ephemeral().is_some();
            let Some(declared) = entry.declared.as_deref_mut() else { continue };
            let mut expiry = Expiry::default();
            let record = declared.service.as_mut().filter(|record| !record.created);
            let is_over = |presence: &mut Presence, is_here| presence.look(is_here, sees_all, now_ms, after_ms);
            if let Some(record) = record {
                expiry.service = is_over(&mut record.presence, is_listed).then_some(record.revision);
            }
            if !declared.overlays.is_empty() {
                let here = ids(&self.publications, *service);
                for (id, overlay) in &mut declared.overlays {
                    if is_over(&mut overlay.presence, here.contains(id)) {
                        expiry.instances.push((id.clone(), overlay.revision));
                    }
                }
                expiry.instances.truncate(EXPIRED_COUNT_MAX);
            }
            if expiry != Expiry::default() {
                count += 1 + expiry.instances.len();
                found.push((key.clone(), expiry));
            }
        }
        found
    }
}

/// The instances that are published in a service, as overlays name them.
fn ids(publications: &Links<Publication>, service: u32) -> HashSet<String> {
    let links = publications.of_subject(service).map(|link| &publications.get(link).value.entries);
    links.flat_map(|entries| entries.as_slice()).map(|entry| id_of(&entry.instance)).collect()
}
