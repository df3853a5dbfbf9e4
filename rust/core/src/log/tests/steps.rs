//! Begin and complete by hand, as a simulation does.

use std::sync::Arc;

use crate::log::{Appending, Log, LogError, Options, SimulatedDisk, SnapshotId, Synced, Writer};

fn opened() -> (Log, Writer) {
    Log::open(Arc::new(SimulatedDisk::new(0)), Options::default()).expect("new")
}

#[test]
fn nothing_counts_as_synced_before_the_sync_is_complete() {
    let (mut log, mut writer) = opened();
    log.append(1, &[b"a", b"b"]).expect("appended");
    let ticket = log.set_hard_state(1, "me").expect("set");
    let work = log.begin_sync().expect("there is work");
    assert_eq!(log.synced(), Synced::default());
    log.append(1, &[b"c"]).expect("appended");
    assert!(log.begin_sync().is_none(), "one group at a time");
    log.complete_sync(writer.perform(&work));
    assert_eq!(log.synced(), Synced { index: 2, ticket });
}

#[test]
fn a_cut_under_way_lowers_what_the_sync_acknowledges() {
    let (mut log, mut writer) = opened();
    log.append(1, &[b"a", b"b", b"c", b"d"]).expect("appended");
    let work = log.begin_sync().expect("there is work");
    log.try_append(2, 1, &[(2, b"C"), (2, b"D"), (2, b"E")]).expect("appended");
    log.complete_sync(writer.perform(&work));
    assert_eq!(log.synced().index, 2, "entries 3 and 4 are others than those that were written");
    let work = log.begin_sync().expect("there is work");
    log.complete_sync(writer.perform(&work));
    assert_eq!(log.synced().index, 5);
    log.try_append(3, 2, &[(3, b"D")]).expect("appended");
    assert_eq!(log.synced().index, 3, "the cursor is lowered at once");
}

#[test]
fn compacted_entries_agree_by_definition() {
    let (mut log, _) = opened();
    log.append(4, &[b"a", b"b", b"c"]).expect("appended");
    let work = log.begin_snapshot(SnapshotId { index: 2, term: 4 }).expect("forward");
    let result = work.perform(b"state");
    log.complete_snapshot(&work, b"state", result).expect("saved");
    log.compact(2).expect("covered");
    let answer = log.try_append(0, 0, &[(1, b"?"), (1, b"?")]).expect("nothing to do");
    assert_eq!(answer, Appending::Appended { last_index: 2 });
    let answer = log.try_append(1, 0, &[(1, b"?"), (4, b"c"), (4, b"d")]).expect("agrees");
    assert_eq!((answer, log.last_index()), (Appending::Appended { last_index: 4 }, 4));
    let refused = log.try_append(2, 4, &[(3, b"?")]);
    assert!(matches!(refused, Err(LogError::TermWentBack { .. })), "{refused:?}");
    let refused = log.try_append(2, 5, &[]);
    assert!(matches!(refused, Err(LogError::Committed { .. })), "{refused:?}");
}
