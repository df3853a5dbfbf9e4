//! What operators say: services of their own, thresholds, overlays, and when it is dropped.

use super::*;
use crate::limits::SERVICE_LOOKS_COUNT;
use serde_json::{Value, json};

const KEPT_MS: u64 = 60_000;

fn change(registry: &mut Registry, key: KeyParts<'_>, change: Value) -> Result<(), String> {
    let change: MetadataChange = serde_json::from_value(change).unwrap();
    registry.change_metadata(key, change, NOW_MS).map_err(|error| error.to_string())
}

fn service(change: &str, ephemeral: bool, threshold: f64) -> Value {
    json!({"change": change, "ephemeral": ephemeral, "protectThreshold": threshold, "metadata": {"a": "1"},
        "selector": {"type": "label", "expression": "x"}})
}

fn name(ip: &str) -> Value {
    json!({"ip": ip, "port": 80, "clusterName": "DEFAULT"})
}

fn update(ip: &str, fields: Value) -> Value {
    let mut update = json!({"change": "instance.update", "instance": name(ip)});
    update.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    update
}

fn detail(registry: &Registry) -> Option<Value> {
    let mut out = Vec::new();
    registry.write_service_detail(KEY, &mut out).then(|| serde_json::from_slice(&out).unwrap())
}

fn encoded(registry: &Registry) -> Vec<u8> {
    let mut out = Vec::new();
    registry.encode_metadata(&mut out);
    out
}

#[test]
fn services_are_named_by_namespace_and_by_a_part_of_their_names() {
    let mut registry = registry();
    for key in [("public", "g", "b"), ("public", "g", "a"), ("n", "h", "a")] {
        change(&mut registry, key, service("service.create", false, 0.5)).unwrap();
    }
    let named = |namespace, part| registry.service_names(namespace, part);
    let of = |namespace, name: &str| (namespace, name.to_owned());
    assert_eq!(named(None, ""), [of("n", "h@@a"), of("public", "g@@a"), of("public", "g@@b")]);
    assert_eq!(named(Some("public"), "@a"), [of("public", "g@@a")]);
    assert_eq!(named(Some("other"), ""), []);
}

/// Two instances of two connections, the second one unhealthy.
fn two() -> Registry {
    let mut registry = registry();
    for (connection, ip) in [(1, "10.0.0.1"), (2, "10.0.0.2")] {
        let given = Instance { healthy: connection == 1, ..instance(ip, 80) };
        registry.publish(&Publisher::Connection(connection), KEY, vec![given], NOW_MS).unwrap();
    }
    registry
}

#[test]
fn a_created_service_is_there_without_instances_until_it_is_deleted() {
    let mut registry = registry();
    assert_eq!(detail(&registry), None);
    change(&mut registry, KEY, service("service.create", false, 0.5)).unwrap();
    registry.take_changed();
    registry.clean_empty_services(NOW_MS + 10 * KEPT_MS, KEPT_MS);
    assert_eq!(registry.list_services(KEY.0, KEY.1, 1, 10), (1, vec![KEY.2]));
    assert_eq!(
        detail(&registry).unwrap(),
        json!({"ephemeral": false, "protectThreshold": 0.5, "metadata": {"a": "1"}, "clusters": {},
            "selector": {"type": "label", "expression": "x"}})
    );
    let again = change(&mut registry, KEY, service("service.create", false, 0.5));
    assert_eq!(again.unwrap_err(), "specified service DEFAULT_GROUP@@orders already exists!");
    change(&mut registry, KEY, json!({"change": "service.delete"})).unwrap();
    assert_eq!((detail(&registry), registry.counts().services), (None, 0));
    assert!(encoded(&registry).ends_with(b"\"services\":[]}"));
}

#[test]
fn the_kind_of_a_created_service_is_as_it_was_created() {
    for ephemeral in [true, false] {
        let mut registry = registry();
        change(&mut registry, KEY, service("service.create", ephemeral, 0.0)).unwrap();
        assert_eq!(registry.service_is_ephemeral(KEY), Some(ephemeral));
        let published = registry.publish(&Publisher::Connection(1), KEY, vec![instance("10.0.0.1", 80)], NOW_MS);
        assert_eq!(published.is_ok(), ephemeral);
    }
}

#[test]
fn a_creation_wins_over_ephemeral_instances_that_only_one_node_may_hold() {
    let mut registry = two();
    change(&mut registry, KEY, service("service.create", false, 0.0)).unwrap();
    assert_eq!(registry.service_is_ephemeral(KEY), Some(false));
    change(&mut registry, KEY, json!({"change": "service.delete"})).unwrap();
    assert_eq!(registry.service_is_ephemeral(KEY), Some(true), "its instances are still there");
}

#[test]
fn a_service_with_persistent_instances_is_not_created_again_nor_deleted() {
    let mut registry = registry();
    registry.publish(&Publisher::address("10.0.0.1", 80, false), KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    assert!(change(&mut registry, KEY, service("service.create", false, 0.0)).is_err());
    let refused = change(&mut registry, KEY, json!({"change": "service.delete"})).unwrap_err();
    assert!(refused.contains("is not empty, can't be delete"), "{refused}");
}

#[test]
fn an_update_keeps_the_clusters_and_the_kind() {
    let mut registry = registry();
    change(&mut registry, KEY, service("service.create", false, 0.0)).unwrap();
    let cluster = json!({"healthChecker": {"type": "HTTP", "path": "/x"}, "healthyCheckPort": 81,
        "useInstancePortForCheck": false, "metadata": {"b": "2"}});
    change(&mut registry, KEY, json!({"change": "cluster.update", "clusterName": "c1", "cluster": cluster})).unwrap();
    change(&mut registry, KEY, service("service.update", true, 1.0)).unwrap();
    let detail = detail(&registry).unwrap();
    assert_eq!((&detail["ephemeral"], &detail["protectThreshold"]), (&json!(false), &json!(1.0)));
    let checker = json!({"type": "HTTP", "path": "/x", "headers": "", "expectedResponseCode": 200});
    assert_eq!(detail["clusters"]["c1"]["healthChecker"], checker);
    assert_eq!(detail["clusters"]["c1"]["metadata"], json!({"b": "2"}));
}

#[test]
fn protection_shows_all_as_healthy_where_the_ratio_is_equal() {
    let mut registry = two();
    let view = View::default();
    let healthy = |registry: &mut Registry, view: &View<'_>| {
        let info = service_info(registry, view, NOW_MS);
        let hosts = info["hosts"].as_array().unwrap().iter();
        (hosts.filter(|host| host["healthy"] == true).count(), info["reachProtectionThreshold"].clone())
    };
    assert_eq!(healthy(&mut registry, &view), (1, json!(false)), "nobody said anything of it");
    registry.take_changed();
    change(&mut registry, KEY, service("service.update", true, 0.5)).unwrap();
    assert_eq!(registry.take_changed(), [ServiceKey::new(KEY)], "subscribers hear of a threshold");
    assert_eq!(healthy(&mut registry, &view), (2, json!(true)));
    assert_eq!(healthy(&mut registry, &view), (2, json!(true)), "the view that was kept says the same");
    let only = View { healthy_only: true, ..View::default() };
    assert_eq!(healthy(&mut registry, &only), (1, json!(false)), "the ratio is that of what was left");
    change(&mut registry, KEY, service("service.update", true, 0.49)).unwrap();
    assert_eq!(healthy(&mut registry, &view), (1, json!(false)));
}

#[test]
fn a_threshold_of_0_protects_where_all_are_unhealthy_and_somebody_said_something() {
    let mut registry = registry();
    let given = Instance { healthy: false, ..instance("10.0.0.1", 80) };
    registry.publish(&Publisher::Connection(1), KEY, vec![given], NOW_MS).unwrap();
    assert_eq!(service_info(&mut registry, &View::default(), NOW_MS)["hosts"][0]["healthy"], false);
    change(&mut registry, KEY, service("service.update", true, 0.0)).unwrap();
    assert_eq!(service_info(&mut registry, &View::default(), NOW_MS)["hosts"][0]["healthy"], true);
}

#[test]
fn an_overlay_survives_that_the_instance_registers_again_and_is_seen_at_once() {
    let mut registry = two();
    registry.take_changed();
    change(&mut registry, KEY, update("10.0.0.1", json!({"weight": 3.5, "metadata": {"b": "2"}}))).unwrap();
    assert_eq!(registry.take_changed(), [ServiceKey::new(KEY)]);
    registry.drop_publisher(&Publisher::Connection(1), NOW_MS);
    let given = Instance { metadata: Metadata::from_iter([("b", "1"), ("a", "1")]), ..instance("10.0.0.1", 80) };
    registry.publish(&Publisher::Connection(3), KEY, vec![given], NOW_MS).unwrap();
    let host = service_info(&mut registry, &View::default(), NOW_MS)["hosts"][0].clone();
    assert_eq!((&host["weight"], &host["metadata"]), (&json!(3.5), &json!({"a": "1", "b": "2"})));
    change(&mut registry, KEY, update("10.0.0.1", json!({"enabled": false}))).unwrap();
    assert_eq!(shown(&mut registry, &View::default()), ["10.0.0.2"]);
    let mut all = Vec::new();
    registry.write_all_instances(KEY, &mut all);
    let all: Value = serde_json::from_slice(&all).unwrap();
    assert_eq!((&all[0]["enabled"], &all[0]["weight"]), (&json!(false), &json!(3.5)), "the weight was not touched");
}

#[test]
fn an_overlay_shows_what_the_registrant_disabled() {
    let mut registry = registry();
    let given = Instance { enabled: false, ..instance("10.0.0.1", 80) };
    registry.publish(&Publisher::Connection(1), KEY, vec![given], NOW_MS).unwrap();
    assert!(shown(&mut registry, &View::default()).is_empty());
    change(&mut registry, KEY, update("10.0.0.1", json!({"enabled": true}))).unwrap();
    assert_eq!(shown(&mut registry, &View::default()), ["10.0.0.1"]);
}

#[test]
fn pairs_are_added_to_many_and_taken_out_again_up_to_a_length() {
    let mut registry = two();
    let both = [name("10.0.0.1"), name("10.0.0.2")];
    let merge = |pairs: Value| json!({"change": "instances.merge", "instances": both, "metadata": pairs});
    change(&mut registry, KEY, merge(json!({"a": "1", "b": "1"}))).unwrap();
    change(&mut registry, KEY, merge(json!({"b": "2"}))).unwrap();
    let metadata = |registry: &mut Registry| {
        let info = service_info(registry, &View::default(), NOW_MS);
        [0, 1].map(|at| info["hosts"][at]["metadata"].clone())
    };
    assert_eq!(metadata(&mut registry), [json!({"a": "1", "b": "2"}), json!({"a": "1", "b": "2"})]);
    let before = encoded(&registry);
    let too_long = change(&mut registry, KEY, merge(json!({"c": "v".repeat(1020)}))).unwrap_err();
    assert!(too_long.contains("should not exceed 1024"), "{too_long}");
    let services = |bytes: &[u8]| bytes[bytes.windows(10).position(|part| part == b"\"services\"").unwrap()..].to_vec();
    assert_eq!(services(&encoded(&registry)), services(&before), "nothing has changed");
    let strip = json!({"change": "instances.strip", "instances": both, "keys": ["a", "b", "never there"]});
    change(&mut registry, KEY, strip).unwrap();
    assert_eq!(metadata(&mut registry), [json!({}), json!({})]);
    assert!(encoded(&registry).ends_with(b"\"services\":[]}"), "what says nothing is not kept");
}

#[test]
fn health_is_set_of_persistent_instances_only() {
    let mut registry = two();
    let health = |ip: &str| json!({"change": "instance.health", "instance": name(ip), "healthy": false});
    let (key, publisher) = (("public", "g", "p"), Publisher::address("10.0.0.1", 80, false));
    registry.publish(&publisher, key, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    change(&mut registry, key, health("10.0.0.1")).unwrap();
    change(&mut registry, key, health("10.9.9.9")).unwrap();
    change(&mut registry, KEY, health("10.0.0.1")).unwrap();
    assert!(!registry.instances(key).next().unwrap().1.healthy);
    assert!(registry.instances(KEY).next().unwrap().1.healthy, "that is the connection's");
}

/// What `expired_metadata` finds goes back as the command that it becomes.
fn expire(registry: &mut Registry, now_ms: u64, sees_all: bool) -> usize {
    let found = registry.expired_metadata(now_ms, KEPT_MS, sees_all);
    for (key, expiry) in &found {
        registry.change_metadata(key.parts(), MetadataChange::Expire(expiry.clone()), now_ms).unwrap();
    }
    found.len()
}

#[test]
fn an_overlay_is_dropped_some_time_after_its_instance_was_seen_to_go() {
    let mut registry = two();
    change(&mut registry, KEY, update("10.0.0.1", json!({"weight": 2.0}))).unwrap();
    change(&mut registry, KEY, update("10.9.9.9", json!({"weight": 2.0}))).unwrap();
    assert_eq!(expire(&mut registry, NOW_MS, false), 0);
    registry.drop_publisher(&Publisher::Connection(1), NOW_MS);
    assert_eq!(expire(&mut registry, NOW_MS, false), 0);
    assert_eq!(expire(&mut registry, NOW_MS + KEPT_MS - 1, false), 0);
    assert_eq!(expire(&mut registry, NOW_MS + KEPT_MS, false), 1);
    let left = String::from_utf8(encoded(&registry)).unwrap();
    assert!(!left.contains("10.0.0.1:80") && left.contains("10.9.9.9:80"), "never seen here, so it may be elsewhere");
    assert_eq!(expire(&mut registry, NOW_MS, true), 0);
    assert_eq!(expire(&mut registry, NOW_MS + KEPT_MS, true), 1);
    assert!(encoded(&registry).ends_with(b"\"services\":[]}"));
}

#[test]
fn what_was_changed_since_it_was_looked_at_or_is_persistent_again_stays() {
    let mut registry = registry();
    change(&mut registry, KEY, update("10.0.0.1", json!({"weight": 2.0}))).unwrap();
    registry.expired_metadata(NOW_MS, KEPT_MS, true);
    let found = registry.expired_metadata(NOW_MS + KEPT_MS, KEPT_MS, true);
    let drop = |registry: &mut Registry| {
        registry.change_metadata(KEY, MetadataChange::Expire(found[0].1.clone()), NOW_MS).unwrap();
        String::from_utf8(encoded(registry)).unwrap().contains("10.0.0.1:80")
    };
    let publisher = Publisher::address("10.0.0.1", 80, false);
    registry.publish(&publisher, KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    assert!(drop(&mut registry), "it is back");
    registry.withdraw(&publisher, KEY, NOW_MS);
    change(&mut registry, KEY, update("10.0.0.1", json!({"weight": 3.0}))).unwrap();
    assert!(drop(&mut registry), "it is another by now");
}

#[test]
fn metadata_of_a_service_that_was_only_registered_goes_with_it() {
    let mut registry = two();
    change(&mut registry, KEY, service("service.update", true, 0.5)).unwrap();
    assert_eq!(expire(&mut registry, NOW_MS, false), 0);
    for connection in [1, 2] {
        registry.drop_publisher(&Publisher::Connection(connection), NOW_MS);
    }
    registry.take_changed();
    assert_eq!(registry.clean_empty_services(NOW_MS + KEPT_MS, KEPT_MS), 1);
    assert_eq!(expire(&mut registry, NOW_MS, false), 0);
    assert_eq!(expire(&mut registry, NOW_MS + KEPT_MS, false), 1);
    assert!(encoded(&registry).ends_with(b"\"services\":[]}"));
    registry.take_changed();
    registry.clean_empty_services(NOW_MS + KEPT_MS, KEPT_MS);
    assert!(registry.services.find(KEY).is_none(), "nothing is left of it");
}

#[test]
fn a_snapshot_replaces_all_metadata_and_gives_the_very_same_numbers_back() {
    let mut from = registry();
    change(&mut from, ("public", "g", "b"), service("service.create", false, 0.1)).unwrap();
    change(&mut from, ("public", "g", "a"), update("10.0.0.1", json!({"weight": 0.1 + 0.2}))).unwrap();
    let bytes = encoded(&from);
    let mut to = registry();
    change(&mut to, KEY, service("service.create", false, 0.5)).unwrap();
    to.restore_metadata(DecodedMetadata::decode(&bytes).unwrap(), NOW_MS);
    assert_eq!(encoded(&to), bytes);
    assert_eq!(to.service_is_ephemeral(("public", "g", "b")), Some(false));
    assert_eq!(to.list_services("public", "g", 1, 10), (1, vec!["b"]));
    assert_eq!(detail(&to).unwrap()["protectThreshold"], 0.0, "nothing is said any more of what is not in it");
    for registry in [&mut from, &mut to] {
        change(registry, ("public", "g", "a"), update("10.0.0.1", json!({"enabled": true}))).unwrap();
    }
    assert_eq!(encoded(&to), encoded(&from), "both go on alike");
}

#[test]
fn a_snapshot_that_is_none_is_refused() {
    assert!(DecodedMetadata::decode(b"").is_ok(), "from before there was metadata");
    for bad in [&b"NPI\x01"[..], b"NMD\x02{}", b"NMD\x01", b"NMD\x01{\"revision\":1,\"services\":[7]}"] {
        assert!(DecodedMetadata::decode(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn services_are_paged_by_parts_of_their_names() {
    let mut registry = two();
    for name in ["order-b", "order-a", "other"] {
        change(&mut registry, ("public", "g", name), service("service.create", false, 0.0)).unwrap();
    }
    let page = |group: &str, name: &str, with_empty, page_no, size| -> Value {
        let mut search = ServiceSearch::new("public", (group, name), with_empty, page_no, size);
        assert!(registry.search_services(&mut search));
        serde_json::from_slice(&search.to_json()).unwrap()
    };
    let names = |page: &Value| {
        let views = page["serviceList"].as_array().unwrap().iter();
        (page["count"].as_u64().unwrap(), views.map(|view| view["name"].as_str().unwrap().to_owned()).collect())
    };
    let expect = |count, names: &[&str]| (count, names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(names(&page("", "", true, 1, 2)), expect(4, &["orders", "order-a"]));
    assert_eq!(names(&page("", "", true, 2, 2)), expect(4, &["order-b", "other"]));
    assert_eq!(names(&page("g", "order", true, 0, 10)), expect(2, &["order-a", "order-b"]));
    let view = &page("", "", false, 1, 10)["serviceList"];
    let expected = json!([{"name": "orders", "groupName": "DEFAULT_GROUP", "clusterCount": 1, "ipCount": 2,
        "healthyInstanceCount": 1, "triggerFlag": "false"}]);
    assert_eq!(*view, expected);
}

#[test]
fn services_are_looked_through_in_pieces_while_others_come() {
    let mut registry = Registry::new([7; 16]);
    let count = 2 * SERVICE_LOOKS_COUNT + 7;
    let publish = |registry: &mut Registry, name: &str| {
        registry.publish(&Publisher::Connection(1), ("public", "g", name), vec![instance("10.0.0.1", 1)], 1).unwrap();
    };
    (0..count).for_each(|number| publish(&mut registry, &format!("{number:06}")));
    registry.publish(&Publisher::Connection(1), ("q", "g", "x"), vec![instance("10.0.0.1", 1)], 1).unwrap();
    let mut search = ServiceSearch::new("public", ("", ""), false, 2, 100);
    let mut pieces_count = 1;
    while !registry.search_services(&mut search) {
        // Those that come behind it are found, those before it are not.
        publish(&mut registry, "/");
        pieces_count += 1;
    }
    assert_eq!(pieces_count, 3);
    let page: Value = serde_json::from_slice(&search.to_json()).unwrap();
    assert_eq!((&page["count"], &page["serviceList"][0]["name"]), (&json!(count), &json!("000100")));
    assert_eq!(page["serviceList"].as_array().unwrap().len(), 100);
}

#[test]
fn many_instances_take_a_turn_of_their_own() {
    let mut registry = Registry::new([7; 16]);
    for name in ["a", "b", "c"] {
        let instances = (0..SERVICE_LOOKS_COUNT).map(|port| instance("10.0.0.1", port as u16)).collect();
        registry.publish(&Publisher::Connection(1), ("public", "g", name), instances, 1).unwrap();
    }
    let mut search = ServiceSearch::new("public", ("", ""), true, 1, 2);
    let turns: Vec<_> = std::iter::from_fn(|| Some(registry.search_services(&mut search))).take(3).collect();
    assert_eq!(turns, [false, false, true]);
}
