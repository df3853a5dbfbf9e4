//! Who is to hear of what.

use super::*;

fn publish(registry: &mut Registry, connection: u64, key: KeyParts<'_>, port: u16) {
    let given = vec![instance("10.0.0.1", port)];
    registry.publish(&Publisher::Connection(connection), key, given, NOW_MS).unwrap();
}

#[test]
fn changes_are_taken_once_and_in_order_of_the_first() {
    let mut registry = registry();
    let other = ("public", "DEFAULT_GROUP", "other");
    publish(&mut registry, 1, other, 80);
    publish(&mut registry, 1, KEY, 80);
    publish(&mut registry, 2, other, 81);
    assert_eq!(registry.take_changed(), [ServiceKey::new(other), ServiceKey::new(KEY)]);
    assert_eq!(registry.take_changed(), []);
}

#[test]
fn registering_the_same_again_is_no_change() {
    let mut registry = registry();
    publish(&mut registry, 1, KEY, 80);
    registry.take_changed();
    publish(&mut registry, 1, KEY, 80);
    assert_eq!(registry.take_changed(), []);
}

#[test]
fn what_nobody_is_shown_is_no_change() {
    let mut registry = registry();
    publish(&mut registry, 1, KEY, 80);
    registry.take_changed();
    let hidden = Instance { enabled: false, ..instance("10.0.0.9", 80) };
    registry.publish(&Publisher::Connection(2), KEY, vec![hidden], NOW_MS).unwrap();
    assert_eq!(registry.take_changed(), []);
    registry.publish(&Publisher::Connection(2), KEY, Vec::new(), NOW_MS).unwrap();
    assert_eq!(registry.take_changed(), []);
}

#[test]
fn a_change_back_counts_only_if_someone_saw_what_was_between() {
    for seen in [false, true] {
        let mut registry = registry();
        publish(&mut registry, 1, KEY, 80);
        registry.take_changed();
        publish(&mut registry, 1, KEY, 81);
        if seen {
            shown(&mut registry, &View::default());
        }
        publish(&mut registry, 1, KEY, 80);
        assert_eq!(registry.take_changed().len(), usize::from(seen));
    }
}

#[test]
fn a_connection_has_one_subscription_per_service_with_its_newest_clusters() {
    let mut registry = registry();
    registry.subscribe(1, KEY, "");
    registry.subscribe(2, KEY, "c1");
    registry.subscribe(1, KEY, "c2");
    assert_eq!(registry.subscribers(KEY).collect::<Vec<_>>(), [(2, "c1"), (1, "c2")]);
    assert_eq!(registry.counts().subscribers, 2);
    assert!(registry.unsubscribe(1, KEY));
    assert!(!registry.unsubscribe(1, KEY));
    assert_eq!(registry.subscribers(KEY).collect::<Vec<_>>(), [(2, "c1")]);
    assert_eq!(registry.drop_subscriber(2), 1);
    assert_eq!(registry.drop_subscriber(2), 0);
    assert_eq!(registry.subscribers(KEY).count(), 0);
    assert_eq!(registry.service_digest(KEY), None, "a service that was only subscribed to leaves nothing behind");
}

#[test]
fn new_and_altered_subscriptions_are_taken_once_while_they_stand() {
    let mut registry = registry();
    registry.subscribe(1, KEY, "");
    registry.subscribe(2, KEY, "");
    registry.unsubscribe(2, KEY);
    assert_eq!(registry.take_subscribed(), [(1, ServiceKey::new(KEY))]);
    registry.subscribe(1, KEY, "");
    assert_eq!(registry.take_subscribed(), [], "nothing new");
    registry.subscribe(1, KEY, "c1");
    assert_eq!(registry.take_subscribed(), [(1, ServiceKey::new(KEY))]);
}

#[test]
fn a_subscriber_of_an_unknown_service_hears_when_it_appears_and_does_not_list_it() {
    let mut registry = registry();
    registry.subscribe(1, KEY, "");
    assert_eq!(registry.counts().services, 0);
    publish(&mut registry, 7, KEY, 80);
    assert_eq!(registry.take_changed(), [ServiceKey::new(KEY)]);
    assert_eq!(registry.subscribers(KEY).collect::<Vec<_>>(), [(1, "")]);
    assert_eq!(registry.drop_subscriber(1), 1);
    assert_eq!(registry.counts().services, 1);
}
