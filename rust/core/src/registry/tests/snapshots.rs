//! Persistent instances through bytes and back.

use super::*;
use proptest::prelude::*;

fn filled() -> Registry {
    let mut registry = registry();
    registry.publish(&Publisher::Connection(1), KEY, vec![instance("10.9.9.9", 80)], NOW_MS).unwrap();
    for (number, name) in ["b", "a", "b"].into_iter().enumerate() {
        let ip = format!("10.0.0.{number}");
        let given = Instance {
            weight: 2.5,
            healthy: number != 1,
            enabled: number != 2,
            cluster: "c1".into(),
            metadata: Metadata::from_iter([("k", "v"), ("ü", "")]),
            instance_id: (number != 0).then(|| "id".into()),
            ..instance(&ip, 80)
        };
        let publisher = Publisher::address(&ip, 80, false);
        registry.publish(&publisher, ("public", "g", name), vec![given], NOW_MS).unwrap();
    }
    registry
}

fn encoded(registry: &Registry) -> Vec<u8> {
    let mut out = Vec::new();
    registry.encode_persistent(&mut out);
    out
}

#[test]
fn persistent_instances_come_back_and_replace_what_was_there() {
    let from = filled();
    let bytes = encoded(&from);
    let mut to = registry();
    let stale = Publisher::address("10.8.8.8", 80, false);
    to.publish(&stale, ("public", "g", "a"), vec![instance("10.8.8.8", 80)], NOW_MS).unwrap();
    to.publish(&Publisher::Connection(3), KEY, vec![instance("10.7.7.7", 80)], NOW_MS).unwrap();
    let restored = to.restore_persistent(&bytes, NOW_MS).unwrap();
    assert_eq!(restored, 3);
    for name in ["a", "b"] {
        let key = ("public", "g", name);
        assert_eq!(to.instances(key).collect::<Vec<_>>(), from.instances(key).collect::<Vec<_>>());
        assert_eq!(to.service_digest(key), from.service_digest(key));
    }
    assert_eq!(shown(&mut to, &View::default()), ["10.7.7.7"], "ephemeral ones are not touched");
    assert_eq!(encoded(&to), bytes);
}

#[test]
fn a_service_that_is_ephemeral_here_gets_its_persistent_instances_and_writes_only_those() {
    let bytes = encoded(&filled());
    let mut to = registry();
    let key = ("public", "g", "a");
    to.publish(&Publisher::Connection(3), key, vec![instance("10.7.7.7", 80)], NOW_MS).unwrap();
    to.publish(&Publisher::address("10.7.7.8", 80, true), key, vec![instance("10.7.7.8", 80)], NOW_MS).unwrap();
    assert_eq!(to.restore_persistent(&bytes, NOW_MS).unwrap(), 3);
    assert_eq!(to.instances(key).count(), 3);
    assert_eq!(encoded(&to), bytes);
}

#[test]
fn damage_is_refused_and_changes_nothing() {
    let bytes = encoded(&filled());
    let mut to = filled();
    let mut damaged: Vec<Vec<u8>> = (0..bytes.len()).map(|length| bytes[..length].to_vec()).collect();
    damaged.push([&bytes[..], b"x"].concat());
    damaged.push([b"NPI\x02", &bytes[4..]].concat());
    damaged.push([b"NPI\x01", &[255; 40][..]].concat());
    for damage in damaged {
        to.restore_persistent(&damage, NOW_MS).unwrap_err();
    }
    assert_eq!(encoded(&to), bytes);
}

#[test]
fn errors_say_what_is_wrong_and_where() {
    let error = |bytes: &[u8]| registry().restore_persistent(bytes, NOW_MS).unwrap_err().to_string();
    assert_eq!(
        error(b"NPX\x01"),
        "a snapshot of persistent instances must begin with [4e, 50, 49, 01], this begins with [4e, 50, 58, 01]"
    );
    assert_eq!(error(b"NPI\x01\x00\x00"), "it ends at byte 4 within a value that needs 2 bytes more");
    assert_eq!(error(b"NPI\x01\x00\x00\x00\x00!"), "it holds no valid end at byte 8");
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), headed in any::<bool>()) {
        let bytes = if headed { [&b"NPI\x01"[..], &bytes].concat() } else { bytes };
        let _ = registry().restore_persistent(&bytes, NOW_MS);
    }

    #[test]
    fn a_changed_byte_never_panics_and_what_is_read_reads_again(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encoded(&filled());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut to = registry();
        if to.restore_persistent(&bytes, NOW_MS).is_ok() {
            let again = encoded(&to);
            let mut twice = registry();
            twice.restore_persistent(&again, NOW_MS).unwrap();
            prop_assert_eq!(encoded(&twice), again);
        }
    }
}
