//! What names a service or a config: a namespace, a group in it, a name in that.

use siphasher::sip::SipHasher13;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The three parts borrowed, as lookups take them.
pub type KeyParts<'a> = (&'a str, &'a str, &'a str);

/// Namespace, group and name in one shared allocation: cloning costs one counter.
///
/// The text is kept as namespace, then `group@@name`, so that the grouped name that Nacos shows is a slice of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ResourceKey {
    text: Arc<str>,
    namespace_end: u32,
    group_end: u32,
}

/// Between group and name in a grouped name (protocol/semantics.md section 1).
const SEPARATOR: &str = "@@";

impl ResourceKey {
    /// Copies the parts.
    pub fn new((namespace, group, name): KeyParts<'_>) -> Self {
        let mut text = String::with_capacity(namespace.len() + group.len() + SEPARATOR.len() + name.len());
        text.push_str(namespace);
        text.push_str(group);
        text.push_str(SEPARATOR);
        text.push_str(name);
        let end = |length: usize| u32::try_from(length).expect("a request is shorter than 4 GiB");
        let (namespace_end, group_end) = (end(namespace.len()), end(namespace.len() + group.len()));
        Self { text: text.into(), namespace_end, group_end }
    }

    /// The namespace, as the caller normalised it.
    pub fn namespace(&self) -> &str {
        &self.text[..self.namespace_end as usize]
    }

    /// The group.
    pub fn group(&self) -> &str {
        &self.text[self.namespace_end as usize..self.group_end as usize]
    }

    /// The service name or data id.
    pub fn name(&self) -> &str {
        &self.text[self.group_end as usize + SEPARATOR.len()..]
    }

    /// `group@@name`.
    pub fn grouped_name(&self) -> &str {
        &self.text[self.namespace_end as usize..]
    }

    /// The parts, as lookups take them.
    pub fn parts(&self) -> KeyParts<'_> {
        (self.namespace(), self.group(), self.name())
    }

    /// Whether this key is made of exactly these parts.
    pub fn is(&self, parts: KeyParts<'_>) -> bool {
        let (namespace, group, name) = parts;
        same_text(self.name(), name) && same_text(self.group(), group) && same_text(self.namespace(), namespace)
    }
}

impl fmt::Display for ResourceKey {
    /// `namespace@@group@@name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@@{}", self.namespace(), self.grouped_name())
    }
}

impl fmt::Debug for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Ord for ResourceKey {
    /// By namespace, then group, then name.
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for ResourceKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether two texts are equal. Comparing empty ones costs as much as a hash with `==`: the address of an empty `Box` is
/// not a mapped one, and a masked load from there (glibc's `memcmp` with AVX-512, length 0) is rescued by microcode.
pub(crate) fn same_text(one: &str, other: &str) -> bool {
    one.len() == other.len() && (one.is_empty() || one == other)
}

/// Hashes what clients choose. SipHash with a secret key, because a table hashed by a known function can be filled
/// with colliding names by whoever may register one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameHash(SipHasher13);

impl NameHash {
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(key))
    }

    pub(crate) fn of(&self, value: impl Hash) -> u64 {
        let mut hasher = self.0;
        value.hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_and_differently_cut_keys_differ() {
        let key = ResourceKey::new(("public", "DEFAULT_GROUP", "orders"));
        assert_eq!(key.parts(), ("public", "DEFAULT_GROUP", "orders"));
        assert_eq!(key.grouped_name(), "DEFAULT_GROUP@@orders");
        assert_eq!(key.to_string(), "public@@DEFAULT_GROUP@@orders");
        assert_ne!(ResourceKey::new(("a", "bc", "d")), ResourceKey::new(("ab", "c", "d")));
        assert_ne!(ResourceKey::new(("", "a@@b", "c")), ResourceKey::new(("", "a", "b@@c")));
        assert!(!key.is(("public", "DEFAULT_GROUP", "order")));
    }

    #[test]
    fn keys_order_by_part_and_not_by_their_joined_text() {
        let mut keys = [("b", "a", "a"), ("a", "b", "a"), ("a", "a", "b"), ("a", "a", "a")].map(ResourceKey::new);
        keys.sort();
        let names: Vec<_> = keys.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a@@a@@a", "a@@a@@b", "a@@b@@a", "b@@a@@a"]);
        // "aa" + "c" sorts before "a" + "d" as text, and after it by parts.
        assert!(ResourceKey::new(("a", "d", "x")) < ResourceKey::new(("aa", "c", "x")));
    }

    #[test]
    fn texts_are_the_same_only_if_equal() {
        for (one, other, same) in [("", "", true), ("a", "a", true), ("a", "b", false), ("", "a", false)] {
            assert_eq!(same_text(one, other), same);
        }
    }

    #[test]
    fn names_hash_alike_only_under_the_same_key() {
        let (one, other) = (NameHash::new(&[1; 16]), NameHash::new(&[2; 16]));
        assert_eq!(one.of(("a", "b", "c")), one.of(("a", "b", "c")));
        assert_ne!(one.of(("a", "b", "c")), other.of(("a", "b", "c")));
        assert_ne!(one.of(("a", "b", "c")), one.of(("ab", "", "c")));
    }
}
