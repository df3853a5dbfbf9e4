//! Entries in one blob: whole batches go through unchanged, anything else is refused without harm.

use proptest::prelude::*;

use crate::log::{Appending, Log, LogError, Options, Packed, SharedLog, SimulatedDisk, unpack};

fn packed(log: &SharedLog, first: u64, last: u64, max_bytes: usize) -> Packed {
    log.gather(first, last, max_bytes).expect("in order")
}

fn filled(entries: &[(u64, Vec<u8>)]) -> SharedLog {
    let log = SharedLog::in_memory();
    let borrowed: Vec<(u64, &[u8])> = entries.iter().map(|(term, payload)| (*term, payload.as_slice())).collect();
    log.with(|log| log.try_append(0, 0, &borrowed)).expect("open").expect("appended");
    log
}

#[test]
fn the_layout_is_as_documented() {
    let log = filled(&[(300, b"ab".to_vec()), (300, vec![]), (301, b"c".to_vec())]);
    let blob = packed(&log, 1, 3, 1000);
    assert_eq!(blob.bytes(), b"\x03\0\0\0\xac\x02\x02ab\0\0\x01\x01c");
    assert_eq!(blob.last_index(), Some(3));
    assert_eq!(packed(&log, 4, 3, 1000), Packed::default(), "no entries are a blob, too");
    assert_eq!(unpack(Packed::default().bytes()).expect("sound"), []);
}

#[test]
fn as_many_entries_are_packed_as_fit_and_at_least_one() {
    let log = filled(&vec![(1, vec![7; 100]); 5]);
    for (max_bytes, last) in [(0, 1), (207, 1), (208, 2), (309, 2), (310, 3), (10_000, 5)] {
        let blob = packed(&log, 1, 5, max_bytes);
        assert_eq!(blob.last_index(), Some(last), "{max_bytes}");
        assert!(last == 1 || blob.bytes().len() <= max_bytes);
    }
}

#[test]
fn entries_that_are_no_longer_in_memory_are_packed_from_the_disk() {
    let options = Options { cache_bytes: 1000, segment_bytes: 5000, ..Options::default() };
    let log = SharedLog::start(SimulatedDisk::new(0).attach(), options).expect("new");
    for number in 0..100u8 {
        log.with(|log| log.append(u64::from(number / 10), &[&[number; 90]])).expect("open").expect("appended");
        log.sync(std::time::Duration::from_secs(20)).expect("synced");
    }
    let (mut next, mut entries) = (1, Vec::new());
    while next <= 100 {
        let blob = packed(&log, next, 100, 700);
        entries
            .extend(unpack(blob.bytes()).expect("sound").into_iter().map(|(term, payload)| (term, payload.to_vec())));
        next = blob.last_index().expect("at least one") + 1;
    }
    assert_eq!(entries, (0..100u8).map(|number| (u64::from(number / 10), vec![number; 90])).collect::<Vec<_>>());
}

#[test]
fn what_is_malformed_is_refused_and_says_where() {
    let refused: [(&[u8], usize, &str); 8] = [
        (b"", 0, "count is missing"),
        (b"\0\0\0", 0, "count is missing"),
        (b"\xff\xff\xff\xff\0\0", 0, "more entries"),
        (b"\x01\0\0\0\x01\x02a", 6, "inside a payload"),
        (b"\x01\0\0\0\x01\x01ab", 7, "follows the last entry"),
        (b"\x01\0\0\0\xff\xff\xff", 4, "does not end"),
        (b"\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\0", 4, "number is too large"),
        (b"\x02\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\x01\0", 16, "term is too large"),
    ];
    let mut log = Log::in_memory();
    for (bytes, offset, text) in refused {
        match log.try_append_packed(0, 0, bytes) {
            Err(LogError::Malformed { offset: found, what }) => {
                assert_eq!(found, offset, "{what}");
                assert!(what.contains(text), "{what}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((log.last_index(), log.ticket()), (0, 0));
}

fn entries() -> impl Strategy<Value = Vec<(u64, Vec<u8>)>> {
    let steps = prop_oneof![8 => Just(0), 2 => 1..300u64, 1 => 0..u64::MAX / 64];
    let one = (steps, prop::collection::vec(any::<u8>(), 0..300));
    prop::collection::vec(one, 0..40).prop_map(|entries| {
        let mut term = 0;
        let grow = |(step, payload)| {
            term += step;
            (term, payload)
        };
        entries.into_iter().map(grow).collect()
    })
}

proptest! {
    #[test]
    fn what_was_packed_comes_back(entries in entries(), max_bytes in 0..20_000usize) {
        let (leader, follower) = (filled(&entries), SharedLog::in_memory());
        let (mut prev, count) = ((0, 0), entries.len() as u64);
        while prev.0 < count {
            let blob = packed(&leader, prev.0 + 1, count, max_bytes);
            let last_index = blob.last_index().expect("at least one");
            let appended = follower.with(|log| log.try_append_packed(prev.0, prev.1, blob.bytes()));
            prop_assert_eq!(appended.expect("open").expect("agrees"), Appending::Appended { last_index });
            prev = (last_index, entries[last_index as usize - 1].0);
        }
        let whole = packed(&follower, 1, count, usize::MAX);
        let found: Vec<_> =
            unpack(whole.bytes()).expect("sound").into_iter().map(|(term, payload)| (term, payload.to_vec())).collect();
        prop_assert_eq!(found, entries);
    }

    #[test]
    fn any_bytes_are_refused_or_are_entries(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        count in prop::option::of(0..100u32),
    ) {
        if let (Some(count), Some(head)) = (count, bytes.first_chunk_mut::<4>()) {
            *head = count.to_le_bytes();
        }
        let mut log = Log::in_memory();
        match log.try_append_packed(0, 0, &bytes) {
            Ok(_) => prop_assert_eq!(unpack(&bytes).expect("sound").len() as u64, log.last_index()),
            Err(error) => {
                prop_assert!(matches!(error, LogError::Malformed { .. }), "{}", error);
                prop_assert_eq!((log.last_index(), log.ticket()), (0, 0));
            }
        }
    }

    #[test]
    fn a_blob_that_was_cut_short_or_changed_is_refused_or_is_other_entries(
        entries in entries(),
        place in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let whole = packed(&filled(&entries), 1, entries.len() as u64, usize::MAX).bytes().to_vec();
        let at = place.index(whole.len());
        let cut = unpack(&whole[..at]);
        prop_assert!(matches!(cut, Err(LogError::Malformed { .. })), "{:?}", cut);
        let mut changed = whole.clone();
        changed[at] ^= 1 << bit;
        let borrowed: Vec<(u64, &[u8])> = entries.iter().map(|(term, payload)| (*term, payload.as_slice())).collect();
        prop_assert!(unpack(&changed).ok().is_none_or(|found| found != borrowed));
    }
}
