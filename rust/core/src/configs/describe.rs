//! What is said about a config changes, and its content does not.

use super::{Config, Configs, KeyParts, Removal, StoredConfig};

impl Configs {
    /// Sets description and tags of a config, as a change `by` somebody: its content and md5 stay. None leaves one as it
    /// is, an empty text takes it away. Whether there is such a config.
    pub fn describe(&mut self, key: KeyParts<'_>, description: Option<&str>, tags: Option<&str>, by: Removal) -> bool {
        let Some((id, config)) = self.find(key).and_then(|id| Some((id, self.entries[id as usize].config.clone()?)))
        else {
            return false;
        };
        let told = |given: Option<&str>, before: &Option<Box<str>>| match given {
            None => before.clone(),
            Some(given) => (!given.is_empty()).then(|| given.into()),
        };
        let described = Config {
            description: told(description, &config.description),
            tags: told(tags, &config.tags),
            create_user: by.source_user,
            create_ip: by.source_ip,
            modified_ms: by.stamped_ms,
            ..Config::clone(&config)
        };
        self.store(id, StoredConfig::new(described));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const KEY: KeyParts<'static> = ("public", "G", "a.yaml");

    fn by(stamped_ms: u64) -> Removal {
        Removal { source_user: Some("bob".into()), source_ip: Some("10.0.0.1".into()), stamped_ms }
    }

    fn said(configs: &Configs) -> (Option<&str>, Option<&str>) {
        let config = configs.get(KEY).unwrap();
        (config.description.as_deref(), config.tags.as_deref())
    }

    #[test]
    fn description_and_tags_change_and_nothing_else() {
        let mut configs = Configs::new([7; 16]);
        let app_name = "shop".into();
        configs.put(KEY, Config { content: Bytes::from_static(b"1"), app_name, created_ms: 1, ..Config::default() });
        let md5 = configs.md5_of(KEY).to_owned();
        assert!(configs.describe(KEY, Some("what for"), None, by(2)));
        assert_eq!(said(&configs), (Some("what for"), None));
        assert!(configs.describe(KEY, None, Some("a,b"), by(3)));
        assert_eq!(said(&configs), (Some("what for"), Some("a,b")), "what is not named stays");
        assert!(configs.describe(KEY, Some(""), None, by(4)));
        assert_eq!(said(&configs), (None, Some("a,b")));
        let config = configs.get(KEY).unwrap();
        assert_eq!((&config.content[..], config.md5(), &*config.app_name), (&b"1"[..], &*md5, "shop"));
        assert_eq!((config.created_ms, config.modified_ms, config.create_user.as_deref()), (1, 4, Some("bob")));
        let operations: Vec<_> = configs.history(KEY).iter().map(|event| event.operation()).collect();
        assert_eq!(operations, ["I", "U", "U", "U"], "each of them can be taken back");
    }

    #[test]
    fn what_is_not_there_is_not_described() {
        let mut configs = Configs::new([7; 16]);
        assert!(!configs.describe(KEY, Some("what for"), None, by(1)));
        configs.put(KEY, Config::default());
        configs.remove(KEY, Removal::default());
        assert!(!configs.describe(KEY, Some("what for"), None, by(2)));
        assert_eq!((configs.len(), configs.history(KEY).len()), (0, 2));
    }
}
