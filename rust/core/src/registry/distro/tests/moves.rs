//! Records that change their holder, and holders that go.

use super::*;
use crate::registry::Beat;

#[test]
fn a_beat_takes_an_address_over_and_its_time_starts_anew() {
    let (mut a, mut b) = (node("a"), node("b"));
    beat_first(&mut a, "10.0.0.1", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    let before = b.distro_publishers(KEY);
    assert_eq!((&*before[0].node_id, before[0].epoch, before[0].last_beat_ms), ("a", 0, None));
    assert_ne!(b.beat("10.0.0.1", 80, KEY, NOW_MS + 14_000), Beat::Unknown);
    let after = &b.distro_publishers(KEY)[0];
    assert_eq!((&*after.node_id, after.epoch, after.last_beat_ms), ("b", 1, Some(NOW_MS + 14_000)));
    assert_eq!(after.published_ms, Some(NOW_MS), "it was not registered again");
    assert_eq!(figures(&b, ("a", 1)), (0, 0, 0));
    assert_eq!(tell(&mut b, &mut a, NOW_MS).applied, 1);
    assert_eq!(all_figures(&a), all_figures(&b));
    assert_eq!(a.expire(NOW_MS + 100_000, true), Default::default(), "it is not the old holder's any more");
    assert_eq!(b.expire(NOW_MS + 29_000, true), Default::default());
    assert_eq!(b.expire(NOW_MS + 29_001, true).unhealthy, 1);
    // And back: what either node says next is newer.
    a.beat("10.0.0.1", 80, KEY, NOW_MS + 30_000);
    assert_eq!((a.distro_publishers(KEY)[0].epoch, a.distro_publishers(KEY)[0].revision), (2, 2));
    assert_eq!(tell(&mut a, &mut b, NOW_MS).applied, 1);
    b.beat("10.0.0.9", 80, KEY, NOW_MS);
    assert_eq!(all_figures(&a), all_figures(&b));
}

#[test]
fn registering_and_deregistering_elsewhere_take_over_as_well() {
    let (mut a, mut b) = (node("a"), node("b"));
    beat_first(&mut a, "10.0.0.1", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    beat_first(&mut b, "10.0.0.1", NOW_MS + 1);
    let view = &b.distro_publishers(KEY)[0];
    assert_eq!((&*view.node_id, view.epoch, view.published_ms), ("b", 1, Some(NOW_MS + 1)));
    assert_eq!(tell(&mut b, &mut a, NOW_MS).applied, 1);
    assert!(a.withdraw(&Publisher::address("10.0.0.1", 80, true), KEY, NOW_MS + 1));
    assert_eq!(tell(&mut a, &mut b, NOW_MS).applied, 1);
    assert!(list(&mut b).is_empty());
    assert_eq!(b.distro_forget_removals(NOW_MS, u64::MAX), 0, "it is another's, and not old");
    // The removal has epoch 2 and is another holder's: coming back here is epoch 3.
    beat_first(&mut b, "10.0.0.1", NOW_MS + 2);
    assert_eq!(b.distro_publishers(KEY)[0].epoch, 3);
    assert_eq!(tell(&mut b, &mut a, NOW_MS).applied, 1);
    assert_eq!(a.distro_forget_removals(NOW_MS, u64::MAX), 0, "it is no removal any more");
    assert_eq!(all_figures(&a), all_figures(&b));
}

#[test]
fn an_old_holder_that_does_not_know_is_told() {
    let (mut a, mut b) = (node("a"), node("b"));
    beat_first(&mut a, "10.0.0.1", NOW_MS);
    beat_first(&mut a, "10.0.0.2", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    // Apart from each other, b takes both over and ends one.
    b.beat("10.0.0.1", 80, KEY, NOW_MS);
    b.withdraw(&Publisher::address("10.0.0.2", 80, true), KEY, NOW_MS);
    b.distro_take_changes(ALL);
    a.expire(NOW_MS + 16_000, false);
    let claimed = changes(&mut a);
    let applied = b.distro_apply(&claimed, NOW_MS).unwrap();
    assert_eq!((applied.applied, applied.older), (0, 2));
    assert_eq!(a.distro_apply(&applied.ours, NOW_MS).unwrap().applied, 2);
    assert_eq!(all_figures(&a), all_figures(&b));
    assert_eq!(list(&mut a), ["10.0.0.1"]);
}

#[test]
fn what_a_holder_removed_before_it_went_is_put_right_by_whoever_knows() {
    let (mut a, mut b, mut c) = (node("a"), node("b"), node("c"));
    beat_first(&mut a, "10.0.0.1", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    a.withdraw(&Publisher::address("10.0.0.1", 80, true), KEY, NOW_MS);
    // Only c hears of it, and the holder is gone.
    tell(&mut a, &mut c, NOW_MS);
    let (shown, _) = b.distro_load(b"", ALL).unwrap();
    let told = c.distro_apply(&shown, NOW_MS).unwrap();
    assert_eq!((told.applied, told.older), (0, 1));
    assert_eq!(b.distro_apply(&told.ours, NOW_MS).unwrap().applied, 1);
    assert!(list(&mut b).is_empty());
}

#[test]
fn what_fell_silent_elsewhere_and_beats_here_is_not_removed() {
    let (mut a, mut b, mut c) = (node("a"), node("b"), node("c"));
    for ip in ["10.0.0.1", "10.0.0.2"] {
        beat_first(&mut a, ip, NOW_MS);
    }
    let all = changes(&mut a);
    b.distro_apply(&all, NOW_MS).unwrap();
    c.distro_apply(&all, NOW_MS).unwrap();
    // Apart from a, b takes both over. One falls silent there, the other deregisters there.
    assert_eq!(b.distro_adopt(("a", 1), NOW_MS + 10_000), 2);
    a.beat("10.0.0.1", 80, KEY, NOW_MS + 39_000);
    a.beat("10.0.0.2", 80, KEY, NOW_MS + 39_000);
    b.withdraw(&Publisher::address("10.0.0.2", 80, true), KEY, NOW_MS + 11_000);
    assert_eq!(b.expire(NOW_MS + 40_001, true).removed, 1);
    let removals = changes(&mut b);
    c.distro_apply(&removals, NOW_MS).unwrap();
    assert!(list(&mut c).is_empty());
    a.distro_apply(&removals, NOW_MS + 40_002).unwrap();
    assert_eq!(list(&mut a), ["10.0.0.1"]);
    let again = &a.distro_publishers(KEY)[0];
    assert_eq!((&*again.node_id, again.epoch, again.last_beat_ms), ("a", 2, Some(NOW_MS + 39_000)));
    let again = changes(&mut a);
    for other in [&mut b, &mut c] {
        assert_eq!(other.distro_apply(&again, NOW_MS).unwrap().applied, 1);
        assert_eq!(list(other), ["10.0.0.1"]);
        assert_eq!(all_figures(&a), all_figures(other));
    }
}

#[test]
fn addresses_of_a_dead_holder_are_adopted_and_its_connections_dropped() {
    let (mut a, mut b) = (node("a"), node("b"));
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    beat_first(&mut a, "10.0.0.2", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    b.take_changed();
    assert_eq!(b.distro_adopt(("a", 1), NOW_MS + 40_000), 1);
    assert!(b.take_changed().is_empty(), "nobody is told of it");
    assert_eq!(b.distro_adopt(("a", 1), NOW_MS + 40_000), 0);
    assert_eq!(b.expire(NOW_MS + 55_000, true), Default::default());
    assert_eq!(b.expire(NOW_MS + 55_001, true).unhealthy, 1);
    assert_eq!(b.distro_drop(("a", 1), false, NOW_MS), 1);
    assert_eq!(list(&mut b), ["10.0.0.2"]);
    assert_eq!(b.distro_holders().len(), 1, "nothing is left of it");
    assert_eq!((figures(&b, ("b", 1)).0, b.counts().connection_publishers), (1, 0));
    assert_eq!(
        b.distro_adopt(("b", 1), NOW_MS) + b.distro_drop(("b", 1), false, NOW_MS),
        0,
        "a node does not drop itself"
    );
    // It was only unreachable: all of it comes back but what was adopted.
    let (all, _) = a.distro_load(b"", ALL).unwrap();
    let applied = b.distro_apply(&all, NOW_MS).unwrap();
    assert_eq!((applied.applied, applied.older), (1, 1));
    assert_eq!(a.distro_apply(&applied.ours, NOW_MS).unwrap().applied, 1);
    assert_eq!(all_figures(&a), all_figures(&b));
    assert_eq!(list(&mut a), ["10.0.0.1", "10.0.0.2"]);
}

#[test]
fn only_the_responsible_node_adopts() {
    let mut a = node("a");
    let ips: Vec<_> = (0..50).map(|number| format!("10.0.0.{number}")).collect();
    ips.iter().for_each(|ip| beat_first(&mut a, ip, NOW_MS));
    let told = changes(&mut a);
    let adopted = ["b", "c"].map(|id| {
        let mut registry = node(id);
        registry.set_members(id, ["b", "c"]);
        registry.distro_apply(&told, NOW_MS).unwrap();
        let count = registry.distro_adopt(("a", 1), NOW_MS);
        assert_eq!(count, ips.iter().filter(|ip| registry.is_responsible(ip, 80)).count());
        assert_eq!((figures(&registry, (id, 1)).0, figures(&registry, ("a", 1)).0), (count, 50 - count));
        count
    });
    assert_eq!(adopted.iter().sum::<usize>(), 50);
    assert!(adopted.iter().all(|count| *count > 5), "{adopted:?}");
}

#[test]
fn a_holder_stays_while_it_has_addresses() {
    let (mut a, mut b) = (node("a"), node("b"));
    beat_first(&mut a, "10.0.0.2", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    assert_eq!(b.distro_drop(("a", 1), false, NOW_MS), 0);
    assert_eq!(b.distro_holders().len(), 2);
    assert_eq!(list(&mut b), ["10.0.0.2"]);
    // Nobody has adopted them within their grace.
    assert_eq!(b.distro_drop(("a", 1), true, NOW_MS), 1);
    assert!(list(&mut b).is_empty());
    assert_eq!(b.distro_holders().len(), 1);
}

#[test]
fn a_client_whose_node_restarts_is_shown_all_the_time() {
    let (mut a, mut b) = (node("a"), node("b"));
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    let mut a = run("a", 2);
    let (held, end) = b.distro_load(b"", ALL).unwrap();
    assert!(end.is_empty());
    a.distro_apply(&held, NOW_MS).unwrap();
    register(&mut a, 1, "10.0.0.1", NOW_MS + 5_000);
    tell(&mut a, &mut b, NOW_MS);
    b.take_changed();
    for registry in [&mut a, &mut b] {
        assert_eq!(list(registry), ["10.0.0.1"]);
        assert_eq!(registry.distro_drop(("a", 1), false, NOW_MS), 1);
        assert_eq!(list(registry), ["10.0.0.1"]);
    }
    assert!(b.take_changed().is_empty());
    assert_eq!(all_figures(&a), all_figures(&b));
}

#[test]
fn publishers_are_shown_with_what_is_known_of_them() {
    let (mut a, mut b) = (node("a"), node("b"));
    a.publish(&Publisher::Connection(5), KEY, vec![instance("10.0.0.1", 1), instance("10.0.0.1", 2)], NOW_MS).unwrap();
    tell(&mut a, &mut b, NOW_MS);
    beat_first(&mut b, "10.0.0.2", NOW_MS + 1);
    let expected = [
        PublisherView {
            node_id: "a".into(),
            boot: 1,
            publisher: PublisherName::Connection(5),
            epoch: 0,
            revision: 1,
            published_ms: Some(NOW_MS),
            last_beat_ms: None,
            instances: 2,
            hidden: 0,
        },
        PublisherView {
            node_id: "b".into(),
            boot: 1,
            publisher: PublisherName::Address("10.0.0.2".into(), 80),
            epoch: 0,
            revision: 1,
            published_ms: Some(NOW_MS + 1),
            last_beat_ms: Some(NOW_MS + 1),
            instances: 1,
            hidden: 0,
        },
    ];
    assert_eq!(b.distro_publishers(KEY), expected);
}
