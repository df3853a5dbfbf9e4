//! A config and its md5.

use bytes::Bytes;
use md5::{Digest as _, Md5 as Md5Hasher};
use std::fmt;
use std::ops::Deref;

/// A config as published. The content is opaque here: text by protocol, checked by the caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// What clients get. Shared, so that answers need no copy.
    pub content: Bytes,
    /// The format by name (`text`, `yaml`, ...), not a MIME type.
    pub kind: Box<str>,
    /// Stored and returned as given.
    pub encrypted_data_key: Box<str>,
    /// The application that it belongs to.
    pub app_name: Box<str>,
    /// Comma list.
    pub tags: Option<Box<str>>,
    /// What it is for.
    pub description: Option<Box<str>>,
    /// How it is used.
    pub usage: Option<Box<str>>,
    /// What it affects.
    pub effect: Option<Box<str>>,
    /// The schema of its content.
    pub schema: Option<Box<str>>,
    /// Who created it.
    pub create_user: Option<Box<str>>,
    /// The address that created it.
    pub create_ip: Option<Box<str>>,
    /// Wall time of its creation; a publication over an existing config does not change it.
    pub created_ms: u64,
    /// Wall time of its last publication.
    pub modified_ms: u64,
}

/// An md5 in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Md5([u8; 32]);

impl Md5 {
    /// The md5 of `content`.
    pub fn of(content: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 32];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(Md5Hasher::digest(content)) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        Self(hex)
    }

    /// As clients compare it.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A config in the store, with the md5 of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConfig {
    config: Config,
    md5: Md5,
    id: u64,
}

impl StoredConfig {
    pub(super) fn new(config: Config) -> Self {
        let md5 = Md5::of(&config.content);
        Self { config, md5, id: 0 }
    }

    /// The same with this id.
    pub(super) fn with_id(self, id: u64) -> Self {
        Self { id, ..self }
    }

    /// The same as the next version of another one: its id and time of creation stay, and equal contents become one.
    pub(super) fn succeeding(mut self, before: &Self) -> Self {
        self.id = before.id;
        self.config.created_ms = before.config.created_ms;
        if self.has_content_of(before) {
            self.config.content = before.config.content.clone();
        }
        self
    }

    pub(super) fn has_content_of(&self, other: &Self) -> bool {
        self.md5 == other.md5 && self.config.content == other.config.content
    }

    /// Whether only who published it, and when, may be different.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let Config { content: _, kind, encrypted_data_key, app_name, tags, description, usage, effect, schema, .. } =
            &self.config;
        self.has_content_of(other)
            && *kind == other.config.kind
            && *encrypted_data_key == other.config.encrypted_data_key
            && *app_name == other.config.app_name
            && (tags, description, usage) == (&other.config.tags, &other.config.description, &other.config.usage)
            && (effect, schema) == (&other.config.effect, &other.config.schema)
    }

    /// Given when it was created: the id of that event. It stays until the config is removed.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn digest(&self) -> Md5 {
        self.md5
    }

    /// The md5 of the content as stored, computed once.
    pub fn md5(&self) -> &str {
        self.md5.as_str()
    }
}

impl Deref for StoredConfig {
    type Target = Config;
    fn deref(&self) -> &Config {
        &self.config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_is_what_the_recorded_answers_show() {
        assert_eq!(Md5::of(b"a: 1").as_str(), "270f9e65a80226eccd82c99cdd0dd2fb");
        assert_eq!(Md5::of(b"a: 2").as_str(), "9de2a49d06deb9c0194660123ef188d8");
    }
}
