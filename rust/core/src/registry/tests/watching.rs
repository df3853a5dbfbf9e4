//! What watchers of patterns are told adds up to what there is.

use super::*;
use crate::limits::{FUZZY_LOOKS_COUNT, FUZZY_MATCHES_COUNT_MAX};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

const OTHER: (&str, &str, &str) = ("public", "G", "orders");
const SUBSCRIBED: (&str, &str, &str) = ("public", "G", "subscribed");

fn pattern(text: &str) -> FuzzyPattern {
    FuzzyPattern::read(text, "public").unwrap()
}

fn publish(registry: &mut Registry, connection: u64, key: KeyParts<'_>) {
    let given = vec![instance("10.0.0.1", 80)];
    registry.publish(&Publisher::Connection(connection), key, given, NOW_MS).unwrap();
}

fn said(registry: &mut Registry, key: KeyParts<'_>, kind: &str) {
    let fields = json!({"change": kind, "ephemeral": true, "protectThreshold": 0.0, "metadata": {},
        "selector": {"type": "none"}});
    let change: MetadataChange = serde_json::from_value(fields).unwrap();
    let _ = registry.change_metadata(key, change, NOW_MS);
}

fn watch(registry: &mut Registry, connection: u64, text: &str) -> Vec<ResourceKey> {
    registry.watch(connection, &pattern(text), &BTreeSet::new()).unwrap().unwrap().keys
}

#[test]
fn a_watcher_is_told_what_is_published_or_created_and_nothing_else() {
    let mut registry = registry();
    publish(&mut registry, 1, KEY);
    said(&mut registry, OTHER, "service.create");
    registry.subscribe(2, SUBSCRIBED, "");
    assert_eq!(watch(&mut registry, 3, "public>>*>>*"), [ServiceKey::new(KEY), ServiceKey::new(OTHER)]);
    assert_eq!(watch(&mut registry, 3, "public>>G>>ord*"), [ServiceKey::new(OTHER)]);
    assert_eq!(watch(&mut registry, 3, "other>>*>>*"), []);
}

#[test]
fn a_service_comes_with_its_first_publication_and_goes_with_its_last() {
    let mut registry = registry();
    watch(&mut registry, 9, "public>>*>>orders");
    publish(&mut registry, 1, KEY);
    assert_eq!(registry.take_come_and_gone(), [ServiceKey::new(KEY)]);
    publish(&mut registry, 2, KEY);
    registry.withdraw(&Publisher::Connection(1), KEY, NOW_MS);
    assert_eq!(registry.take_come_and_gone(), [], "there is one left");
    registry.drop_publisher(&Publisher::Connection(2), NOW_MS);
    assert_eq!(registry.take_come_and_gone(), [ServiceKey::new(KEY)]);
    assert!(!registry.has_present(KEY));
    publish(&mut registry, 1, KEY);
    registry.drop_publisher(&Publisher::Connection(1), NOW_MS);
    assert_eq!(registry.take_come_and_gone(), [], "it came and went unseen");
}

#[test]
fn a_created_service_stays_when_its_last_instance_goes() {
    let mut registry = registry();
    watch(&mut registry, 9, "public>>*>>*");
    said(&mut registry, KEY, "service.create");
    assert_eq!(registry.take_come_and_gone(), [ServiceKey::new(KEY)]);
    publish(&mut registry, 1, KEY);
    registry.drop_publisher(&Publisher::Connection(1), NOW_MS);
    assert_eq!(registry.take_come_and_gone(), []);
    said(&mut registry, KEY, "service.delete");
    assert_eq!(registry.take_come_and_gone(), [ServiceKey::new(KEY)]);
}

#[test]
fn without_a_watcher_nothing_is_noted() {
    let mut registry = registry();
    publish(&mut registry, 1, KEY);
    watch(&mut registry, 9, "public>>*>>*");
    assert_eq!(registry.take_come_and_gone(), [], "the watcher was told at once");
    registry.drop_watcher(9);
    registry.drop_publisher(&Publisher::Connection(1), NOW_MS);
    assert_eq!(registry.take_come_and_gone(), []);
}

#[test]
fn only_those_that_watch_it_are_told() {
    let mut registry = registry();
    for (connection, text) in [(1, "public>>*>>*"), (2, "public>>G>>*"), (3, "public>>*>>ord*"), (1, "public>>G>>*")] {
        watch(&mut registry, connection, text);
    }
    assert_eq!((registry.watchers(KEY), registry.watchers(OTHER)), (vec![1, 3], vec![1, 2, 3]));
    assert!(registry.unwatch(1, "public>>*>>*") && registry.is_watching(1, "public>>G>>*"));
    assert_eq!((registry.watchers(KEY), registry.watchers(OTHER)), (vec![3], vec![1, 2, 3]));
}

#[derive(Debug, Clone)]
enum Act {
    Publish(u64, usize),
    Persist(bool, usize),
    Withdraw(u64, usize),
    Leave(u64),
    Say(usize, &'static str),
    Subscribe(usize),
    Clean,
    Tell,
    Again,
}

fn acts() -> impl Strategy<Value = Act> {
    let (service, connection) = (0..4usize, 1..4u64);
    prop_oneof![
        4 => (connection.clone(), service.clone()).prop_map(|(who, what)| Act::Publish(who, what)),
        2 => (any::<bool>(), service.clone()).prop_map(|(register, what)| Act::Persist(register, what)),
        2 => (connection.clone(), service.clone()).prop_map(|(who, what)| Act::Withdraw(who, what)),
        1 => connection.prop_map(Act::Leave),
        2 => (service.clone(), prop::sample::select(vec!["service.create", "service.delete", "service.update"]))
            .prop_map(|(what, kind)| Act::Say(what, kind)),
        1 => service.prop_map(Act::Subscribe),
        1 => Just(Act::Clean),
        3 => Just(Act::Tell),
        1 => Just(Act::Again),
    ]
}

#[test]
fn no_call_looks_at_more_services_than_others_may_wait_for() {
    let mut registry = registry();
    let count = 3 * FUZZY_LOOKS_COUNT;
    for number in 0..count {
        publish(&mut registry, 1, ("public", "G", &format!("{number:05}")));
    }
    publish(&mut registry, 1, ("public", "H", "00007"));
    let look = |registry: &mut Registry, text: &str| {
        let told =
            (1..20).find_map(|calls| Some((calls, registry.watch(9, &pattern(text), &BTreeSet::new()).unwrap()?)));
        let (calls_count, difference) = told.expect("it comes to an end");
        (calls_count, difference.keys.len())
    };
    let (calls_count, found_count) = look(&mut registry, "public>>*>>*7");
    assert_eq!(calls_count, 3);
    assert_eq!(found_count, FUZZY_MATCHES_COUNT_MAX);
    assert_eq!(look(&mut registry, "public>>*>>*07"), (calls_count + 1, count / 100 + 2));
    assert_eq!(look(&mut registry, "public>>*>>*07"), (1, count / 100 + 2), "it is known");
    assert_eq!(look(&mut registry, "public>>H>>*07"), (1, 1), "there are no more in that group");
}

proptest! {
    #[test]
    fn what_a_watcher_was_told_is_what_there_is(acts in prop::collection::vec(acts(), 0..60)) {
        let keys = [("public", "G", "a1"), ("public", "G", "a2"), ("public", "H", "a1"), ("public", "G", "b")];
        let text = pattern("public>>G>>a*");
        let mut registry = registry();
        let mut known: BTreeSet<ResourceKey> = BTreeSet::new();
        registry.watch(9, &text, &BTreeSet::new()).unwrap();
        for act in acts {
            match act {
                Act::Publish(who, what) => {
                    let given = vec![instance("10.0.0.1", 80)];
                    let _ = registry.publish(&Publisher::Connection(who), keys[what], given, NOW_MS);
                }
                Act::Persist(true, what) => {
                    let given = vec![Instance { ephemeral: false, ..instance("10.0.0.2", 80) }];
                    registry.publish(&Publisher::address("10.0.0.2", 80, false), keys[what], given, NOW_MS).unwrap();
                }
                Act::Persist(false, what) => {
                    registry.withdraw(&Publisher::address("10.0.0.2", 80, false), keys[what], NOW_MS);
                }
                Act::Withdraw(who, what) => {
                    registry.withdraw(&Publisher::Connection(who), keys[what], NOW_MS);
                }
                Act::Leave(who) => {
                    registry.drop_publisher(&Publisher::Connection(who), NOW_MS);
                }
                Act::Say(what, kind) => said(&mut registry, keys[what], kind),
                Act::Subscribe(what) => registry.subscribe(8, keys[what], ""),
                Act::Clean => {
                    registry.clean_empty_services(NOW_MS, 0);
                }
                Act::Tell => {
                    for key in registry.take_come_and_gone() {
                        if registry.watchers(key.parts()) == [9] {
                            let changed = if registry.has_present(key.parts()) { known.insert(key) } else { known.remove(&key) };
                            prop_assert!(changed, "it was told already");
                        }
                    }
                    let there: BTreeSet<_> = {
                        let like_it = keys.iter().filter(|key| text.is_met_by(**key) && registry.has_present(**key));
                        like_it.map(|key| ResourceKey::new(*key)).collect()
                    };
                    let told: BTreeSet<_> = registry.watch(10, &text, &BTreeSet::new()).unwrap().unwrap().keys.into_iter().collect();
                    registry.drop_watcher(10);
                    prop_assert_eq!(&known, &there);
                    prop_assert_eq!(&told, &there);
                }
                Act::Again => {
                    let received = known.iter().cloned().collect();
                    for key in registry.watch(9, &text, &received).unwrap().unwrap().keys {
                        if registry.has_present(key.parts()) { known.insert(key) } else { known.remove(&key) };
                    }
                    registry.take_come_and_gone();
                }
            }
        }
    }
}
