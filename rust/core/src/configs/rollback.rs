//! A config is taken back to what it was before one of its events.

use super::{Change, Config, Configs, KeyParts, Md5, OverQuota, Removal, StoredConfig};
use std::sync::Arc;

/// What a rollback led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolledBack {
    /// What was there before is there again; whether its md5 is another than that of what was there last.
    Stored { md5: Md5, changed: bool },
    /// Nothing was there before, so it is removed; whether there was anything to remove.
    Removed { changed: bool },
}

/// Why a config cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollbackRefused {
    #[error("certain config history for nid = {0} not exist")]
    Unknown(u64),
    #[error("the event {0} happened to another config")]
    OtherKey(u64),
    #[error("the event {0} happened to a gray release, which is published or removed instead")]
    Gray(u64),
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
}

impl Configs {
    /// Makes the config what it was before the event: with all its attributes, or removed if it was not there. It is
    /// done `by` somebody, as a publication or removal of now.
    ///
    /// # Errors
    /// If that is not one of the events of this key that are remembered, or there is no room for one more config. How
    /// large it may be does not count: it was there before.
    pub fn roll_back(&mut self, key: KeyParts<'_>, id: u64, by: Removal) -> Result<RolledBack, RollbackRefused> {
        let (of, event) = self.event(id).ok_or(RollbackRefused::Unknown(id))?;
        if !of.is(key) {
            return Err(RollbackRefused::OtherKey(id));
        }
        if event.gray.is_some() {
            return Err(RollbackRefused::Gray(id));
        }
        let before = match &event.change {
            Change::Inserted(_) => None,
            Change::Updated(before, _) | Change::Removed(before, _) => Some(Arc::clone(before)),
        };
        let Some(before) = before else {
            return Ok(RolledBack::Removed { changed: self.remove(key, by).is_some() });
        };
        let config = Config {
            create_user: by.source_user,
            create_ip: by.source_ip,
            created_ms: by.stamped_ms,
            modified_ms: by.stamped_ms,
            ..Config::clone(&before)
        };
        let last = self.get(key).map(StoredConfig::digest);
        if last.is_none() {
            self.check_room(key)?;
        }
        let md5 = self.put(key, config);
        Ok(RolledBack::Stored { md5, changed: last != Some(md5) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const KEY: KeyParts<'static> = ("public", "G", "a.yaml");

    fn filled() -> Configs {
        let mut configs = Configs::new([7; 16]);
        for (at_ms, content) in [(1, "1"), (2, "2")] {
            let content = Bytes::copy_from_slice(content.as_bytes());
            let tags = Some(format!("t{at_ms}").into());
            let create_user = Some("ann".into());
            configs.put(KEY, Config { content, tags, create_user, modified_ms: at_ms, ..Config::default() });
        }
        configs.remove(KEY, by(3));
        configs
    }

    fn by(stamped_ms: u64) -> Removal {
        Removal { source_user: Some("bob".into()), source_ip: Some("10.0.0.1".into()), stamped_ms }
    }

    fn stored(content: &str, changed: bool) -> Result<RolledBack, RollbackRefused> {
        Ok(RolledBack::Stored { md5: Md5::of(content.as_bytes()), changed })
    }

    #[test]
    fn a_config_is_again_what_it_was_before_an_event() {
        let mut configs = filled();
        assert_eq!(configs.roll_back(KEY, 3, by(4)), stored("2", true), "it was removed");
        assert_eq!(configs.roll_back(KEY, 3, by(4)), stored("2", false), "it is there already");
        assert_eq!(configs.roll_back(KEY, 2, by(5)), stored("1", true));
        let config = configs.get(KEY).unwrap();
        assert_eq!((&config.content[..], config.tags.as_deref()), (&b"1"[..], Some("t1")));
        assert_eq!((config.create_user.as_deref(), config.create_ip.as_deref()), (Some("bob"), Some("10.0.0.1")));
        assert_eq!((config.created_ms, config.modified_ms), (4, 5));
        assert_eq!(configs.roll_back(KEY, 1, by(6)), Ok(RolledBack::Removed { changed: true }));
        assert_eq!(configs.roll_back(KEY, 1, by(7)), Ok(RolledBack::Removed { changed: false }));
        let operations: Vec<_> = configs.history(KEY).iter().map(|event| event.operation()).collect();
        assert_eq!(operations, ["I", "U", "D", "I", "U", "D"], "a rollback is an event, too");
        assert_eq!(configs.roll_back(KEY, 5, by(8)), stored("2", true), "and can be taken back");
    }

    #[test]
    fn what_did_not_happen_to_it_is_refused() {
        let mut configs = filled();
        let before = configs.history(KEY).len();
        assert_eq!(configs.roll_back(KEY, 9, by(4)), Err(RollbackRefused::Unknown(9)));
        let other = ("public", "G", "other");
        assert_eq!(configs.roll_back(other, 2, by(4)), Err(RollbackRefused::OtherKey(2)));
        assert_eq!((configs.history(KEY).len(), configs.get(KEY)), (before, None));
    }
}
