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
/// `true` keeps an instance that never beats.
pub const CLIENT_BEAT_KEY: &str = "enableClientBeat";

/// Pairs of text, sorted by key with each key once, so that equal maps are equal values however they were sent.
///
/// All text lies in one allocation, its borders in another: a map of its own per instance would double its memory.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    text: Box<str>,
    ends: Box<[u32]>,
}

impl Metadata {
    /// The pairs in order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        (0..self.len()).map(|pair| (self.part(2 * pair), self.part(2 * pair + 1)))
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.part(2 * middle).cmp(key) {
                std::cmp::Ordering::Equal => return Some(self.part(2 * middle + 1)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// How many pairs.
    pub fn len(&self) -> usize {
        self.ends.len() / 2
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Milliseconds between beats, as the client asked or the default.
    pub fn beat_interval_ms(&self) -> u64 {
        self.number(BEAT_INTERVAL_KEY).unwrap_or(BEAT_INTERVAL_MS_DEFAULT)
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
        self.get(CLIENT_BEAT_KEY).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A value of decimal digits only; anything else counts as absent, as in the existing server.
    fn number(&self, key: &str) -> Option<u64> {
        let value = self.get(key)?;
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        // Clients read these as signed 64-bit numbers.
        if digits { value.parse::<i64>().ok().map(i64::unsigned_abs) } else { None }
    }

    fn part(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start as usize..self.ends[index] as usize]
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Metadata {
    /// Of a key given twice, the last value counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<(K, V)> = pairs.into_iter().collect();
        // Sorting keeps the order among equal keys; reversing first makes the last of them come first.
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        pairs.dedup_by(|later, first| later.0.as_ref() == first.0.as_ref());
        let mut text = String::with_capacity(pairs.iter().map(|(k, v)| k.as_ref().len() + v.as_ref().len()).sum());
        let mut ends = Vec::with_capacity(2 * pairs.len());
        for part in pairs.iter().flat_map(|(key, value)| [key.as_ref(), value.as_ref()]) {
            text.push_str(part);
            ends.push(u32::try_from(text.len()).expect("a request is shorter than 4 GiB"));
        }
        Self { text: text.into(), ends: ends.into() }
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
