//! A snapshot of what the log has applied to the stores: configs and persistent instances.

use super::Hub;
use crate::configs::snapshot::decode;

/// Why a snapshot cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("the snapshot ends too early: {0}")]
    Short(&'static str),
    #[error("the configs of the snapshot: {0}")]
    Configs(String),
    #[error("the persistent instances of the snapshot: {0}")]
    Instances(String),
}

impl Hub {
    /// Two sections, each with its length in 8 bytes (little-endian) before it: configs, persistent instances.
    pub fn encode_snapshot(&self) -> Vec<u8> {
        let mut out = vec![0; 8];
        self.state.configs.encode(&mut out);
        let end = out.len();
        out[..8].copy_from_slice(&((end - 8) as u64).to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        self.state.registry.encode_persistent(&mut out);
        let length = (out.len() - end - 8) as u64;
        out[end..end + 8].copy_from_slice(&length.to_le_bytes());
        out
    }

    /// Replaces configs and persistent instances by those of the snapshot. After an error nothing has changed.
    pub fn restore_snapshot(&mut self, data: &[u8], now_ms: u64) -> Result<(), SnapshotError> {
        self.state.now_ms = now_ms;
        let (configs, rest) = section(data, "configs")?;
        let (instances, _) = section(rest, "persistent instances")?;
        let configs = decode(configs).map_err(|error| SnapshotError::Configs(error.to_string()))?;
        let restored = self.state.registry.restore_persistent(instances, now_ms);
        restored.map_err(|error| SnapshotError::Instances(error.to_string()))?;
        self.state.configs.replace(configs);
        Ok(())
    }
}

fn section<'a>(data: &'a [u8], name: &'static str) -> Result<(&'a [u8], &'a [u8]), SnapshotError> {
    let (length, rest) = data.split_first_chunk::<8>().ok_or(SnapshotError::Short(name))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| SnapshotError::Short(name))?;
    rest.split_at_checked(length).ok_or(SnapshotError::Short(name))
}
