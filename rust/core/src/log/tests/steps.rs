//! Begin and complete by hand, as a simulation does.

use crate::log::{Appending, Log, LogError, Options, SharedLog, SimulatedDisk, SnapshotId, Synced, Writer};

fn opened() -> (Log, Writer) {
    Log::open(SimulatedDisk::new(0).attach(), Options::default()).expect("new")
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

#[test]
fn the_commit_index_goes_along_with_the_next_group_or_with_a_mark_of_its_own() {
    let disk = SimulatedDisk::new(0);
    let (mut log, mut writer) = Log::open(disk.attach(), Options::default()).expect("new");
    let mut sync = |log: &mut Log| {
        let work = log.begin_sync().expect("there is work");
        log.complete_sync(writer.perform(&work));
    };
    log.append(1, &[b"a", b"b", b"c"]).expect("appended");
    sync(&mut log);
    log.commit(2).expect("there");
    log.set_hard_state(1, "me").expect("set");
    sync(&mut log);
    log.commit(3).expect("there");
    assert!(!log.has_work(), "it causes no write of its own");
    let reopened = |disk: &SimulatedDisk| {
        disk.cut_power();
        Log::open(disk.attach(), Options::default()).expect("sound").0.committed()
    };
    let ticket = log.mark_commit().expect("in order");
    assert!(log.has_work());
    sync(&mut log);
    assert_eq!(log.synced().ticket, ticket);
    assert_eq!(log.mark_commit().expect("in order"), ticket, "it is written already");
    assert!(!log.has_work());
    assert_eq!(reopened(&disk), 3);
    assert_eq!(reopened(&disk), 3);
}

#[test]
fn the_last_entry_of_a_term_is_known() {
    let (mut log, _) = opened();
    log.append(2, &[b"a", b"b"]).expect("appended");
    log.append(4, &[b"c"]).expect("appended");
    log.append(5, &[b"d", b"e"]).expect("appended");
    let known = |log: &Log| (0..7).map(|term| log.last_index_of_term(term)).collect::<Vec<_>>();
    assert_eq!(known(&log), [Some(0), None, Some(2), None, Some(3), Some(5), None]);
    let work = log.begin_snapshot(SnapshotId { index: 3, term: 4 }).expect("forward");
    let result = work.perform(b"state");
    log.complete_snapshot(&work, b"state", result).expect("saved");
    log.compact(3).expect("covered");
    assert_eq!(known(&log), [None, None, None, None, Some(3), Some(5), None]);
    log.try_append(3, 4, &[(6, b"D")]).expect("appended");
    assert_eq!(known(&log), [None, None, None, None, Some(3), None, Some(4)]);
}

#[test]
fn entries_are_found_by_their_first_byte() {
    let disk = SimulatedDisk::new(0);
    let (mut log, mut writer) = Log::open(disk.attach(), Options::default()).expect("new");
    log.append(1, &[b"m1", b"", b"\0", b"x", b"m"]).expect("appended");
    log.try_append(4, 1, &[(2, b"y"), (2, b"m6")]).expect("appended");
    let work = log.begin_sync().expect("there is work");
    log.complete_sync(writer.perform(&work));
    drop(log);
    let (mut log, _) = Log::open(disk.attach(), Options::default()).expect("sound");
    assert_eq!(log.indexes_starting_with(b'm', 1, 6), [1, 6]);
    assert_eq!(log.indexes_starting_with(b'm', 0, u64::MAX - 1), [1, 6]);
    assert_eq!(log.indexes_starting_with(b'm', 2, 5), [] as [u64; 0]);
    assert_eq!(log.indexes_starting_with(0, 1, 6), [3], "an empty payload starts with nothing");
    let work = log.begin_snapshot(SnapshotId { index: 1, term: 1 }).expect("forward");
    let result = work.perform(b"state");
    log.complete_snapshot(&work, b"state", result).expect("saved");
    log.compact(1).expect("covered");
    assert_eq!(log.indexes_starting_with(b'm', 1, 6), [6]);
}

#[test]
fn a_shared_log_is_synced_by_hand_until_its_process_is_dead() {
    let disk = SimulatedDisk::new(0);
    let log = SharedLog::by_hand(disk.attach(), Options::default()).expect("new");
    let append = |payload: &[u8]| log.with(|log| log.append(1, &[payload])).expect("open").expect("appended");
    append(b"a");
    assert!(log.begin_sync().expect("in order"));
    append(b"b");
    assert!(!log.begin_sync().expect("in order"), "one group at a time");
    log.complete_sync().expect("synced");
    assert_eq!(log.poll().expect("in order").index, 1);
    assert!(log.begin_sync().expect("in order"));
    disk.kill_process();
    let operations = disk.operations();
    assert!(matches!(log.complete_sync(), Err(LogError::Failed { .. })));
    assert!(matches!(log.begin_sync(), Err(LogError::Failed { .. })));
    assert!(!log.has_work().expect("open"), "a failed log takes nothing");
    assert_eq!(disk.operations(), operations);
    let (recovered, _) = Log::open(disk.attach(), Options::default()).expect("sound");
    assert_eq!(recovered.last_index(), 1);
}

#[test]
fn a_removed_file_can_be_read_while_it_is_open() {
    let disk = SimulatedDisk::new(0).attach();
    let file = disk.open("a", true).expect("created");
    file.write_at(b"text", 0).expect("written");
    disk.sync_directory().expect("synced");
    disk.remove("a").expect("removed");
    disk.sync_directory().expect("synced");
    let mut found = [0; 4];
    file.read_at(&mut found, 0).expect("open");
    assert_eq!(&found, b"text");
    assert!(disk.open("a", false).is_err());
}
