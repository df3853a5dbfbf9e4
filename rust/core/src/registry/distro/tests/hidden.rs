//! Of publications of the same instance by several holders, the newest alone is shown.

use super::*;
use crate::registry::{InstanceName, MetadataChange};

fn with_weight(ip: &str, weight: f64) -> Instance {
    Instance { weight, ..instance(ip, 80) }
}

fn publish(registry: &mut Registry, connection: u64, instances: Vec<Instance>, now_ms: u64) {
    registry.publish(&Publisher::Connection(connection), KEY, instances, now_ms).unwrap();
}

/// Address and weight of each host, sorted.
fn weights(registry: &mut Registry) -> Vec<(String, f64)> {
    let info = service_info(registry, &View::default(), NOW_MS);
    let of = |host: &serde_json::Value| (host["ip"].as_str().unwrap().to_owned(), host["weight"].as_f64().unwrap());
    let mut weights: Vec<_> = info["hosts"].as_array().unwrap().iter().map(of).collect();
    weights.sort_by(|one, other| one.partial_cmp(other).unwrap());
    weights
}

/// The digest that a list of these instances has.
fn digest_of(instances: Vec<Instance>) -> Option<u128> {
    let mut alone = Registry::new([7; 16]);
    alone.publish(&Publisher::Connection(1), KEY, instances, NOW_MS).unwrap();
    alone.service_digest(KEY)
}

#[test]
fn a_client_that_moves_is_shown_exactly_once_at_every_step() {
    let (mut a, mut b) = (node("a"), node("b"));
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    assert_eq!(list(&mut b), ["10.0.0.1"]);
    b.take_changed();
    let digest = b.service_digest(KEY);
    register(&mut b, 9, "10.0.0.1", NOW_MS + 1);
    assert_eq!((list(&mut b), b.service_digest(KEY)), (vec!["10.0.0.1".to_owned()], digest));
    a.drop_publisher(&Publisher::Connection(1), NOW_MS + 2);
    tell(&mut a, &mut b, NOW_MS + 2);
    assert_eq!((list(&mut b), b.service_digest(KEY)), (vec!["10.0.0.1".to_owned()], digest));
    assert!(b.take_changed().is_empty(), "nobody is told of it");
    assert_eq!(b.counts().instances, 1);
    b.drop_publisher(&Publisher::Connection(9), NOW_MS + 3);
    assert!(list(&mut b).is_empty());
    assert_eq!(b.service_digest(KEY), Some(0));
}

#[test]
fn the_newest_registration_counts_everywhere_and_with_all_its_data() {
    let (mut a, mut b, mut c) = (node("a"), node("b"), node("c"));
    publish(&mut a, 1, vec![with_weight("10.0.0.1", 1.0), with_weight("10.0.0.2", 1.0)], NOW_MS);
    let first = changes(&mut a);
    b.distro_apply(&first, NOW_MS).unwrap();
    publish(&mut b, 1, vec![with_weight("10.0.0.1", 2.0)], NOW_MS + 1);
    let second = changes(&mut b);
    a.distro_apply(&second, NOW_MS).unwrap();
    for batch in [&second, &first] {
        c.distro_apply(batch, NOW_MS).unwrap();
    }
    for registry in [&mut a, &mut b, &mut c] {
        assert_eq!(weights(registry), [("10.0.0.1".to_owned(), 2.0), ("10.0.0.2".to_owned(), 1.0)]);
        let shown = vec![with_weight("10.0.0.1", 2.0), with_weight("10.0.0.2", 1.0)];
        assert_eq!(registry.service_digest(KEY), digest_of(shown));
        let hidden: Vec<_> = registry.distro_publishers(KEY).iter().map(|of| (of.node_id.clone(), of.hidden)).collect();
        assert!(hidden.contains(&("a".into(), 1)) && hidden.contains(&("b".into(), 0)), "{hidden:?}");
        let mut all = Vec::new();
        registry.write_all_instances(KEY, &mut all);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&all).unwrap().as_array().unwrap().len(), 2);
    }
    // The newer one goes, and the older one is back.
    b.drop_publisher(&Publisher::Connection(1), NOW_MS + 2);
    let gone = changes(&mut b);
    for registry in [&mut a, &mut c] {
        registry.distro_apply(&gone, NOW_MS).unwrap();
    }
    for registry in [&mut a, &mut b, &mut c] {
        assert_eq!(weights(registry), [("10.0.0.1".to_owned(), 1.0), ("10.0.0.2".to_owned(), 1.0)]);
    }
}

#[test]
fn equal_times_are_decided_by_the_name_of_the_holder() {
    let (mut a, mut b, mut c) = (node("a"), node("b"), node("c"));
    publish(&mut a, 1, vec![with_weight("10.0.0.1", 1.0)], NOW_MS);
    publish(&mut b, 1, vec![with_weight("10.0.0.1", 2.0)], NOW_MS);
    let (of_a, of_b) = (changes(&mut a), changes(&mut b));
    a.distro_apply(&of_b, NOW_MS).unwrap();
    b.distro_apply(&of_a, NOW_MS).unwrap();
    c.distro_apply(&of_b, NOW_MS).unwrap();
    c.distro_apply(&of_a, NOW_MS).unwrap();
    for registry in [&mut a, &mut b, &mut c] {
        assert_eq!(weights(registry), [("10.0.0.1".to_owned(), 2.0)]);
    }
}

#[test]
fn what_is_registered_last_counts_also_where_clocks_differ() {
    let (mut a, mut b) = (node("a"), node("b"));
    publish(&mut a, 1, vec![with_weight("10.0.0.1", 1.0)], NOW_MS + 60_000);
    tell(&mut a, &mut b, NOW_MS);
    publish(&mut b, 1, vec![with_weight("10.0.0.1", 2.0)], NOW_MS);
    assert_eq!(weights(&mut b), [("10.0.0.1".to_owned(), 2.0)]);
    tell(&mut b, &mut a, NOW_MS);
    assert_eq!(weights(&mut a), [("10.0.0.1".to_owned(), 2.0)]);
    // Registering again what another has hidden meanwhile is a change, although it says the same.
    publish(&mut a, 1, vec![with_weight("10.0.0.1", 1.0)], NOW_MS);
    assert_eq!(weights(&mut a), [("10.0.0.1".to_owned(), 1.0)]);
    assert_eq!(tell(&mut a, &mut b, NOW_MS).applied, 1);
    assert_eq!(weights(&mut b), [("10.0.0.1".to_owned(), 1.0)]);
}

#[test]
fn connections_to_the_same_node_are_shown_side_by_side_on_every_node() {
    let (mut a, mut b) = (node("a"), node("b"));
    publish(&mut a, 1, vec![with_weight("10.0.0.1", 1.0)], NOW_MS);
    publish(&mut a, 2, vec![with_weight("10.0.0.1", 2.0)], NOW_MS + 1);
    tell(&mut a, &mut b, NOW_MS);
    let both = [("10.0.0.1".to_owned(), 1.0), ("10.0.0.1".to_owned(), 2.0)];
    assert_eq!((weights(&mut a), weights(&mut b)), (both.to_vec(), both.to_vec()));
    publish(&mut b, 1, vec![with_weight("10.0.0.1", 3.0)], NOW_MS + 2);
    tell(&mut b, &mut a, NOW_MS);
    assert_eq!((weights(&mut a).len(), weights(&mut b).len()), (1, 1));
    b.drop_publisher(&Publisher::Connection(1), NOW_MS + 3);
    tell(&mut b, &mut a, NOW_MS);
    assert_eq!((weights(&mut a), weights(&mut b)), (both.to_vec(), both.to_vec()));
}

#[test]
fn another_cluster_port_or_service_is_another_instance() {
    let (mut a, mut b) = (node("a"), node("b"));
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    let others = vec![instance("10.0.0.1", 81), Instance { cluster: "c1".into(), ..instance("10.0.0.1", 80) }];
    publish(&mut b, 1, others, NOW_MS + 1);
    let other = ("public", "DEFAULT_GROUP", "other");
    b.publish(&Publisher::Connection(1), other, vec![instance("10.0.0.1", 80)], NOW_MS + 1).unwrap();
    assert_eq!(list(&mut b), ["10.0.0.1"; 3]);
    assert!(b.distro_publishers(KEY).iter().all(|of| of.hidden == 0));
}

#[test]
fn what_operators_say_of_an_instance_holds_whoever_publishes_it() {
    let (mut a, mut b) = (node("a"), node("b"));
    publish(&mut a, 1, vec![with_weight("10.0.0.1", 1.0)], NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    let name = InstanceName { ip: "10.0.0.1".into(), port: 80, cluster_name: "DEFAULT".into() };
    let say = |registry: &mut Registry, enabled: bool, weight: f64| {
        let change = MetadataChange::UpdateInstance {
            instance: name.clone(),
            enabled: Some(enabled),
            weight: Some(weight),
            metadata: None,
        };
        registry.change_metadata(KEY, change, NOW_MS).unwrap();
    };
    say(&mut b, true, 7.0);
    publish(&mut b, 1, vec![with_weight("10.0.0.1", 2.0)], NOW_MS + 1);
    assert_eq!(weights(&mut b), [("10.0.0.1".to_owned(), 7.0)]);
    assert_eq!(b.service_digest(KEY), digest_of(vec![with_weight("10.0.0.1", 7.0)]));
    say(&mut b, false, 7.0);
    assert_eq!((weights(&mut b), b.service_digest(KEY)), (Vec::new(), Some(0)));
    b.drop_publisher(&Publisher::Connection(1), NOW_MS + 2);
    assert_eq!((weights(&mut b), b.service_digest(KEY)), (Vec::new(), Some(0)));
    say(&mut b, true, 8.0);
    assert_eq!(b.service_digest(KEY), digest_of(vec![with_weight("10.0.0.1", 8.0)]));
}
