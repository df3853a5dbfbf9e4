//! Two nodes know different things of one address: what its client did decides, not whose version is greater.

use super::*;

const IP: &str = "10.0.0.1";

fn address() -> Publisher {
    Publisher::address(IP, 80, true)
}

/// Node b has taken the address over from a, which has not heard of it; both are apart from each other.
fn apart() -> (Registry, Registry) {
    let (mut a, mut b) = (node("a"), node("b"));
    beat_first(&mut a, IP, NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    assert_eq!(b.distro_adopt(("a", 1), NOW_MS), 1);
    (a, b)
}

/// Each tells the other all there is, until there is nothing more.
fn meet(a: &mut Registry, b: &mut Registry) {
    for _ in 0..3 {
        if let Some(batch) = a.distro_take_changes(ALL) {
            b.distro_apply(&batch, NOW_MS + 60_000).unwrap();
        }
        if let Some(batch) = b.distro_take_changes(ALL) {
            a.distro_apply(&batch, NOW_MS + 60_000).unwrap();
        }
    }
    assert_eq!(all_figures(a), all_figures(b));
}

#[test]
fn what_beats_here_does_not_go_because_another_node_has_heard_no_beats() {
    let (mut a, mut b) = apart();
    a.beat(IP, 80, KEY, NOW_MS + 29_000);
    assert_eq!(b.expire(NOW_MS + 31_000, true).removed, 1);
    tell(&mut b, &mut a, NOW_MS + 31_000);
    assert_eq!(list(&mut a), [IP]);
    meet(&mut a, &mut b);
    assert_eq!(list(&mut b), [IP]);
    assert_eq!((&*b.distro_publishers(KEY)[0].node_id, b.distro_publishers(KEY)[0].epoch), ("a", 2));
}

#[test]
fn what_was_deregistered_at_another_node_goes() {
    let (mut a, mut b) = apart();
    a.beat(IP, 80, KEY, NOW_MS + 1_000);
    assert!(b.withdraw(&address(), KEY, NOW_MS + 2_000));
    meet(&mut a, &mut b);
    assert!(list(&mut a).is_empty() && list(&mut b).is_empty());
}

#[test]
fn what_was_registered_again_after_that_stays() {
    let (mut a, mut b) = apart();
    assert!(b.withdraw(&address(), KEY, NOW_MS + 2_000));
    let other = vec![Instance { weight: 2.0, ..instance(IP, 80) }];
    a.publish(&address(), KEY, other, NOW_MS + 3_000).unwrap();
    meet(&mut a, &mut b);
    assert_eq!(list(&mut a), [IP]);
    assert_eq!(list(&mut b), [IP]);
}

#[test]
fn of_two_registrations_the_later_one_counts() {
    let (mut a, mut b) = apart();
    let at = |port| vec![Instance { weight: f64::from(port), ..instance(IP, 80) }];
    b.publish(&address(), KEY, at(2), NOW_MS + 1_000).unwrap();
    a.publish(&address(), KEY, at(3), NOW_MS + 2_000).unwrap();
    meet(&mut a, &mut b);
    for registry in [&mut a, &mut b] {
        assert_eq!(service_info(registry, &View::default(), NOW_MS)["hosts"][0]["weight"], 3.0);
    }
}

#[test]
fn a_node_that_has_forgotten_its_own_epoch_takes_it_up_again() {
    let (_, mut b) = apart();
    assert!(b.withdraw(&address(), KEY, NOW_MS + 1));
    let mut c = node("c");
    c.distro_apply(&changes(&mut b), NOW_MS).unwrap();
    assert_eq!(b.distro_forget_removals(NOW_MS, u64::MAX), 1);
    beat_first(&mut b, IP, NOW_MS + 2);
    assert_eq!(b.distro_publishers(KEY)[0].epoch, 0);
    let told = c.distro_apply(&changes(&mut b), NOW_MS).unwrap();
    assert_eq!((told.applied, told.older), (0, 1));
    assert_eq!(b.distro_apply(&told.ours, NOW_MS).unwrap().applied, 0);
    assert_eq!(tell(&mut b, &mut c, NOW_MS).applied, 1);
    assert_eq!(list(&mut c), [IP]);
    assert_eq!(all_figures(&b), all_figures(&c));
}

#[test]
fn what_is_no_longer_a_holders_is_known_as_the_next_ones_before_it_is_dropped() {
    let (mut a, mut b) = apart();
    let mut c = node("c");
    let (all, _) = a.distro_load(b"", ALL).unwrap();
    c.distro_apply(&all, NOW_MS).unwrap();
    // a has heard that b took it over, c has not.
    tell(&mut b, &mut a, NOW_MS);
    let leaves: Vec<usize> = (0..4096).collect();
    let versions = a.distro_versions(("a", 1), &leaves).unwrap();
    let found = c.distro_differences(("a", 1), &leaves, &versions).unwrap();
    assert_eq!((found.wanted_count, found.surplus), (0, 1));
    let records = a.distro_records(("a", 1), &found.wanted).unwrap();
    assert_eq!(c.distro_apply(&records, NOW_MS).unwrap().applied, 1);
    assert_eq!(c.distro_drop_surplus(("a", 1), &leaves, &versions, NOW_MS).unwrap(), 0);
    assert_eq!(list(&mut c), [IP]);
    assert_eq!(all_figures(&b), all_figures(&c));
}
