//! Order-independent digests of sets of instances.
//!
//! A digest is the sum modulo 2^128 of a keyed hash (SipHash-2-4 with 128-bit output) of each member's canonical
//! encoding. Sums make a change O(1) and the order irrelevant; unlike XOR they count a member that is there twice;
//! the secret key keeps a registrant from choosing members whose hashes cancel.

use super::model::Instance;
use siphasher::sip128::SipHasher24;
use std::iter::Sum;
use std::ops::{Add, Sub};

/// A hash of one member or the sum of many. Two halves, because a `u128` would align every instance to 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Digest([u64; 2]);

impl Digest {
    pub(super) fn to_u128(self) -> u128 {
        u128::from(self.0[0]) << 64 | u128::from(self.0[1])
    }

    pub(super) const fn from_u128(value: u128) -> Self {
        // The two halves: truncation is meant.
        Self([(value >> 64) as u64, value as u64])
    }
}

impl Add for Digest {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::from_u128(self.to_u128().wrapping_add(other.to_u128()))
    }
}

impl Sub for Digest {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::from_u128(self.to_u128().wrapping_sub(other.to_u128()))
    }
}

impl Sum for Digest {
    fn sum<I: Iterator<Item = Self>>(digests: I) -> Self {
        digests.fold(Self::default(), Add::add)
    }
}

/// Hashes members under the cluster's key.
#[derive(Debug)]
pub(super) struct Digester {
    hasher: SipHasher24,
    scratch: Vec<u8>,
}

impl Digester {
    pub(super) fn new(key: &[u8; 16]) -> Self {
        Self { hasher: SipHasher24::new_with_key(key), scratch: Vec::new() }
    }

    /// Everything of the instance that a client can see.
    pub(super) fn instance(&mut self, instance: &Instance) -> Digest {
        self.scratch.clear();
        encode(&mut self.scratch, instance);
        self.bytes(&self.scratch)
    }

    /// The key of a service, hashed once and kept.
    pub(super) fn service(&mut self, (namespace, group, name): (&str, &str, &str)) -> Digest {
        self.scratch.clear();
        for part in [namespace, group, name] {
            text(&mut self.scratch, part);
        }
        self.bytes(&self.scratch)
    }

    /// What a publisher has in one service: which service, how many instances, and their sum.
    pub(super) fn publication(&self, service: Digest, count: usize, sum: Digest) -> Digest {
        let mut record = [0; 40];
        record[..16].copy_from_slice(&service.to_u128().to_le_bytes());
        record[16..32].copy_from_slice(&sum.to_u128().to_le_bytes());
        record[32..].copy_from_slice(&(count as u64).to_le_bytes());
        self.bytes(&record)
    }

    /// The protection threshold of a service, which is part of what its list shows.
    pub(super) fn threshold(&self, threshold: f64) -> Digest {
        self.bytes(&threshold.to_bits().to_le_bytes())
    }

    /// Of whatever `write` writes.
    pub(super) fn written(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Digest {
        self.scratch.clear();
        write(&mut self.scratch);
        self.bytes(&self.scratch)
    }

    pub(super) fn bytes(&self, bytes: &[u8]) -> Digest {
        let hash = self.hasher.hash(bytes);
        Digest([hash.h1, hash.h2])
    }
}

/// The canonical encoding: every text with its length before it, so that no two instances encode alike.
fn encode(out: &mut Vec<u8>, instance: &Instance) {
    let flags = [instance.healthy, instance.enabled, instance.ephemeral, instance.instance_id.is_some()];
    out.push(flags.into_iter().fold(0, |bits, flag| bits << 1 | u8::from(flag)));
    out.extend_from_slice(&instance.port.to_le_bytes());
    out.extend_from_slice(&instance.weight.to_bits().to_le_bytes());
    text(out, &instance.ip);
    text(out, instance.cluster.as_str());
    text(out, instance.instance_id.as_deref().unwrap_or_default());
    out.extend_from_slice(instance.metadata.canonical());
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Metadata;

    fn digest(key: u8, instance: &Instance) -> Digest {
        Digester::new(&[key; 16]).instance(instance)
    }

    #[test]
    fn duplicates_do_not_cancel_and_order_does_not_matter() {
        let [a, b] = [1, 2].map(|port| digest(7, &Instance::new("10.0.0.1", port)));
        assert_ne!(a + a, Digest::default());
        assert_ne!(a + a, a);
        assert_ne!(a + a + b, b);
        assert_eq!([a, b, a].into_iter().sum::<Digest>(), [b, a, a].into_iter().sum());
        assert_eq!(a + b - a, b);
        assert_eq!(Digest::from_u128(0) - a + a, Digest::default());
    }

    #[test]
    fn the_key_changes_every_digest() {
        let instance = Instance::new("10.0.0.1", 80);
        assert_ne!(digest(1, &instance), digest(2, &instance));
        let service = |key| Digester::new(&[key; 16]).service(("public", "g", "s"));
        assert_ne!(service(1), service(2));
    }

    #[test]
    fn every_field_counts() {
        let base = Instance::new("10.0.0.1", 80);
        let changes: [fn(&mut Instance); 11] = [
            |i| i.ip = "10.0.0.2".into(),
            |i| i.port = 81,
            |i| i.weight = 2.0,
            |i| i.healthy = false,
            |i| i.enabled = false,
            |i| i.ephemeral = false,
            |i| i.cluster = "c".into(),
            |i| i.instance_id = Some("".into()),
            |i| i.instance_id = Some("x".into()),
            |i| i.metadata = Metadata::from_iter([("a", "b")]),
            |i| i.metadata = Metadata::from_iter([("", "ab")]),
        ];
        let mut seen = vec![digest(7, &base)];
        for change in changes {
            let mut changed = base.clone();
            change(&mut changed);
            seen.push(digest(7, &changed));
        }
        let different: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(different.len(), seen.len());
    }

    #[test]
    fn a_publication_depends_on_its_service_and_its_count() {
        let mut digester = Digester::new(&[7; 16]);
        let [one, other] = ["s", "t"].map(|name| digester.service(("public", "g", name)));
        let sum = digest(7, &Instance::new("10.0.0.1", 80));
        assert_ne!(digester.publication(one, 1, sum), digester.publication(other, 1, sum));
        assert_ne!(digester.publication(one, 1, sum), digester.publication(one, 2, sum));
        assert_ne!(digester.publication(one, 0, Digest::default()), Digest::default());
    }
}
