//! Configs as bytes and back. Listeners are not kept: their connections tell again.

use super::{Config, ConfigKey, Configs, KeyParts, SnapshotError, StoredConfig};
use crate::registry::Content;
use crate::registry::binary::{Reader, Write};
use bytes::Bytes;
use std::sync::Arc;

/// The fewest bytes that an encoded config takes: seven lengths, seven flags, two times.
const CONFIG_BYTES_MIN: usize = 7 * 4 + 7 + 2 * 8;

impl Configs {
    /// All configs as they are now, to be written while they change.
    pub fn freeze(&self) -> FrozenConfigs {
        FrozenConfigs(self.shared())
    }

    /// Appends all configs in key order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.freeze().encode(out);
    }

    /// Replaces all configs by those of a snapshot and returns how many there are. Listeners stay.
    ///
    /// # Errors
    /// If the bytes are no such snapshot; nothing has changed then.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<usize, SnapshotError> {
        self.replace(DecodedConfigs::decode(bytes)?);
        Ok(self.len())
    }

    /// The second half of [`restore`](Self::restore), which cannot fail.
    pub(crate) fn replace(&mut self, configs: DecodedConfigs<'_>) -> Replaced {
        let taken = self.entries.iter_mut().filter_map(|(id, entry)| Some((id, entry.config.take()?)));
        let before: Vec<(usize, Arc<StoredConfig>)> = taken.collect();
        let ids_before: Vec<u32> = std::mem::take(&mut self.order).into_values().collect();
        // They come in key order, so the map is built at once.
        let entries = configs.0.into_iter().map(|(key, config)| {
            let id = self.find_or_insert(key);
            self.entries[id as usize].config = Some(config);
            (self.entries[id as usize].key.clone(), id)
        });
        let order = entries.collect();
        self.order = order;
        let changed = self.changed_since(&before);
        ids_before.into_iter().for_each(|id| self.remove_if_unused(id));
        Replaced { changed, before }
    }

    /// The keys whose content is another than in `before`, which is in the order of the entries.
    fn changed_since(&self, before: &[(usize, Arc<StoredConfig>)]) -> Vec<ConfigKey> {
        let mut before = before.iter().peekable();
        let mut changed = Vec::new();
        for (id, entry) in &self.entries {
            let old = before.next_if(|(old_id, _)| *old_id == id).map(|(_, config)| config.md5());
            if old != entry.config.as_ref().map(|config| config.md5()) {
                changed.push(entry.key.clone());
            }
        }
        changed
    }
}

/// What a restoration leaves behind.
#[derive(Debug)]
pub struct Replaced {
    /// The configs that are not what they were.
    pub changed: Vec<ConfigKey>,
    /// What was there, by entry: to let go of many configs takes long, so it is left to whoever need not hold the store
    /// any more.
    pub before: Vec<(usize, Arc<StoredConfig>)>,
}

/// The configs of a snapshot, read but not yet in any store.
#[derive(Debug)]
pub struct DecodedConfigs<'a>(Vec<(KeyParts<'a>, Arc<StoredConfig>)>);

/// All configs as they were at one moment.
#[derive(Debug)]
pub struct FrozenConfigs(Vec<(ConfigKey, Arc<StoredConfig>)>);

impl FrozenConfigs {
    /// Appends all configs in key order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut configs: Vec<_> = self.0.iter().collect();
        configs.sort_unstable_by_key(|(key, _)| key.parts());
        out.extend_from_slice(&Content::Configs.header());
        out.put_count(configs.len());
        for (key, config) in configs {
            for text in [key.namespace(), key.group(), key.name()] {
                out.put_bytes(text.as_bytes());
            }
            encode_config(out, config);
        }
    }

    /// About how many bytes that is.
    pub fn bytes_about(&self) -> usize {
        const REST: usize = 2 * CONFIG_BYTES_MIN;
        self.0.iter().map(|(key, config)| key.name().len() + config.content.len() + REST).sum()
    }
}

fn encode_config(out: &mut Vec<u8>, config: &Config) {
    for bytes in [&config.content[..], config.kind.as_bytes()] {
        out.put_bytes(bytes);
    }
    for text in [&config.encrypted_data_key, &config.app_name] {
        out.put_bytes(text.as_bytes());
    }
    for text in optional_attributes(config) {
        out.put_optional(text.as_deref());
    }
    out.put_u64(config.created_ms);
    out.put_u64(config.modified_ms);
}

fn optional_attributes(config: &Config) -> [&Option<Box<str>>; 7] {
    let Config { tags, description, usage, effect, schema, create_user, create_ip, .. } = config;
    [tags, description, usage, effect, schema, create_user, create_ip]
}

impl<'a> DecodedConfigs<'a> {
    /// Everything that takes long of a restoration: it needs no store.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, SnapshotError> {
        let mut reader = Reader::new(bytes, Content::Configs)?;
        let count = reader.count(CONFIG_BYTES_MIN)?;
        let mut configs = Vec::new();
        for _ in 0..count {
            let key = (reader.text("namespace")?, reader.text("group")?, reader.text("data id")?);
            configs.push((key, Arc::new(StoredConfig::new(decode_config(&mut reader)?))));
        }
        reader.finish()?;
        Ok(Self(configs))
    }
}

fn decode_config(reader: &mut Reader<'_>) -> Result<Config, SnapshotError> {
    // Fields are read in the order in which they are written here.
    Ok(Config {
        content: Bytes::copy_from_slice(reader.bytes()?),
        kind: reader.text("type")?.into(),
        encrypted_data_key: reader.text("encrypted data key")?.into(),
        app_name: reader.text("app name")?.into(),
        tags: reader.optional("tags")?.map(Box::from),
        description: reader.optional("description")?.map(Box::from),
        usage: reader.optional("use")?.map(Box::from),
        effect: reader.optional("effect")?.map(Box::from),
        schema: reader.optional("schema")?.map(Box::from),
        create_user: reader.optional("user")?.map(Box::from),
        create_ip: reader.optional("address")?.map(Box::from),
        created_ms: reader.u64()?,
        modified_ms: reader.u64()?,
    })
}
