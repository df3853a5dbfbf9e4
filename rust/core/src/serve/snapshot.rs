//! A snapshot of what the log has applied to the stores: configs with their history, persistent instances, naming metadata.

use super::Hub;
use crate::configs::{DecodedConfigs, FrozenConfigs, Replaced};
use crate::registry::DecodedMetadata;

/// Why a snapshot cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("the snapshot ends too early: {0}")]
    Short(&'static str),
    #[error("the configs of the snapshot: {0}")]
    Configs(String),
    #[error("the persistent instances of the snapshot: {0}")]
    Instances(String),
    #[error("the naming metadata of the snapshot: {0}")]
    Metadata(String),
}

/// What the log has applied to the stores, as it was at one moment. It shares the configs with the stores, which
/// replace what they change; persistent instances and metadata are few, so they are written down at once.
#[derive(Debug)]
pub struct Frozen {
    configs: FrozenConfigs,
    instances: Vec<u8>,
    metadata: Vec<u8>,
}

impl Frozen {
    /// Three sections, each with its length in 8 bytes (little-endian) before it: configs, persistent instances, metadata.
    /// The third was added later.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.configs.bytes_about() + self.instances.len() + self.metadata.len() + 24);
        out.extend_from_slice(&[0; 8]);
        self.configs.encode(&mut out);
        let length = (out.len() - 8) as u64;
        out[..8].copy_from_slice(&length.to_le_bytes());
        for section in [&self.instances, &self.metadata] {
            out.extend_from_slice(&(section.len() as u64).to_le_bytes());
            out.extend_from_slice(section);
        }
        out
    }
}

/// A snapshot that was read, to be put into the stores.
#[derive(Debug)]
pub struct DecodedSnapshot<'a> {
    configs: DecodedConfigs<'a>,
    instances: &'a [u8],
    metadata: DecodedMetadata,
}

impl<'a> DecodedSnapshot<'a> {
    /// Does what takes long of a restoration, so that the hub is not needed meanwhile.
    pub fn decode(data: &'a [u8]) -> Result<Self, SnapshotError> {
        let (configs, rest) = section(data, "configs")?;
        let (instances, rest) = section(rest, "persistent instances")?;
        let metadata = if rest.is_empty() { rest } else { section(rest, "naming metadata")?.0 };
        let metadata = DecodedMetadata::decode(metadata).map_err(|error| SnapshotError::Metadata(error.to_string()))?;
        let configs = DecodedConfigs::decode(configs).map_err(|error| SnapshotError::Configs(error.to_string()))?;
        Ok(Self { configs, instances, metadata })
    }
}

impl Hub {
    /// A view of what the log has applied that stays as it is while the stores change.
    pub fn freeze(&self) -> Frozen {
        let mut instances = Vec::new();
        self.state.registry.encode_persistent(&mut instances);
        let mut metadata = Vec::new();
        self.state.registry.encode_metadata(&mut metadata);
        Frozen { configs: self.state.configs.freeze(), instances, metadata }
    }

    /// Replaces configs, persistent instances and metadata by those of the snapshot. After an error nothing has changed.
    pub fn restore_snapshot(&mut self, snapshot: DecodedSnapshot<'_>, now_ms: u64) -> Result<Replaced, SnapshotError> {
        self.state.now_ms = now_ms;
        let restored = self.state.registry.restore_persistent(snapshot.instances, now_ms);
        restored.map_err(|error| SnapshotError::Instances(error.to_string()))?;
        self.state.registry.restore_metadata(snapshot.metadata, now_ms);
        Ok(self.state.configs.replace(snapshot.configs))
    }
}

fn section<'a>(data: &'a [u8], name: &'static str) -> Result<(&'a [u8], &'a [u8]), SnapshotError> {
    let (length, rest) = data.split_first_chunk::<8>().ok_or(SnapshotError::Short(name))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| SnapshotError::Short(name))?;
    rest.split_at_checked(length).ok_or(SnapshotError::Short(name))
}
