//! Metadata as bytes and back. It is JSON behind the header: little, and read by people when something is wrong.

use super::Registry;
use super::binary::{Content, SnapshotError};
use super::declared::Declared;
use super::key::ResourceKey;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
struct Service<'a> {
    key: (&'a str, &'a str, &'a str),
    declared: &'a Declared,
}

#[derive(Serialize)]
struct Snapshot<'a> {
    revision: u64,
    services: Vec<Service<'a>>,
}

#[derive(Debug, Deserialize)]
struct ReadService {
    key: (String, String, String),
    declared: Declared,
}

/// A snapshot that was read, to be put into the registry.
#[derive(Debug, Default, Deserialize)]
pub struct DecodedMetadata {
    revision: u64,
    services: Vec<ReadService>,
}

impl DecodedMetadata {
    /// Snapshots from before there was metadata hold no bytes of it.
    ///
    /// # Errors
    /// If the bytes are no such snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let header = Content::Metadata.header();
        let Some(json) = bytes.strip_prefix(&header) else {
            let found = bytes.iter().take(header.len()).copied().collect();
            return Err(SnapshotError::Header { expected: Content::Metadata, found });
        };
        serde_json::from_slice(json)
            .map_err(|error| SnapshotError::Invalid { what: "metadata", at: header.len() + error.column() })
    }
}

impl Registry {
    /// Appends all metadata, services in key order: nodes that hold the same write the same.
    pub fn encode_metadata(&self, out: &mut Vec<u8>) {
        let services = self.declared.iter().filter_map(|(key, service)| {
            let declared = self.services.get(*service).declared.as_deref()?;
            Some(Service { key: key.parts(), declared })
        });
        let snapshot = Snapshot { revision: self.metadata_revision, services: services.collect() };
        out.extend_from_slice(&Content::Metadata.header());
        serde_json::to_writer(out, &snapshot).expect("writing to memory cannot fail");
    }

    /// Replaces all metadata by that of a snapshot.
    pub fn restore_metadata(&mut self, snapshot: DecodedMetadata, now_ms: u64) {
        let mut gone = std::mem::take(&mut self.declared);
        for ReadService { key: (namespace, group, name), declared } in snapshot.services {
            let key = (namespace.as_str(), group.as_str(), name.as_str());
            let service = self.find_or_create_service(key);
            gone.remove(&ResourceKey::new(key));
            let record = declared.service.as_ref().filter(|record| record.created);
            if let Some(ephemeral) = record.map(|record| record.ephemeral) {
                self.services.enlist(service, ephemeral);
            }
            self.set_declared(service, declared, now_ms);
        }
        for service in gone.into_values() {
            self.set_declared(service, Declared::default(), now_ms);
        }
        self.metadata_revision = snapshot.revision;
    }
}
