//! Answers byte for byte as recorded (protocol/answers), and which instances they show.

use super::*;

#[test]
fn a_grpc_answer_is_what_was_recorded() {
    let mut registry = registry();
    let key = ("public", "DEFAULT_GROUP", "demo-grpc");
    let mut given = instance("10.2.0.1", 80);
    given.metadata = Metadata::from_iter([("a", "1")]);
    given.instance_id = Some("10.2.0.1#80#DEFAULT#demo-grpc".into());
    registry.publish(&Publisher::Connection(1), key, vec![given], NOW_MS).unwrap();
    let mut out = Vec::new();
    registry.write_service_info(key, &View::default(), NOW_MS, &mut out);
    let expected = concat!(
        r#"{"name":"demo-grpc","groupName":"DEFAULT_GROUP","clusters":"","cacheMillis":10000,"hosts":["#,
        r#"{"instanceId":"10.2.0.1#80#DEFAULT#demo-grpc","ip":"10.2.0.1","port":80,"weight":1.0,"healthy":true,"#,
        r#""enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":"DEFAULT_GROUP@@demo-grpc","#,
        r#""metadata":{"a":"1"},"instanceHeartBeatInterval":5000,"instanceHeartBeatTimeOut":15000,"#,
        r#""ipDeleteTimeout":30000}],"lastRefTime":1795435036797,"checksum":"","allIps":false,"#,
        r#""reachProtectionThreshold":false,"valid":true}"#
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn an_http_answer_names_the_group_and_shows_the_newest_first() {
    let mut registry = registry();
    for (ip, metadata) in [("10.1.1.1", &[("a", "1")][..]), ("10.1.1.2", &[])] {
        let mut given = instance(ip, 80);
        given.metadata = metadata.iter().copied().collect();
        registry.publish(&beating(ip), KEY, vec![given], NOW_MS).unwrap();
    }
    let view = View { grouped_name: true, ..View::default() };
    let info = service_info(&mut registry, &view, NOW_MS);
    assert_eq!(info["name"], "DEFAULT_GROUP@@orders");
    assert_eq!(info["hosts"][0]["ip"], "10.1.1.2");
    assert_eq!(info["hosts"][0]["instanceIdGenerator"], "simple");
    assert_eq!(info["hosts"][1]["ip"], "10.1.1.1");
    assert!(info["hosts"][1].get("instanceIdGenerator").is_none());
    assert!(info["hosts"][0].get("instanceId").is_none());
}

#[test]
fn the_v3_client_list_is_the_array_alone() {
    let mut registry = registry();
    registry.publish(&beating("10.1.1.1"), KEY, vec![instance("10.1.1.1", 8080)], NOW_MS).unwrap();
    let mut out = Vec::new();
    registry.write_instances(KEY, &View { clusters: "DEFAULT", ..View::default() }, NOW_MS, &mut out);
    let expected = concat!(
        r#"[{"ip":"10.1.1.1","port":8080,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"#,
        r#""clusterName":"DEFAULT","serviceName":"DEFAULT_GROUP@@orders","metadata":{},"#,
        r#""instanceHeartBeatInterval":5000,"instanceHeartBeatTimeOut":15000,"ipDeleteTimeout":30000,"#,
        r#""instanceIdGenerator":"simple"}]"#
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn reserved_metadata_shows_in_the_computed_fields() {
    let mut registry = registry();
    let mut given = instance("10.1.1.1", 80);
    given.weight = 0.5;
    given.metadata = Metadata::from_iter([
        (BEAT_INTERVAL_KEY, "1000"),
        (BEAT_TIMEOUT_KEY, "3000"),
        (DELETE_TIMEOUT_KEY, "nonsense"),
        (ID_GENERATOR_KEY, "snowflake"),
        ("quote", "\"\n"),
    ]);
    registry.publish(&Publisher::Connection(1), KEY, vec![given], NOW_MS).unwrap();
    let info = service_info(&mut registry, &View::default(), NOW_MS);
    let host = &info["hosts"][0];
    assert_eq!(host["weight"], 0.5);
    assert_eq!(host["instanceHeartBeatInterval"], 1000);
    assert_eq!(host["instanceHeartBeatTimeOut"], 3000);
    assert_eq!(host["ipDeleteTimeout"], 30000);
    assert_eq!(host["instanceIdGenerator"], "snowflake");
    assert_eq!(host["metadata"]["quote"], "\"\n");
}

#[test]
fn an_unknown_service_has_no_hosts() {
    let info = service_info(&mut registry(), &View { clusters: "c1", ..View::default() }, NOW_MS);
    assert_eq!(info["name"], "orders");
    assert_eq!(info["clusters"], "c1");
    assert_eq!(info["hosts"], serde_json::json!([]));
    assert_eq!(info["lastRefTime"], NOW_MS);
}

#[test]
fn clusters_health_and_enabled_decide_what_is_shown() {
    let mut registry = registry();
    let mut batch = Vec::new();
    for (ip, cluster, healthy, enabled) in [
        ("10.0.0.1", "c1", true, true),
        ("10.0.0.2", "c2", true, true),
        ("10.0.0.3", "c1", false, true),
        ("10.0.0.4", "c1", true, false),
        ("10.0.0.5", "", true, true),
    ] {
        batch.push(Instance { cluster: cluster.into(), healthy, enabled, ..instance(ip, 80) });
    }
    registry.publish(&Publisher::Connection(1), KEY, batch, NOW_MS).unwrap();
    let mut list = |clusters, healthy_only| shown(&mut registry, &View { clusters, healthy_only, grouped_name: false });
    assert_eq!(list("", false), ["10.0.0.5", "10.0.0.3", "10.0.0.2", "10.0.0.1"]);
    assert_eq!(list("", true), ["10.0.0.5", "10.0.0.2", "10.0.0.1"]);
    assert_eq!(list("c1", false), ["10.0.0.3", "10.0.0.1"]);
    assert_eq!(list("c1,c2", true), ["10.0.0.2", "10.0.0.1"]);
    assert_eq!(list("DEFAULT", false), ["10.0.0.5"]);
    assert_eq!(list("c3", false), [""; 0]);
    // From what was kept: the same again.
    assert_eq!(list("", false), ["10.0.0.5", "10.0.0.3", "10.0.0.2", "10.0.0.1"]);
    assert_eq!(list("c1", false), ["10.0.0.3", "10.0.0.1"]);
}

#[test]
fn a_kept_view_does_not_outlive_a_change() {
    let mut registry = registry();
    for ip in ["10.0.0.1", "10.0.0.2"] {
        assert!(!shown(&mut registry, &View::default()).contains(&ip.to_owned()));
        registry.publish(&beating(ip), KEY, vec![instance(ip, 80)], NOW_MS).unwrap();
        assert_eq!(shown(&mut registry, &View::default())[0], ip);
    }
    registry.withdraw(&beating("10.0.0.2"), KEY, NOW_MS);
    assert_eq!(shown(&mut registry, &View::default()), ["10.0.0.1"]);
}

#[test]
fn a_new_publication_replaces_the_publishers_old_one() {
    let mut registry = registry();
    let publisher = Publisher::Connection(1);
    let batch = vec![instance("10.0.0.1", 80), instance("10.0.0.2", 80)];
    registry.publish(&publisher, KEY, batch, NOW_MS).unwrap();
    registry.publish(&publisher, KEY, vec![instance("10.0.0.3", 80)], NOW_MS).unwrap();
    assert_eq!(shown(&mut registry, &View::default()), ["10.0.0.3"]);
    registry.publish(&publisher, KEY, Vec::new(), NOW_MS).unwrap();
    assert_eq!(shown(&mut registry, &View::default()), [""; 0]);
    assert_eq!(registry.counts().instances, 0);
    assert!(registry.withdraw(&publisher, KEY, NOW_MS), "an empty publication is one");
    assert!(!registry.withdraw(&publisher, KEY, NOW_MS));
}

#[test]
fn equal_instances_of_two_publishers_show_once_and_count_twice() {
    let mut registry = registry();
    registry.publish(&Publisher::Connection(1), KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    let one = registry.service_digest(KEY).unwrap();
    registry.publish(&Publisher::Connection(2), KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    let two = registry.service_digest(KEY).unwrap();
    assert_eq!(shown(&mut registry, &View::default()), ["10.0.0.1"]);
    assert_eq!(two, one.wrapping_add(one));
    assert_ne!(two, 0);
    let other = Instance { weight: 2.0, ..instance("10.0.0.1", 80) };
    registry.publish(&Publisher::Connection(2), KEY, vec![other], NOW_MS).unwrap();
    assert_eq!(shown(&mut registry, &View::default()), ["10.0.0.1", "10.0.0.1"]);
}

#[test]
fn last_ref_time_grows_across_every_change_that_anyone_saw() {
    let mut registry = registry();
    let mut last = 0;
    let mut stamp = |registry: &mut Registry, now_ms: u64| {
        let stamp = service_info(registry, &View::default(), now_ms)["lastRefTime"].as_u64().unwrap();
        std::mem::replace(&mut last, stamp)..stamp
    };
    stamp(&mut registry, NOW_MS);
    registry.publish(&beating("10.0.0.1"), KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    let step = stamp(&mut registry, NOW_MS);
    assert!(step.start < step.end, "unknown, then known within the same millisecond: {step:?}");
    for change in 0..3u16 {
        registry.publish(&beating("10.0.0.1"), KEY, vec![instance("10.0.0.1", 81 + change)], NOW_MS).unwrap();
        let step = stamp(&mut registry, NOW_MS);
        assert!(step.start < step.end, "{step:?}");
    }
    let step = stamp(&mut registry, NOW_MS - 5_000);
    assert_eq!(step.start, step.end, "a clock that steps back does not make an answer older");
    let step = stamp(&mut registry, NOW_MS + 5_000);
    assert_eq!(step.end, NOW_MS + 5_000);
    let step = stamp(&mut registry, NOW_MS);
    assert_eq!(step.start, step.end, "nor where no change had moved the stamp ahead");
    registry.withdraw(&beating("10.0.0.1"), KEY, NOW_MS - 5_000);
    let step = stamp(&mut registry, NOW_MS - 5_000);
    assert!(step.start < step.end, "{step:?}");
    registry.take_changed();
    assert_eq!(registry.clean_empty_services(NOW_MS + 60_000, 60_000), 1);
    let step = stamp(&mut registry, NOW_MS - 5_000);
    assert_eq!(step.start, step.end, "nor does cleaning");
}
