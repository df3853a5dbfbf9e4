//! Services are found by names of DNS.

use super::*;

fn registry_of(services: &[(&str, &str, &str)]) -> Registry {
    let mut registry = registry();
    for (number, key) in (1..).zip(services) {
        registry.publish(&Publisher::Connection(number), *key, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    }
    registry
}

fn found(registry: &Registry, name: &str) -> Vec<(String, String)> {
    let services = registry.dotted("PUBLIC", name).services;
    services.iter().map(|key| (key.name().to_owned(), key.group().to_owned())).collect()
}

fn named(services: &[(&str, &str)]) -> Vec<(String, String)> {
    services.iter().map(|(name, group)| ((*name).to_owned(), (*group).to_owned())).collect()
}

#[test]
fn a_service_is_found_in_any_case_in_its_own_namespace() {
    let registry = registry_of(&[("public", "DEFAULT_GROUP", "Orders"), ("dev", "DEFAULT_GROUP", "orders")]);
    assert_eq!(found(&registry, "ordeRS.default_group"), named(&[("Orders", "DEFAULT_GROUP")]));
    assert_eq!(found(&registry, "order.default_group"), []);
    assert_eq!(found(&registry, "default_group"), []);
    assert_eq!(found(&registry, ".default_group"), []);
}

#[test]
fn where_dots_can_be_read_in_several_ways_the_longest_service_comes_first() {
    let registry = registry_of(&[("public", "b.c", "a"), ("public", "c", "a.b"), ("public", "x", "a.b")]);
    assert_eq!(found(&registry, "a.b.c"), named(&[("a.b", "c"), ("a", "b.c")]));
}

#[test]
fn names_above_services_are_known_as_such() {
    let registry = registry_of(&[("public", "b.c", "y.a")]);
    let is_above = |name: &str| registry.dotted("public", name).is_above;
    assert!(["c", "b.c", "B.C", "a.b.c"].into_iter().all(is_above));
    assert!(!["", "y.a.b.c", "x.b.c", "b", ".c", "ä.b.c"].into_iter().any(is_above));
}
