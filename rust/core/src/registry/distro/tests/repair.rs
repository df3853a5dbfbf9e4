//! Finding and repairing what two nodes differ in, and loading all.

use super::*;

const A: (&str, u64) = ("a", 1);

fn filled(count: u64) -> Registry {
    let mut a = node("a");
    for number in 0..count {
        let key = ("public", "DEFAULT_GROUP", &*format!("service-{}", number / 10));
        let ip = format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255);
        let metadata = [("version", "1.0.0"), ("preserved.register.source", "SPRING_CLOUD")].into_iter().collect();
        let given = Instance { metadata, ..instance(&ip, 8080) };
        let publisher =
            if number % 10 == 0 { Publisher::address(&ip, 8080, true) } else { Publisher::Connection(number) };
        a.publish(&publisher, key, vec![given], NOW_MS).unwrap();
    }
    a
}

/// A copy, by loading in pages of about this size. Returns how many pages.
fn load(from: &Registry, to: &mut Registry, bytes_max: usize) -> usize {
    let (mut cursor, mut pages) = (Vec::new(), 0);
    loop {
        let (batch, next) = from.distro_load(&cursor, bytes_max).unwrap();
        assert!(batch.len() < bytes_max + 1_000);
        to.distro_apply(&batch, NOW_MS).unwrap();
        pages += 1;
        if next.is_empty() {
            return pages;
        }
        cursor = next;
    }
}

#[test]
fn a_node_that_starts_loads_all_in_pages() {
    let a = filled(2_000);
    let mut b = node("b");
    register(&mut b, 1, "10.9.9.9", NOW_MS);
    assert!(load(&a, &mut b, 10_000) > 20);
    assert_eq!(figures(&b, A), figures(&a, A));
    // From there on, of all holders; a load that overlaps changes nothing.
    let mut c = node("c");
    load(&b, &mut c, 50_000);
    assert_eq!(all_figures(&c), all_figures(&b));
    let (all, _) = b.distro_load(b"", ALL).unwrap();
    let again = c.distro_apply(&all, NOW_MS).unwrap();
    assert_eq!((again.applied, again.older, again.ours.len()), (0, 2_001, 0));
    assert_eq!(node("d").distro_load(b"", 1), Ok((b"NPB\x01\0\0\0\0\0\0\0\0".to_vec(), Vec::new())));
    for cursor in [&b"x"[..], b"12345"] {
        assert_eq!(a.distro_load(cursor, 1), Err(DistroError::Cursor(cursor.len())));
    }
    assert!(a.distro_load(&u32::MAX.to_le_bytes(), 1).unwrap().1.is_empty());
}

#[test]
fn a_repair_costs_what_the_difference_is() {
    let mut a = filled(20_000);
    let mut b = node("b");
    load(&a, &mut b, 1_000_000);
    a.distro_take_changes(ALL);
    assert_eq!(repair(&mut a, A, &mut b, NOW_MS), 64 * 16 + 16 + 8 + 12, "nothing but the digests below the root");
    // Ten that b has not heard of: new, changed, removed.
    let service = ("public", "DEFAULT_GROUP", "service-7");
    for number in 71..74 {
        a.drop_publisher(&Publisher::Connection(number), NOW_MS);
    }
    for number in 74..78 {
        a.publish(&Publisher::Connection(number), service, vec![instance("10.8.8.8", 1)], NOW_MS).unwrap();
    }
    for number in 0..3 {
        a.publish(&Publisher::Connection(number + 1_000_000), service, vec![instance("h", 1)], NOW_MS).unwrap();
    }
    assert_ne!(figures(&b, A), figures(&a, A));
    let bytes = repair(&mut a, A, &mut b, NOW_MS);
    assert_eq!(figures(&b, A), figures(&a, A));
    assert_eq!(b.service_digest(service), a.service_digest(service));
    assert!(bytes < 20_000, "{bytes}");
}

#[test]
fn what_is_asked_for_is_what_is_missing_or_older() {
    let (mut a, mut b) = (node("a"), node("b"));
    let leaves: Vec<usize> = (0..4096).collect();
    for number in 0..4 {
        register(&mut a, number, &format!("10.0.0.{number}"), NOW_MS);
    }
    tell(&mut a, &mut b, NOW_MS);
    let same = a.distro_versions(A, &leaves).unwrap();
    let found = b.distro_differences(A, &leaves, &same).unwrap();
    assert_eq!((found.wanted_count, found.surplus), (0, 0));
    register(&mut a, 0, "10.0.1.0", NOW_MS);
    register(&mut a, 7, "10.0.0.7", NOW_MS);
    a.drop_publisher(&Publisher::Connection(1), NOW_MS);
    let theirs = a.distro_versions(A, &leaves).unwrap();
    let found = b.distro_differences(A, &leaves, &theirs).unwrap();
    assert_eq!((found.wanted_count, found.surplus), (2, 1));
    // What is newer here than what was asked for is not asked for again.
    tell(&mut a, &mut b, NOW_MS);
    let found = b.distro_differences(A, &leaves, &same).unwrap();
    assert_eq!((found.wanted_count, found.surplus), (1, 1), "one was removed, and one came since");
    let again = a.distro_records(A, &found.wanted).unwrap();
    let known = Applied { older: 1, ..Applied::default() };
    assert_eq!(
        b.distro_apply(&again, NOW_MS),
        Ok(known),
        "the holder has the one no more, and gives the other once more"
    );
    assert_eq!(b.distro_drop_surplus(A, &leaves, &same, NOW_MS).unwrap(), 0, "it is newer than what the holder said");
    // Of a holder that is not known, all is.
    let found = node("c").distro_differences(A, &leaves, &theirs).unwrap();
    assert_eq!((found.wanted_count, found.surplus), (4, 0));
    assert_eq!(node("c").distro_digests(A, None).unwrap(), vec![0; 1024]);
}

#[test]
fn the_surplus_goes_and_does_not_come_back_with_a_late_message() {
    let (mut a, mut b) = (node("a"), node("b"));
    let leaves: Vec<usize> = (0..4096).collect();
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    beat_first(&mut a, "10.0.0.2", NOW_MS);
    let there = changes(&mut a);
    b.distro_apply(&there, NOW_MS).unwrap();
    a.drop_publisher(&Publisher::Connection(1), NOW_MS);
    a.withdraw(&Publisher::address("10.0.0.2", 80, true), KEY, NOW_MS);
    a.distro_take_changes(ALL);
    let theirs = a.distro_versions(A, &leaves).unwrap();
    assert_eq!(b.distro_drop_surplus(A, &leaves[..1], &theirs, NOW_MS).unwrap(), 0, "of other leaves nothing was said");
    assert_eq!(b.distro_drop_surplus(A, &leaves, &theirs, NOW_MS).unwrap(), 2);
    assert!(list(&mut b).is_empty());
    assert_eq!(b.distro_apply(&there, NOW_MS).unwrap().applied, 0);
    register(&mut a, 1, "10.0.0.1", NOW_MS);
    assert_eq!(tell(&mut a, &mut b, NOW_MS).applied, 1);
    // Nobody says of this node's own what it has not got.
    assert_eq!(a.distro_drop_surplus(A, &leaves, &theirs, NOW_MS).unwrap(), 0);
    assert_eq!(list(&mut a), ["10.0.0.1"]);
}

#[test]
fn an_adopted_address_is_found_by_the_old_holders_digest_and_it_is_told() {
    let (mut a, mut b) = (node("a"), node("b"));
    beat_first(&mut a, "10.0.0.1", NOW_MS);
    beat_first(&mut a, "10.0.0.2", NOW_MS);
    tell(&mut a, &mut b, NOW_MS);
    b.beat("10.0.0.1", 80, KEY, NOW_MS);
    b.withdraw(&Publisher::address("10.0.0.2", 80, true), KEY, NOW_MS);
    assert!(b.distro_take_changes(ALL).is_some(), "and it is lost");
    assert_ne!(figures(&b, A), figures(&a, A));
    repair(&mut a, A, &mut b, NOW_MS);
    assert_eq!(all_figures(&a), all_figures(&b));
    assert_eq!(figures(&a, ("b", 1)).0, 1);
    assert_eq!(list(&mut a), ["10.0.0.1"]);
}

#[test]
fn places_that_do_not_exist_are_refused() {
    let mut a = node("a");
    assert_eq!(a.distro_digests(A, Some(64)), Err(DistroError::NoSuchPlace(64)));
    assert_eq!(a.distro_digests(A, Some(63)).unwrap().len(), 1024);
    assert_eq!(a.distro_versions(A, &[4096]), Err(DistroError::NoSuchPlace(4096)));
    let none = a.distro_versions(A, &[]).unwrap();
    assert_eq!(a.distro_differences(A, &[4096], &none), Err(DistroError::NoSuchPlace(4096)));
    assert_eq!(a.distro_drop_surplus(A, &[4096], &none, NOW_MS), Err(DistroError::NoSuchPlace(4096)));
}

#[test]
fn an_address_that_another_node_took_over_is_not_surplus() {
    // b hears from a only, which knows what c has done.
    let (mut a, mut b, mut c) = (node("a"), node("b"), node("c"));
    for ip in ["10.0.0.1", "10.0.0.2"] {
        beat_first(&mut a, ip, NOW_MS);
    }
    let all = changes(&mut a);
    b.distro_apply(&all, NOW_MS).unwrap();
    c.distro_apply(&all, NOW_MS).unwrap();
    c.beat("10.0.0.1", 80, KEY, NOW_MS);
    c.withdraw(&Publisher::address("10.0.0.2", 80, true), KEY, NOW_MS);
    tell(&mut c, &mut a, NOW_MS);
    let leaves: Vec<usize> = (0..4096).collect();
    let theirs = a.distro_versions(A, &leaves).unwrap();
    let found = b.distro_differences(A, &leaves, &theirs).unwrap();
    assert_eq!((found.wanted_count, found.surplus), (0, 2));
    let records = a.distro_records(A, &found.wanted).unwrap();
    assert_eq!(b.distro_apply(&records, NOW_MS).unwrap().applied, 2);
    assert_eq!(b.distro_drop_surplus(A, &leaves, &theirs, NOW_MS).unwrap(), 0);
    assert_eq!(list(&mut b), ["10.0.0.1"]);
    assert_eq!(all_figures(&a), all_figures(&b));
}
