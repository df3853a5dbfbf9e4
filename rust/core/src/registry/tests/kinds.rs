//! The kind of a service, its life, and the lists of services.

use super::*;

fn persistent(ip: &str) -> Publisher {
    Publisher::address(ip, 80, false)
}

#[test]
fn the_first_registration_fixes_the_kind() {
    let key = ("public", "DEFAULT_GROUP", "demo-pers");
    let mut registry = registry();
    registry.publish(&persistent("10.0.0.1"), key, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    let digest = registry.service_digest(key);
    let refused = registry.publish(&Publisher::Connection(1), key, vec![instance("10.0.0.2", 80)], NOW_MS);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "Current service DEFAULT_GROUP@@demo-pers is persistent service, can't register ephemeral instance."
    );
    assert_eq!((registry.service_digest(key), registry.counts().connection_publishers), (digest, 0));
    assert!(registry.check_kind(key, true).is_err() && registry.check_kind(key, false).is_ok());
    assert!(registry.check_kind(KEY, true).is_ok(), "nobody published it");
}

#[test]
fn an_ephemeral_service_is_refused_to_persistent_instances_until_it_is_cleaned() {
    let mut registry = registry();
    registry.publish(&Publisher::Connection(1), KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    assert_eq!(
        registry.check_kind(KEY, false).unwrap_err().to_string(),
        "Current service DEFAULT_GROUP@@orders is ephemeral service, can't register persistent instance."
    );
    registry.drop_publisher(&Publisher::Connection(1), NOW_MS);
    assert!(registry.check_kind(KEY, false).is_err(), "empty, but not cleaned yet");
    registry.take_changed();
    assert_eq!(registry.clean_empty_services(NOW_MS + 59_999, 60_000), 0);
    assert_eq!(registry.clean_empty_services(NOW_MS + 60_000, 60_000), 1);
    registry.check_kind(KEY, false).unwrap();
}

#[test]
fn what_the_log_says_is_taken_beside_ephemeral_instances() {
    let mut registry = registry();
    let (one, two) = (Publisher::Connection(1), Publisher::Connection(2));
    registry.publish(&one, KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    let ephemeral_digest = registry.service_digest(KEY);
    registry.take_changed();
    let log = persistent("10.0.0.2");
    registry.publish(&log, KEY, vec![instance("10.0.0.2", 80)], NOW_MS).unwrap();
    assert_eq!(shown(&mut registry, &View::default()), ["10.0.0.2", "10.0.0.1"]);
    assert_eq!(registry.take_changed(), [ServiceKey::new(KEY)]);
    assert_eq!(registry.service_is_ephemeral(KEY), Some(false));
    assert!(registry.publish(&two, KEY, vec![instance("10.0.0.3", 80)], NOW_MS).is_err());
    assert!(registry.publish(&one, KEY, vec![instance("10.0.0.3", 80)], NOW_MS).is_err());
    registry.withdraw(&log, KEY, NOW_MS);
    assert_eq!(registry.service_digest(KEY), ephemeral_digest);
    assert_eq!(registry.service_is_ephemeral(KEY), Some(true), "as it was before");
    assert_eq!(registry.take_changed(), [ServiceKey::new(KEY)]);
    registry.publish(&two, KEY, vec![instance("10.0.0.3", 80)], NOW_MS).unwrap();
    assert_eq!(shown(&mut registry, &View::default()), ["10.0.0.3", "10.0.0.1"]);
}

#[test]
fn one_address_may_be_there_in_both_kinds() {
    let mut registry = registry();
    let given = || vec![instance("10.0.0.1", 80)];
    registry.publish(&Publisher::Connection(1), KEY, given(), NOW_MS).unwrap();
    registry.publish(&persistent("10.0.0.1"), KEY, given(), NOW_MS).unwrap();
    assert_eq!(shown(&mut registry, &View::default()), ["10.0.0.1", "10.0.0.1"]);
    registry.drop_publisher(&Publisher::Connection(1), NOW_MS);
    let mut other = super::registry();
    other.publish(&persistent("10.0.0.1"), KEY, given(), NOW_MS).unwrap();
    assert_eq!(registry.service_digest(KEY), other.service_digest(KEY));
}

#[test]
fn the_shown_kind_is_the_publishers() {
    let mut registry = registry();
    registry.publish(&persistent("10.0.0.1"), KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    assert_eq!(service_info(&mut registry, &View::default(), NOW_MS)["hosts"][0]["ephemeral"], false);
}

#[test]
fn only_empty_unchanged_services_are_cleaned_and_subscribers_stay() {
    let mut registry = registry();
    let other = ("public", "DEFAULT_GROUP", "other");
    for key in [KEY, other] {
        registry.publish(&Publisher::Connection(1), key, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    }
    registry.subscribe(9, KEY, "");
    registry.withdraw(&Publisher::Connection(1), KEY, NOW_MS);
    assert_eq!(registry.clean_empty_services(NOW_MS + 60_000, 60_000), 0, "its change was not taken yet");
    registry.take_changed();
    assert_eq!(registry.clean_empty_services(NOW_MS + 60_000, 60_000), 1);
    assert_eq!(registry.counts().services, 1);
    assert_eq!(registry.list_services("public", "DEFAULT_GROUP", 1, 10), (1, vec!["other"]));
    assert_eq!(registry.subscribers(KEY).collect::<Vec<_>>(), [(9, "")]);
    registry.publish(&Publisher::Connection(1), KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    assert_eq!(registry.take_changed(), [ServiceKey::new(KEY)]);
}

#[test]
fn services_are_listed_by_page_in_order_of_registration() {
    let mut registry = registry();
    for name in ["c", "a", "b"] {
        let key = ("public", "g", name);
        registry.publish(&Publisher::Connection(1), key, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    }
    for key in [("public", "h", "x"), ("other", "g", "y")] {
        registry.publish(&Publisher::Connection(1), key, Vec::new(), NOW_MS).unwrap();
    }
    registry.subscribe(1, ("public", "g", "only subscribed"), "");
    let list = |page_no, page_size| registry.list_services("public", "g", page_no, page_size);
    assert_eq!(list(1, 2), (3, vec!["c", "a"]));
    assert_eq!(list(2, 2), (3, vec!["b"]));
    assert_eq!(list(3, 2), (3, vec![]));
    assert_eq!(list(0, 2), list(1, 2));
    assert_eq!(list(i64::MIN, 10), (3, vec!["c", "a", "b"]));
    assert_eq!(list(i64::MAX, usize::MAX), (3, vec![]));
    assert_eq!(registry.list_services("public", "none", 1, 10), (0, vec![]));
    assert_eq!(registry.counts().services, 5);
}

#[test]
fn a_publisher_takes_all_of_its_own_with_it() {
    let mut registry = registry();
    let other = ("public", "DEFAULT_GROUP", "other");
    for key in [KEY, other] {
        for connection in [1, 2] {
            let given = vec![instance(&format!("10.0.0.{connection}"), 80)];
            registry.publish(&Publisher::Connection(connection), key, given, NOW_MS).unwrap();
        }
    }
    registry.take_changed();
    assert_eq!(registry.drop_publisher(&Publisher::Connection(1), NOW_MS), 2);
    assert_eq!(shown(&mut registry, &View::default()), ["10.0.0.2"]);
    assert_eq!(registry.take_changed().len(), 2);
    assert_eq!(registry.publisher_digest(&Publisher::Connection(1)), None);
    assert_eq!(registry.drop_publisher(&Publisher::Connection(1), NOW_MS), 0);
    let counts = registry.counts();
    assert_eq!((counts.instances, counts.connection_publishers, counts.services), (2, 1, 2));
}

#[test]
fn a_publisher_is_told_apart_by_kind_and_address() {
    let mut registry = registry();
    let [one, two, three] = ["one", "two", "three"].map(|name| ("public", "DEFAULT_GROUP", name));
    registry.publish(&beating("10.0.0.1"), one, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    registry.publish(&persistent("10.0.0.1"), two, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    registry.publish(&Publisher::Connection(80), three, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    let counts = registry.counts();
    assert_eq!(counts.address_publishers_ephemeral, 1);
    assert_eq!(counts.address_publishers_persistent, 1);
    assert_eq!(counts.connection_publishers, 1);
    assert!(registry.withdraw(&persistent("10.0.0.1"), two, NOW_MS));
    assert_eq!(registry.counts().address_publishers_persistent, 0, "nothing keeps a persistent address but instances");
}

#[test]
fn revisions_count_changes_of_the_record_only() {
    let mut registry = registry();
    let publisher = Publisher::Connection(1);
    let mut revision = |ports: &[u16]| {
        let instances = ports.iter().map(|port| instance("10.0.0.1", *port)).collect();
        registry.publish(&publisher, KEY, instances, NOW_MS).unwrap();
        registry.publisher_revision(&publisher)
    };
    assert_eq!(revision(&[80]), Some(1));
    assert_eq!(revision(&[80]), Some(1));
    assert_eq!(revision(&[81]), Some(2));
    assert_eq!(revision(&[]), Some(3));
}
