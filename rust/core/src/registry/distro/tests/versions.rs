//! Which of two records counts.

use super::*;

#[test]
fn what_one_node_has_the_other_shows() {
    let (mut a, mut b) = (node("a"), node("b"));
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    beat_first(&mut a, "10.0.0.2", NOW_MS);
    let applied = tell(&mut a, &mut b, NOW_MS);
    assert_eq!(applied, Applied { applied: 2, older: 0, ours: Vec::new() });
    assert_eq!(list(&mut b), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(figures(&b, ("a", 1)), figures(&a, ("a", 1)));
    assert_eq!((figures(&b, ("a", 1)).0, figures(&b, ("b", 1))), (2, (0, 0, 0)));
    assert_eq!(b.service_digest(KEY), a.service_digest(KEY));
    assert_eq!(b.take_changed().len(), 1);
    assert_eq!(a.distro_take_changes(ALL), None, "told once");
    assert_eq!(b.distro_take_changes(ALL), None, "only the holder tells");
}

#[test]
fn every_field_of_an_instance_arrives() {
    let (mut a, mut b) = (node("a"), node("b"));
    let given = Instance {
        weight: 2.5,
        healthy: false,
        enabled: true,
        cluster: "c1".into(),
        metadata: [("a", "1"), ("b", "")].into_iter().collect(),
        instance_id: Some("".into()),
        ..instance("host", 0)
    };
    a.publish(&Publisher::Connection(1), KEY, vec![given.clone(), instance("10.0.0.1", 1)], NOW_MS).unwrap();
    a.publish(&Publisher::Connection(2), KEY, Vec::new(), NOW_MS).unwrap();
    tell(&mut a, &mut b, NOW_MS);
    let found: Vec<_> = b.instances(KEY).map(|(_, instance)| instance.clone()).collect();
    assert_eq!(found, [given, instance("10.0.0.1", 1)]);
    assert_eq!(figures(&b, ("a", 1)), figures(&a, ("a", 1)));
    assert_eq!(figures(&a, ("a", 1)).0, 2, "an empty publication is a record, too");
}

#[test]
fn an_older_version_never_wins() {
    let (mut a, mut b) = (node("a"), node("b"));
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    let first = changes(&mut a);
    register(&mut a, 1, "10.0.0.2", NOW_MS);
    let second = changes(&mut a);
    for (batch, applied) in [(&second, 1), (&first, 0), (&second, 0)] {
        assert_eq!(b.distro_apply(batch, NOW_MS).unwrap().applied, applied);
        assert_eq!(list(&mut b), ["10.0.0.2"]);
    }
    assert_eq!(figures(&b, ("a", 1)), figures(&a, ("a", 1)));
}

#[test]
fn what_was_removed_does_not_come_back_with_a_late_message() {
    let (mut a, mut b) = (node("a"), node("b"));
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    beat_first(&mut a, "10.0.0.2", NOW_MS);
    let there = changes(&mut a);
    a.drop_publisher(&Publisher::Connection(1), NOW_MS);
    assert!(a.withdraw(&Publisher::address("10.0.0.2", 80, true), KEY, NOW_MS));
    let gone = changes(&mut a);
    // Once with the records known before, once without.
    let mut c = node("c");
    c.distro_apply(&there, NOW_MS).unwrap();
    for registry in [&mut b, &mut c] {
        assert_eq!(registry.distro_apply(&gone, NOW_MS).unwrap().applied, 2);
        let late = registry.distro_apply(&there, NOW_MS).unwrap();
        assert_eq!((late.applied, late.older, late.ours.is_empty()), (0, 2, false));
        assert!(list(registry).is_empty());
        assert_eq!(figures(registry, ("a", 1)), (0, 0, 0), "what was removed is in no digest");
        assert_eq!(registry.counts().instances, 0);
    }
}

#[test]
fn a_removal_is_remembered_until_all_know_it_or_it_is_old() {
    let (mut a, mut b) = (node("a"), node("b"));
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    let there = changes(&mut a);
    a.drop_publisher(&Publisher::Connection(1), NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    assert_eq!(a.distro_forget_removals(NOW_MS + 1_000_000, 1), 0, "its revision is 2");
    assert_eq!(a.distro_forget_removals(NOW_MS, 2), 1);
    assert_eq!(b.distro_forget_removals(NOW_MS + 59_999, u64::MAX), 0, "another's, and not old");
    assert_eq!(b.distro_apply(&there, NOW_MS).unwrap().applied, 0);
    assert_eq!(b.distro_forget_removals(NOW_MS + 60_000, 0), 1);
    assert_eq!(b.distro_apply(&there, NOW_MS).unwrap().applied, 1, "nobody knows better any more");
}

#[test]
fn what_comes_back_after_a_removal_is_newer_than_it() {
    let (mut a, mut b) = (node("a"), node("b"));
    for publisher in [Publisher::Connection(1), Publisher::address("10.0.0.2", 80, true)] {
        a.publish(&publisher, KEY, vec![instance("10.0.0.2", 80)], NOW_MS).unwrap();
        tell(&mut a, &mut b, NOW_MS);
        assert!(a.withdraw(&publisher, KEY, NOW_MS));
        tell(&mut a, &mut b, NOW_MS);
        assert!(list(&mut b).is_empty());
        a.publish(&publisher, KEY, vec![instance("10.0.0.2", 80)], NOW_MS).unwrap();
        assert_eq!(tell(&mut a, &mut b, NOW_MS).applied, 1);
        assert_eq!(list(&mut b), ["10.0.0.2"]);
        assert_eq!(a.distro_forget_removals(NOW_MS, u64::MAX), 0, "it is no removal any more");
        a.withdraw(&publisher, KEY, NOW_MS);
        tell(&mut a, &mut b, NOW_MS);
        assert_eq!(a.distro_forget_removals(NOW_MS, u64::MAX), 1);
    }
}

#[test]
fn only_the_newest_state_is_told_and_in_portions() {
    let (mut a, mut b) = (node("a"), node("b"));
    for number in 0..10 {
        register(&mut a, number, &format!("10.0.0.{number}"), NOW_MS);
    }
    for number in 0..5 {
        register(&mut a, number, &format!("10.0.1.{number}"), NOW_MS);
    }
    a.drop_publisher(&Publisher::Connection(9), NOW_MS);
    let mut portions = Vec::new();
    while let Some(batch) = a.distro_take_changes(200) {
        portions.push(b.distro_apply(&batch, NOW_MS).unwrap().applied);
    }
    assert_eq!(portions.iter().sum::<usize>(), 10);
    assert!(portions.len() >= 4, "{portions:?}");
    assert_eq!(list(&mut a), list(&mut b));
    assert_eq!(a.distro_take_changes(1), None);
    register(&mut a, 0, "10.0.1.0", NOW_MS);
    assert_eq!(a.distro_take_changes(ALL), None, "a registration that changes nothing is no change");
    // One that is larger than the limit is told all the same.
    register(&mut a, 0, "10.0.2.0", NOW_MS);
    assert!(a.distro_take_changes(0).is_some());
}

#[test]
fn beats_are_told_only_when_they_heal() {
    let (mut a, mut b) = (node("a"), node("b"));
    beat_first(&mut a, "10.0.0.1", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    a.beat("10.0.0.1", 80, KEY, NOW_MS + 5_000);
    assert_eq!(a.distro_take_changes(ALL), None);
    assert_eq!(a.expire(NOW_MS + 21_000, true).unhealthy, 1);
    assert_eq!(b.expire(NOW_MS + 100_000, true).unhealthy, 0, "only the holder times its beats");
    tell(&mut a, &mut b, NOW_MS);
    assert_eq!(service_info(&mut b, &View::default(), NOW_MS)["hosts"][0]["healthy"], false);
    a.beat("10.0.0.1", 80, KEY, NOW_MS + 22_000);
    tell(&mut a, &mut b, NOW_MS);
    assert_eq!(service_info(&mut b, &View::default(), NOW_MS)["hosts"][0]["healthy"], true);
    assert_eq!(a.expire(NOW_MS + 100_000, true).removed, 1);
    tell(&mut a, &mut b, NOW_MS);
    assert!(list(&mut b).is_empty());
}

#[test]
fn nobody_else_changes_what_a_node_holds_in_this_run() {
    let (mut a, mut b, mut c) = (node("a"), node("b"), node("c"));
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    let (held, _) = b.distro_load(b"", ALL).unwrap();
    c.distro_apply(&held, NOW_MS).unwrap();
    // It comes back from one that has not heard of the end, after this node has forgotten it as well.
    a.drop_publisher(&Publisher::Connection(1), NOW_MS);
    a.distro_forget_removals(NOW_MS, u64::MAX);
    let applied = a.distro_apply(&held, NOW_MS).unwrap();
    assert_eq!((applied.applied, applied.older), (0, 1));
    assert!(list(&mut a).is_empty());
    // In its next run it is another holder's record like any other.
    let mut again = run("a", 2);
    assert_eq!(again.distro_apply(&held, NOW_MS).unwrap().applied, 1);
    assert_eq!(list(&mut again), ["10.0.0.1"]);
    assert_eq!(figures(&again, ("a", 1)), figures(&c, ("a", 1)));
    assert_eq!(figures(&again, ("a", 2)), (0, 0, 0));
}

#[test]
fn of_two_nodes_that_made_the_same_record_all_choose_the_same() {
    // The epoch decides first, then the name, then the run, then the revision.
    let (mut a, mut b) = (node("a"), node("b"));
    for _ in 0..3 {
        beat_first(&mut a, "10.0.0.1", NOW_MS);
        a.withdraw(&Publisher::address("10.0.0.1", 80, true), KEY, NOW_MS);
    }
    beat_first(&mut a, "10.0.0.1", NOW_MS);
    // A registration later than all that a has, so that both agree with the versions.
    beat_first(&mut b, "10.0.0.1", NOW_MS + 100);
    let (of_a, of_b) = (changes(&mut a), changes(&mut b));
    let told = b.distro_apply(&of_a, NOW_MS).unwrap();
    assert_eq!((told.applied, told.older, told.ours.is_empty()), (0, 1, false), "the sender does not know");
    assert_eq!(a.distro_apply(&of_b, NOW_MS).unwrap().applied, 1);
    assert_eq!(a.distro_apply(&told.ours, NOW_MS).unwrap().applied, 0, "heard of already");
    for registry in [&a, &b] {
        assert_eq!(all_figures(registry), all_figures(&b));
        assert_eq!(&*registry.distro_publishers(KEY)[0].node_id, "b");
    }
    assert_eq!(a.expire(NOW_MS + 100_000, true), Default::default(), "it is not timed here any more");
    // A later run of the same node is newer than an earlier one, whatever their revisions.
    let mut later = run("a", 2);
    beat_first(&mut later, "10.0.0.7", NOW_MS);
    let mut earlier = node("a");
    for ip in ["10.0.0.8", "10.0.0.7"] {
        beat_first(&mut earlier, ip, NOW_MS);
    }
    let (of_later, of_earlier) = (changes(&mut later), changes(&mut earlier));
    let mut c = node("c");
    c.distro_apply(&of_later, NOW_MS).unwrap();
    assert_eq!(c.distro_apply(&of_earlier, NOW_MS).unwrap().applied, 1, "only the other address");
}

#[test]
fn replication_begins_before_the_first_registration_or_not_at_all() {
    let mut registry = Registry::new([7; 16]);
    assert_eq!(registry.distro_apply(b"NPB\x01\0\0\0\0\0\0\0\0", NOW_MS), Err(DistroError::NotOpen));
    assert_eq!(registry.distro_load(b"", ALL), Err(DistroError::NotOpen));
    assert_eq!(registry.distro_take_changes(ALL), None);
    assert!(registry.distro_holders().is_empty());
    register(&mut registry, 1, "10.0.0.1", NOW_MS);
    assert_eq!(registry.distro_open("a", 1), Err(DistroError::TooLate));
    assert_eq!(registry.distro_publishers(KEY)[0].published_ms, None);
    assert_eq!(node("a").distro_open("a", 1), Err(DistroError::TooLate));
    assert_eq!(Registry::new([7; 16]).distro_open(&"a".repeat(256), 1), Err(DistroError::NodeIdTooLong(256)));
}

#[test]
fn persistent_publications_are_the_logs() {
    let mut a = node("a");
    a.publish(&Publisher::address("10.0.0.1", 80, false), KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    assert_eq!((a.distro_take_changes(ALL), figures(&a, ("a", 1))), (None, (0, 0, 0)));
    assert!(a.distro_publishers(KEY).is_empty());
    a.withdraw(&Publisher::address("10.0.0.1", 80, false), KEY, NOW_MS);
    assert_eq!(a.distro_take_changes(ALL), None);
    // Another node took a registration before it knew that the service is persistent: it is shown all the same.
    a.publish(&Publisher::address("10.0.0.1", 80, false), KEY, vec![instance("10.0.0.1", 80)], NOW_MS).unwrap();
    let mut b = node("b");
    register(&mut b, 1, "10.0.0.2", NOW_MS);
    assert_eq!(tell(&mut b, &mut a, NOW_MS).applied, 1);
    assert_eq!(list(&mut a), ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn a_node_that_stops_says_nothing_of_what_ends_with_it() {
    let (mut a, mut b) = (node("a"), node("b"));
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    register(&mut a, 2, "10.0.0.2", NOW_MS);
    a.distro_leave();
    a.drop_publisher(&Publisher::Connection(1), NOW_MS);
    register(&mut a, 3, "10.0.0.3", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    assert_eq!(list(&mut b), ["10.0.0.1", "10.0.0.2"], "what was noted before is told");
    assert_eq!(a.distro_take_changes(ALL), None);
}
