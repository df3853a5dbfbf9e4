//! The metadata of one instance, and the reserved keys in it.

use crate::limits::{BEAT_INTERVAL_MS_DEFAULT, BEAT_TIMEOUT_MS_DEFAULT, DELETE_TIMEOUT_MS_DEFAULT};
use std::fmt;

/// How often the client means to beat, in milliseconds.
pub const BEAT_INTERVAL_KEY: &str = "preserved.heart.beat.interval";
/// After how long a silence an instance is unhealthy, in milliseconds.
pub const BEAT_TIMEOUT_KEY: &str = "preserved.heart.beat.timeout";
/// After how long a silence an instance is removed, in milliseconds.
pub const DELETE_TIMEOUT_KEY: &str = "preserved.ip.delete.timeout";
/// Which generator made the instance id.
pub const ID_GENERATOR_KEY: &str = "preserved.instance.id.generator";
/// `true` keeps an instance that never beats; in the metadata of a service, all of its instances.
pub const CLIENT_BEAT_KEY: &str = "enableClientBeat";

/// Pairs of text, sorted by key with each key once, so that equal maps are equal values however they were sent.
///
/// All of it lies in one allocation, each text behind its length: a map of its own per instance would double the
/// memory of an instance. Reading runs through it, which for the few pairs of an instance is as fast as a search.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Metadata(Box<[u8]>);

impl Metadata {
    /// The pairs in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            Some((take_text(&mut rest), take_text(&mut rest)))
        })
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(of, _)| *of == key).map(|(_, value)| value)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one encoding that equal metadata has and no other.
    pub(super) fn canonical(&self) -> &[u8] {
        &self.0
    }

    /// Milliseconds between beats, as the client asked or the default.
    pub fn beat_interval_ms(&self) -> u64 {
        self.own_beat_interval_ms().unwrap_or(BEAT_INTERVAL_MS_DEFAULT)
    }

    /// Milliseconds between beats, if the client asked for some.
    pub fn own_beat_interval_ms(&self) -> Option<u64> {
        self.number(BEAT_INTERVAL_KEY)
    }

    /// Milliseconds of silence after which the instance is unhealthy.
    pub fn beat_timeout_ms(&self) -> u64 {
        self.number(BEAT_TIMEOUT_KEY).unwrap_or(BEAT_TIMEOUT_MS_DEFAULT)
    }

    /// Milliseconds of silence after which the instance is removed.
    pub fn delete_timeout_ms(&self) -> u64 {
        self.number(DELETE_TIMEOUT_KEY).unwrap_or(DELETE_TIMEOUT_MS_DEFAULT)
    }

    /// Whether the instance stays although nobody beats for it.
    pub fn skips_beat_check(&self) -> bool {
        self.get(CLIENT_BEAT_KEY).is_some_and(is_true)
    }

    /// A value of decimal digits only; anything else counts as absent, as in the existing server.
    fn number(&self, key: &str) -> Option<u64> {
        let value = self.get(key)?;
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        // Clients read these as signed 64-bit numbers.
        if digits { value.parse::<i64>().ok().map(i64::unsigned_abs) } else { None }
    }
}

/// How flags are read.
pub(super) fn is_true(value: &str) -> bool {
    value.eq_ignore_ascii_case("true")
}

/// Appends a text behind its length: seven bits a byte, the lowest first, the last byte below 128.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    while length >= 0x80 {
        // The low seven bits: truncation is meant.
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(text.as_bytes());
}

/// Takes off what `put_text` appended.
fn take_text<'a>(rest: &mut &'a [u8]) -> &'a str {
    let (mut length, mut shift) = (0, 0);
    while let Some((byte, after)) = rest.split_first() {
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        *rest = after;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (text, after) = rest.split_at(length);
    *rest = after;
    std::str::from_utf8(text).expect("it was made from text")
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Metadata {
    /// Of a key given twice, the last value counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<(K, V)> = pairs.into_iter().collect();
        // Sorting keeps the order among equal keys; reversing first makes the last of them come first.
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        pairs.dedup_by(|later, first| later.0.as_ref() == first.0.as_ref());
        let mut encoded = Vec::new();
        for text in pairs.iter().flat_map(|(key, value)| [key.as_ref(), value.as_ref()]) {
            put_text(&mut encoded, text);
        }
        Self(encoded.into())
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_sent_does_not_matter_and_the_last_value_counts() {
        let one = Metadata::from_iter([("b", "2"), ("a", "old"), ("a", "1"), ("", "")]);
        let other = Metadata::from_iter([("a", "1"), ("", ""), ("b", "2")]);
        assert_eq!(one, other);
        assert_eq!(one.iter().collect::<Vec<_>>(), [("", ""), ("a", "1"), ("b", "2")]);
        assert_eq!((one.get("a"), one.get("b"), one.get(""), one.get("c")), (Some("1"), Some("2"), Some(""), None));
        assert!(Metadata::default().is_empty() && Metadata::default().get("").is_none());
    }

    #[test]
    fn pairs_that_only_join_to_the_same_text_differ() {
        assert_ne!(Metadata::from_iter([("ab", "c")]), Metadata::from_iter([("a", "bc")]));
    }

    #[test]
    fn texts_of_any_length_come_back() {
        let value = |length| "v".repeat(length);
        let lengths = [0, 1, 127, 128, 129, 16_383, 16_384, 3_000_000];
        let metadata = Metadata::from_iter(lengths.map(|length| (format!("{length:08}"), value(length))));
        let found: Vec<_> = metadata.iter().map(|(_, value)| value.len()).collect();
        assert_eq!(found, lengths);
        assert_eq!(metadata.get("00000128"), Some(&*value(128)));
    }

    #[test]
    fn reserved_numbers_count_only_if_they_are_numbers() {
        let metadata = |key, value| Metadata::from_iter([(key, value)]);
        assert_eq!(metadata(BEAT_INTERVAL_KEY, "700").beat_interval_ms(), 700);
        assert_eq!(metadata(BEAT_TIMEOUT_KEY, "900").beat_timeout_ms(), 900);
        assert_eq!(metadata(DELETE_TIMEOUT_KEY, "0").delete_timeout_ms(), 0);
        for bad in ["", "+5", "-5", "5s", "1.0", "99999999999999999999"] {
            assert_eq!(metadata(BEAT_INTERVAL_KEY, bad).beat_interval_ms(), 5_000, "{bad}");
        }
        assert!(metadata(CLIENT_BEAT_KEY, "True").skips_beat_check());
        assert!(!metadata(CLIENT_BEAT_KEY, "yes").skips_beat_check());
    }
}
