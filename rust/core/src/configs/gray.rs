//! Gray releases: versions of a config for some of its clients, beside the formal one for all others (docs/gray.md,
//! protocol/semantics.md section 4.1).

use super::{Asker, Change, Config, Configs, Entry, KeyParts, Md5, OverQuota, Removal, Rule, StoredConfig};
use crate::limits::GRAYS_PER_CONFIG_COUNT_MAX;
use std::cmp::Reverse;
use std::sync::Arc;

/// What a gray release is called and who gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Unique among those of a config.
    pub name: Box<str>,
    /// Of several releases that a client could get, it gets the one with the highest; of equal ones the first by name.
    pub priority: u32,
    pub rule: Rule,
}

/// A gray release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gray {
    /// Shared with what happened to it.
    pub terms: Arc<Terms>,
    pub version: Arc<StoredConfig>,
}

/// The gray releases of one config in the order in which they are tried; shared with what was frozen for a snapshot.
pub(super) type Grays = Arc<Vec<Gray>>;

/// One publication of a gray release.
#[derive(Debug)]
pub struct GrayPublication<'a> {
    pub key: KeyParts<'a>,
    pub terms: Terms,
    /// An empty type is that of the formal version.
    pub config: Config,
    /// Not empty: only over a release of this name and md5. Where there is none, it does not count.
    pub cas_md5: &'a str,
}

/// Why a gray release is not published, or not promoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrayRefused {
    #[error("the gray release has another md5 than the one named")]
    Differs,
    #[error("the configuration has {GRAYS_PER_CONFIG_COUNT_MAX} gray releases, and may not have more")]
    TooMany,
    #[error("there is no gray release '{0}' of this configuration")]
    Absent(String),
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
}

/// What a client gets.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub config: &'a Arc<StoredConfig>,
    /// None: the formal version.
    pub gray: Option<&'a Gray>,
}

impl Gray {
    /// Whether it goes to addresses.
    pub fn is_beta(&self) -> bool {
        self.terms.rule.kind() == "beta"
    }

    /// The tag that it goes to.
    pub fn tag(&self) -> Option<&str> {
        (self.terms.rule.kind() == "tag").then(|| self.terms.rule.text())
    }

    /// Releases are tried in this order.
    pub(super) fn place(&self) -> (Reverse<u32>, &str) {
        (Reverse(self.terms.priority), &self.terms.name)
    }
}

impl Configs {
    /// Stores a gray release, over the one of the same name if there is one. Returns its md5.
    ///
    /// # Errors
    /// If what is there speaks against it; nothing has changed then.
    pub fn publish_gray(&mut self, publication: GrayPublication<'_>) -> Result<Md5, GrayRefused> {
        let GrayPublication { key, terms, mut config, cas_md5 } = publication;
        let found = self.find(key);
        let grays = found.map_or(&[][..], |id| self.entries[id as usize].grays());
        let before = grays.iter().find(|gray| gray.terms.name == terms.name).cloned();
        match &before {
            Some(before) if !cas_md5.is_empty() && before.version.md5() != cas_md5 => return Err(GrayRefused::Differs),
            None if grays.len() >= GRAYS_PER_CONFIG_COUNT_MAX => return Err(GrayRefused::TooMany),
            _ => self.check_size(key, &config.content)?,
        }
        let id = found.unwrap_or_else(|| self.insert(key));
        if config.kind.is_empty() {
            let formal = self.entries[id as usize].config.as_ref();
            config.kind = formal.map_or_else(|| "text".into(), |formal| formal.kind.clone());
        }
        let config = StoredConfig::new(config);
        let md5 = config.digest();
        let (version, change) = match before {
            Some(before) => {
                let version = Arc::new(config.succeeding(&before.version));
                let is_same = version.says_the_same(&before.version) && *before.terms == terms;
                (Arc::clone(&version), (!is_same).then(|| Change::Updated(before.version, version)))
            }
            None => {
                self.gray_count += 1;
                let version = Arc::new(config.with_id(self.next_event_id()));
                (Arc::clone(&version), Some(Change::Inserted(version)))
            }
        };
        let terms = Arc::new(terms);
        self.entries[id as usize].set_gray(Gray { terms: Arc::clone(&terms), version });
        if let Some(change) = change {
            self.record_of(id, change, Some(terms));
        }
        Ok(md5)
    }

    /// Removes a gray release; whether there was one. Its clients get what they would get without it.
    pub fn remove_gray(&mut self, key: KeyParts<'_>, name: &str, removal: Removal) -> bool {
        let Some(id) = self.find(key) else { return false };
        let Some(removed) = self.entries[id as usize].take_gray(name) else { return false };
        self.gray_count -= 1;
        self.record_of(id, Change::Removed(removed.version, Box::new(removal)), Some(removed.terms));
        true
    }

    /// Makes what a gray release holds the formal version, for all clients, and removes the release. The other
    /// attributes of the formal version stay. Returns the md5.
    ///
    /// # Errors
    /// If there is no such release, or `cas_md5` is not empty and not its md5, or there is no room for one more config;
    /// nothing has changed then.
    pub fn promote_gray(
        &mut self,
        key: KeyParts<'_>,
        name: &str,
        cas_md5: &str,
        by: Removal,
    ) -> Result<Md5, GrayRefused> {
        let found = self.grays(key).iter().find(|gray| *gray.terms.name == *name);
        let gray = found.cloned().ok_or_else(|| GrayRefused::Absent(name.to_owned()))?;
        if !cas_md5.is_empty() && gray.version.md5() != cas_md5 {
            return Err(GrayRefused::Differs);
        }
        let before = self.get(key);
        if before.is_none() {
            self.check_room(key)?;
        }
        let formal: &Config = before.map_or(&gray.version, |before| before);
        let config = Config {
            content: gray.version.content.clone(),
            kind: gray.version.kind.clone(),
            encrypted_data_key: gray.version.encrypted_data_key.clone(),
            create_user: by.source_user.clone(),
            create_ip: by.source_ip.clone(),
            created_ms: by.stamped_ms,
            modified_ms: by.stamped_ms,
            ..formal.clone()
        };
        let md5 = self.put(key, config);
        self.remove_gray(key, name, by);
        Ok(md5)
    }

    /// The gray releases of a config in the order in which they are tried.
    pub fn grays(&self, key: KeyParts<'_>) -> &[Gray] {
        self.find(key).map_or(&[], |id| self.entries[id as usize].grays())
    }

    /// How many gray releases all configs have.
    pub fn gray_count(&self) -> usize {
        self.gray_count
    }

    /// What a client gets of a config. `by_tag`: it asks for its tag, and for nothing if that has no release. Who it is is
    /// asked only where it matters, since nearly all configs have no gray release.
    pub fn config_for<'a>(
        &self,
        key: KeyParts<'_>,
        by_tag: bool,
        who: impl FnOnce() -> Asker<'a>,
    ) -> Option<Answer<'_>> {
        self.entries[self.find(key)? as usize].answer_for(by_tag, who)
    }

    /// The md5 of what a client gets, empty if that is nothing.
    pub fn md5_for<'a>(&self, key: KeyParts<'_>, who: impl FnOnce() -> Asker<'a>) -> &str {
        self.config_for(key, false, who).map_or("", |answer| answer.config.md5())
    }
}

impl Entry {
    pub(super) fn grays(&self) -> &[Gray] {
        self.grays.as_ref().map_or(&[], |grays| grays)
    }

    pub(super) fn answer_for<'a>(&self, by_tag: bool, who: impl FnOnce() -> Asker<'a>) -> Option<Answer<'_>> {
        let gray = self.grays.as_ref().and_then(|grays| {
            let who = who();
            grays.iter().find(|gray| gray.terms.rule.takes(self.key.parts(), &who))
        });
        match gray {
            Some(gray) => Some(Answer { config: &gray.version, gray: Some(gray) }),
            None if by_tag => None,
            None => self.config.as_ref().map(|config| Answer { config, gray: None }),
        }
    }

    fn set_gray(&mut self, gray: Gray) {
        let grays = Arc::make_mut(self.grays.get_or_insert_default());
        grays.retain(|other| other.terms.name != gray.terms.name);
        let at = grays.partition_point(|other| other.place() < gray.place());
        grays.insert(at, gray);
    }

    fn take_gray(&mut self, name: &str) -> Option<Gray> {
        let grays = Arc::make_mut(self.grays.as_mut()?);
        let at = grays.iter().position(|gray| *gray.terms.name == *name)?;
        let taken = grays.remove(at);
        if grays.is_empty() {
            self.grays = None;
        }
        Some(taken)
    }
}
