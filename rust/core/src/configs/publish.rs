//! Publications as the log holds them: some only if nothing is there, or only over what they name.

use super::{Config, Configs, KeyParts, Md5, OverQuota, StoredConfig};

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
    /// Stores the config, unless what is there speaks against it (protocol/semantics.md section 4).
    pub fn publish(&mut self, publication: Publication<'_>) -> Published {
        let Publication { key, config, cas_md5, create_only } = publication;
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
        let id = found.unwrap_or_else(|| self.insert(key));
        let md5 = self.store(id, StoredConfig::new(config)).digest();
        Published::Stored { md5, changed: before != Some(md5) }
    }
}
