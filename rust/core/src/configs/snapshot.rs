//! Configs as bytes and back. Listeners are not kept: their connections tell again.

use super::{Config, Configs, KeyParts, SnapshotError};
use crate::registry::Content;
use crate::registry::binary::{Reader, Write};
use bytes::Bytes;

/// The fewest bytes that an encoded config takes: seven lengths, seven flags, two times.
const CONFIG_BYTES_MIN: usize = 7 * 4 + 7 + 2 * 8;

impl Configs {
    /// Appends all configs in key order.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&Content::Configs.header());
        out.put_count(self.len());
        for (key, config) in self.iter() {
            for text in [key.namespace(), key.group(), key.name()] {
                out.put_bytes(text.as_bytes());
            }
            encode_config(out, config);
        }
    }

    /// Replaces all configs by those of a snapshot and returns how many there are. Listeners stay.
    ///
    /// # Errors
    /// If the bytes are no such snapshot; nothing has changed then.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<usize, SnapshotError> {
        Ok(self.replace(decode(bytes)?))
    }

    /// The second half of [`restore`](Self::restore), which cannot fail.
    pub(crate) fn replace(&mut self, configs: Vec<(KeyParts<'_>, Config)>) -> usize {
        let present: Vec<_> = self.order.keys().cloned().collect();
        for key in present {
            self.remove(key.parts());
        }
        for (key, config) in configs {
            self.put(key, config);
        }
        self.len()
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

pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<(KeyParts<'_>, Config)>, SnapshotError> {
    let mut reader = Reader::new(bytes, Content::Configs)?;
    let count = reader.count(CONFIG_BYTES_MIN)?;
    let mut configs = Vec::new();
    for _ in 0..count {
        let key = (reader.text("namespace")?, reader.text("group")?, reader.text("data id")?);
        configs.push((key, decode_config(&mut reader)?));
    }
    reader.finish()?;
    Ok(configs)
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
