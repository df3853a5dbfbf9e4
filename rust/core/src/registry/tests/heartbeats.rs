//! Addresses that beat, and stop.

use super::*;
use crate::limits::{EXPIRED_COUNT_MAX, IDLE_PUBLISHER_MS};
use serde_json::{Value, json};

fn registered(metadata: &[(&str, &str)]) -> Registry {
    let mut registry = registry();
    let given = Instance { metadata: metadata.iter().copied().collect(), ..instance("10.0.0.1", 80) };
    registry.publish(&beating("10.0.0.1"), KEY, vec![given], NOW_MS).unwrap();
    registry
}

fn healthy(registry: &mut Registry) -> Option<bool> {
    service_info(registry, &View::default(), NOW_MS)["hosts"][0]["healthy"].as_bool()
}

#[test]
fn silence_makes_unhealthy_then_removes() {
    let mut registry = registered(&[]);
    registry.take_changed();
    assert_eq!(registry.expire(NOW_MS + 15_000, true), Expired::default());
    assert_eq!(registry.expire(NOW_MS + 15_001, true), Expired { unhealthy: 1, ..Expired::default() });
    assert_eq!(healthy(&mut registry), Some(false));
    assert_eq!(registry.take_changed().len(), 1);
    assert_eq!(registry.beats.passed(NOW_MS + 30_000), [0; 0], "not looked at again before it is to be removed");
    assert_eq!(registry.expire(NOW_MS + 30_000, true), Expired::default());
    assert_eq!(registry.expire(NOW_MS + 30_001, true), Expired { removed: 1, ..Expired::default() });
    assert_eq!(healthy(&mut registry), None);
    assert_eq!(registry.take_changed().len(), 1);
}

#[test]
fn a_beat_keeps_alive_and_heals_and_changes_nothing_else() {
    let mut registry = registered(&[(BEAT_INTERVAL_KEY, "3000")]);
    registry.take_changed();
    let digests = |r: &Registry| {
        let publisher = beating("10.0.0.1");
        (r.service_digest(KEY), r.publisher_digest(&publisher), r.publisher_revision(&publisher))
    };
    let before = digests(&registry);
    assert_eq!(registry.beat("10.0.0.1", 80, KEY, NOW_MS + 10_000), Beat::Known { interval_ms: 3_000 });
    assert_eq!(digests(&registry), before);
    assert_eq!(registry.expire(NOW_MS + 25_000, true), Expired::default());
    assert_eq!(registry.expire(NOW_MS + 25_001, true).unhealthy, 1);
    assert_ne!(digests(&registry), before);
    registry.beat("10.0.0.1", 80, KEY, NOW_MS + 26_000);
    assert_eq!(healthy(&mut registry), Some(true));
    assert_eq!((digests(&registry).0, digests(&registry).1), (before.0, before.1));
    assert_eq!(registry.expire(NOW_MS + 41_000, true), Expired::default());
}

#[test]
fn unknown_instances_are_told_so() {
    let mut registry = registered(&[]);
    assert_eq!(registry.beat("10.0.0.2", 80, KEY, NOW_MS), Beat::Unknown);
    assert_eq!(registry.beat("10.0.0.1", 81, KEY, NOW_MS), Beat::Unknown);
    assert_eq!(registry.beat("10.0.0.1", 80, ("public", "DEFAULT_GROUP", "other"), NOW_MS), Beat::Unknown);
}

#[test]
fn an_instance_registered_unhealthy_stays_so_until_it_beats() {
    let mut registry = registry();
    let given = Instance { healthy: false, ..instance("10.0.0.1", 80) };
    registry.publish(&beating("10.0.0.1"), KEY, vec![given], NOW_MS).unwrap();
    assert_eq!(registry.expire(NOW_MS + 20_000, true), Expired::default());
    assert_eq!(healthy(&mut registry), Some(false));
    registry.beat("10.0.0.1", 80, KEY, NOW_MS + 20_000);
    assert_eq!(healthy(&mut registry), Some(true));
}

#[test]
fn metadata_sets_the_timeouts() {
    let mut registry = registered(&[(BEAT_TIMEOUT_KEY, "2000"), (DELETE_TIMEOUT_KEY, "5000")]);
    assert_eq!(registry.expire(NOW_MS + 2_001, true).unhealthy, 1);
    assert_eq!(registry.expire(NOW_MS + 5_000, true).removed, 0);
    assert_eq!(registry.expire(NOW_MS + 5_001, true).removed, 1);

    let mut registry = registered(&[(BEAT_TIMEOUT_KEY, "9000"), (DELETE_TIMEOUT_KEY, "5000")]);
    assert_eq!(registry.expire(NOW_MS + 5_001, false), Expired::default());
    assert_eq!(registry.expire(NOW_MS + 5_001, true), Expired { removed: 1, ..Expired::default() });
}

#[test]
fn timeouts_that_operators_set_count_from_then_on_and_before_those_of_the_instance() {
    let mut registry = registered(&[(BEAT_INTERVAL_KEY, "900"), (BEAT_TIMEOUT_KEY, "2000")]);
    let name = json!({"ip": "10.0.0.1", "port": 80, "clusterName": "DEFAULT"});
    let metadata = json!({BEAT_INTERVAL_KEY: "1000", BEAT_TIMEOUT_KEY: "40000", DELETE_TIMEOUT_KEY: "50000"});
    change(&mut registry, json!({"change": "instances.merge", "instances": [name], "metadata": metadata}));
    assert_eq!(registry.expire(NOW_MS + 40_000, true), Expired::default());
    let silence = registry.silence(NOW_MS, 45_000, 1);
    assert_eq!(serde_json::from_slice::<Value>(&silence.to_json()).unwrap()["nearest"][0]["removedInMs"], 50_000);
    assert_eq!(registry.expire(NOW_MS + 40_001, true).unhealthy, 1);
    assert_eq!(registry.expire(NOW_MS + 50_000, true), Expired::default());
    assert_eq!(registry.beat("10.0.0.1", 80, KEY, NOW_MS + 50_000), Beat::Known { interval_ms: 1_000 });
    change(&mut registry, json!({"change": "instance.update", "instance": name, "metadata": {}}));
    assert_eq!(registry.expire(NOW_MS + 52_001, true).unhealthy, 1, "what the instance said counts again");
    assert_eq!(registry.beat("10.0.0.1", 80, KEY, NOW_MS + 53_000), Beat::Known { interval_ms: 900 });
}

#[test]
fn a_service_may_ask_that_its_instances_stay_without_beats() {
    let mut registry = registered(&[]);
    let says = |value: &str| {
        json!({"change": "service.update", "ephemeral": true, "protectThreshold": 0.0,
            "metadata": {CLIENT_BEAT_KEY: value}, "selector": {"type": "none"}})
    };
    change(&mut registry, says("true"));
    registry.publish(&beating("10.0.0.2"), KEY, vec![instance("10.0.0.2", 80)], NOW_MS).unwrap();
    assert_eq!(registry.expire(NOW_MS + 1_000_000, true), Expired::default());
    change(&mut registry, says("false"));
    assert_eq!(registry.expire(NOW_MS + 15_001, true).unhealthy, 2);
}

fn change(registry: &mut Registry, change: Value) {
    registry.change_metadata(KEY, serde_json::from_value(change).unwrap(), NOW_MS).unwrap();
}

#[test]
fn an_instance_may_ask_to_stay_without_beats() {
    let mut registry = registered(&[(CLIENT_BEAT_KEY, "true")]);
    assert_eq!(registry.expire(NOW_MS + 1_000_000, true), Expired::default());
    assert_eq!(healthy(&mut registry), Some(true));
}

#[test]
fn late_instances_stay_unhealthy_where_removal_is_off() {
    let mut registry = registered(&[]);
    assert_eq!(registry.expire(NOW_MS + 100_000, false), Expired { unhealthy: 1, ..Expired::default() });
    assert_eq!(registry.expire(NOW_MS + 200_000, false), Expired::default());
    assert_eq!(registry.expire(NOW_MS + 200_000, true), Expired { removed: 1, ..Expired::default() });
}

#[test]
fn connections_and_persistent_addresses_never_expire() {
    let mut registry = registry();
    registry.publish(&Publisher::Connection(1), KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    let persistent = ("public", "DEFAULT_GROUP", "persistent");
    let publisher = Publisher::address("10.0.0.2", 80, false);
    registry.publish(&publisher, persistent, vec![instance("10.0.0.2", 80)], NOW_MS).unwrap();
    assert_eq!(registry.expire(NOW_MS + 1_000_000, true), Expired::default());
    assert_eq!(registry.beat("10.0.0.2", 80, persistent, NOW_MS), Beat::Unknown);
    assert_eq!(registry.counts().instances, 2);
}

#[test]
fn an_idle_address_is_forgotten_unless_it_comes_back() {
    for comes_back in [false, true] {
        let mut registry = registered(&[]);
        registry.publish(&beating("10.0.0.2"), KEY, vec![instance("10.0.0.2", 80)], NOW_MS).unwrap();
        registry.withdraw(&beating("10.0.0.1"), KEY, NOW_MS);
        registry.withdraw(&beating("10.0.0.2"), KEY, NOW_MS);
        assert_eq!(registry.counts().address_publishers_ephemeral, 2);
        if comes_back {
            registry.publish(&beating("10.0.0.1"), KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
            registry.beat("10.0.0.1", 80, KEY, NOW_MS + IDLE_PUBLISHER_MS);
        }
        assert_eq!(registry.expire(NOW_MS + IDLE_PUBLISHER_MS, true).forgotten, 0);
        let expected = if comes_back { 1 } else { 2 };
        assert_eq!(registry.expire(NOW_MS + IDLE_PUBLISHER_MS + 1, true).forgotten, expected);
        assert_eq!(registry.counts().address_publishers_ephemeral, 2 - expected);
    }
}

#[test]
fn the_death_of_many_is_handled_in_portions() {
    let mut registry = registry();
    let total = EXPIRED_COUNT_MAX + 10;
    for number in 0..total {
        let ip = format!("host-{number}");
        registry.publish(&beating(&ip), KEY, vec![instance(&ip, 80)], NOW_MS).unwrap();
    }
    let first = registry.expire(NOW_MS + 20_000, true);
    assert_eq!((first.unhealthy, first.more), (EXPIRED_COUNT_MAX, true));
    let second = registry.expire(NOW_MS + 20_000, true);
    assert_eq!((second.unhealthy, second.more), (10, false));
}
