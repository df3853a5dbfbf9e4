//! Bytes that are no batch, or no longer one.

use super::*;
use crate::limits::{BATCH_INSTANCES_COUNT_MAX, DISTRO_HOLDERS_COUNT_MAX};
use proptest::prelude::*;

const A: (&str, u64) = ("a", 1);

/// A batch with records and removals of both kinds, versions, and keys.
fn samples() -> [Vec<u8>; 3] {
    let mut a = node("a");
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    register(&mut a, 2, "10.0.0.2", NOW_MS);
    beat_first(&mut a, "10.0.0.3", NOW_MS);
    beat_first(&mut a, "10.0.0.4", NOW_MS);
    a.drop_publisher(&Publisher::Connection(2), NOW_MS);
    a.withdraw(&Publisher::address("10.0.0.4", 80, true), KEY, NOW_MS);
    let leaves: Vec<usize> = (0..4096).collect();
    let versions = a.distro_versions(A, &leaves).unwrap();
    let wanted = node("b").distro_differences(A, &leaves, &versions).unwrap().wanted;
    [changes(&mut a), versions, wanted]
}

/// A node that knows something, and all that can be seen of it.
fn target() -> Registry {
    let mut b = node("b");
    register(&mut b, 1, "10.0.0.9", NOW_MS);
    let mut c = node("c");
    beat_first(&mut c, "10.0.0.8", NOW_MS);
    tell(&mut c, &mut b, NOW_MS);
    b
}

fn seen(registry: &Registry) -> (Vec<HolderView>, Option<u128>, Vec<PublisherView>) {
    (registry.distro_holders(), registry.service_digest(KEY), registry.distro_publishers(KEY))
}

/// Gives the bytes to everything that reads bytes: none may panic, and what is refused changes nothing.
fn give(bytes: &[u8]) {
    let mut registry = target();
    let before = seen(&registry);
    let leaves: Vec<usize> = (0..4096).collect();
    if registry.distro_apply(bytes, NOW_MS).is_err() {
        assert_eq!(seen(&registry), before);
    } else {
        registry = target();
    }
    let _ = registry.distro_differences(A, &leaves, bytes);
    let _ = registry.distro_records(A, bytes);
    let _ = registry.distro_load(bytes, 1);
    if registry.distro_drop_surplus(("c", 1), &leaves, bytes, NOW_MS).is_err() {
        assert_eq!(seen(&registry), before);
    }
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    let [batch, versions, wanted] = samples();
    let leaves: Vec<usize> = (0..4096).collect();
    let mut registry = target();
    let before = seen(&registry);
    for length in 0..batch.len() {
        assert!(registry.distro_apply(&batch[..length], NOW_MS).is_err(), "{length}");
    }
    assert!(registry.distro_apply(&[&batch[..], b"!"].concat(), NOW_MS).is_err());
    for length in 0..versions.len() {
        assert!(registry.distro_differences(A, &leaves, &versions[..length]).is_err());
        assert!(registry.distro_drop_surplus(A, &leaves, &versions[..length], NOW_MS).is_err());
    }
    for length in 0..wanted.len() {
        assert!(registry.distro_records(A, &wanted[..length]).is_err());
    }
    assert_eq!(seen(&registry), before);
    assert_eq!(registry.distro_apply(&batch, NOW_MS).unwrap().applied, 4);
}

#[test]
fn what_makes_no_sense_is_refused_with_its_reason() {
    let mut registry = target();
    let mut refusal = |bytes: &[u8]| registry.distro_apply(bytes, NOW_MS).unwrap_err().to_string();
    assert_eq!(
        refusal(b"NPI\x01"),
        "what another node sent cannot be read: a batch of publications must begin with [4e, 50, 42, 01], this begins \
         with [4e, 50, 49, 01]"
    );
    let holder = [&1u32.to_le_bytes()[..], b"a", &1u64.to_le_bytes()].concat();
    let batch = |holders: u32, head: &[u8]| {
        let holders = [&holders.to_le_bytes()[..], &holder.repeat(holders as usize)].concat();
        let rest = [0; 60];
        [b"NPB\x01", &holders[..], &1u32.to_le_bytes(), head, &rest].concat()
    };
    // Flags, holder, epoch, revision.
    let text = "what another node sent cannot be read: it holds no valid";
    assert!(refusal(&batch(1, &[4])).starts_with(&format!("{text} flags at byte ")));
    assert!(refusal(&batch(1, &[0, 1, 0])).starts_with(&format!("{text} holder at byte ")));
    assert!(refusal(&batch(1, &[0, 0, 0])).starts_with(&format!("{text} revision at byte ")));
    let mut other = node("a");
    let many = vec![instance("10.0.0.1", 80); BATCH_INSTANCES_COUNT_MAX + 1];
    other.publish(&Publisher::Connection(1), KEY, many, NOW_MS).unwrap();
    assert!(refusal(&changes(&mut other)).starts_with(&format!("{text} count of instances at byte ")));
    let too_many = u32::try_from(DISTRO_HOLDERS_COUNT_MAX + 1).unwrap();
    assert!(refusal(&batch(too_many, &[])).starts_with(&format!("{text} count of holders at byte ")));
}

#[test]
fn no_more_holders_than_a_cluster_can_have_are_kept() {
    let mut registry = target();
    for boot in 0..DISTRO_HOLDERS_COUNT_MAX as u64 - 2 {
        let mut other = run("d", boot);
        beat_first(&mut other, "10.0.0.1", NOW_MS);
        tell(&mut other, &mut registry, NOW_MS);
    }
    let mut other = node("e");
    beat_first(&mut other, "10.0.0.1", NOW_MS);
    let before = seen(&registry);
    assert_eq!(registry.distro_apply(&changes(&mut other), NOW_MS), Err(DistroError::TooManyHolders));
    assert_eq!(seen(&registry), before);
}

proptest! {
    #[test]
    fn random_bytes_do_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200), header in 0..4usize) {
        let header = [&b""[..], b"NPB\x01", b"NPV\x01", b"NPW\x01"][header];
        give(&[header, &bytes].concat());
    }

    #[test]
    fn damaged_bytes_do_no_harm(which in 0..3usize, at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = samples()[which].clone();
        let at = at.index(bytes.len());
        bytes[at] = value;
        give(&bytes);
    }
}
