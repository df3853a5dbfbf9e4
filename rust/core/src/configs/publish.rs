//! Publications as the log holds them: some only if nothing is there, or only over what they name.
//!
//! A publication is the whole configuration: attributes that it leaves out are gone (protocol/semantics.md section 4). Only
//! a schema stays unless it is said to be empty, because clients that know of none would take it away with each content that
//! it is there to check; and the type with it, if they name none but the default one.

use super::{Config, Configs, KeyParts, Md5, OverQuota, StoredConfig};

/// What clients send that name no type.
const DEFAULT_KIND: &str = "text";

/// One publication.
#[derive(Debug)]
pub struct Publication<'a> {
    pub key: KeyParts<'a>,
    pub config: Config,
    /// Not empty: only over a config of this md5. Where there is none, it does not count.
    pub cas_md5: &'a str,
    /// Only if there is none.
    pub create_only: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// It is stored; whether its md5 is another than that of what was there.
    Stored { md5: Md5, changed: bool },
    /// There is one already.
    Exists,
    /// What is there has another md5 than the one named.
    Differs,
    /// There would be too much.
    OverQuota(OverQuota),
}

impl Configs {
    /// The type and the schema that a publication of this type keeps if it says nothing of a schema; `None`: there is none.
    pub fn kept_schema<'a>(&'a self, key: KeyParts<'_>, kind: &'a str) -> Option<(&'a str, &'a str)> {
        let before = self.get(key)?;
        let schema = before.schema.as_deref()?;
        Some((if kind == DEFAULT_KIND { &before.kind } else { kind }, schema))
    }

    /// Stores the config, unless what is there speaks against it (protocol/semantics.md section 4).
    pub fn publish(&mut self, publication: Publication<'_>) -> Published {
        let Publication { key, mut config, cas_md5, create_only } = publication;
        let found = self.find(key);
        let before = found.and_then(|id| self.entries[id as usize].config.as_ref()).map(|before| before.digest());
        if before.is_some() && create_only {
            return Published::Exists;
        }
        if before.is_some_and(|before| !cas_md5.is_empty() && before.as_str() != cas_md5) {
            return Published::Differs;
        }
        let room = if before.is_none() { self.check_room(key) } else { Ok(()) };
        if let Err(over) = room.and_then(|()| self.check_size(key, &config.content)) {
            return Published::OverQuota(over);
        }
        match config.schema.as_deref() {
            None => {
                if let Some((kind, schema)) = self.kept_schema(key, &config.kind) {
                    (config.kind, config.schema) = (kind.into(), Some(schema.into()));
                }
            }
            Some("") => config.schema = None,
            Some(_) => (),
        }
        let id = found.unwrap_or_else(|| self.insert(key));
        let md5 = self.store(id, StoredConfig::new(config)).digest();
        Published::Stored { md5, changed: before != Some(md5) }
    }
}
