//! Torn or damaged: the cases that recovery must tell apart, one by one.

use std::sync::Arc;

use super::model::read_state;
use crate::log::record::SECTOR_BYTES;
use crate::log::{DiskFile, Faults, Log, LogError, Options, SimulatedDisk};

const SEGMENT: &str = "segment-00000000000000000001.log";

fn options() -> Options {
    Options { zero_ahead_bytes: 0, ..Options::default() }
}

/// A log of two groups that were synced: two entries of "1", then two of "2", the last of which starts with a sector.
fn written() -> (SimulatedDisk, Arc<dyn DiskFile>, Vec<u8>) {
    written_on(SimulatedDisk::new(0))
}

fn written_on(disk: SimulatedDisk) -> (SimulatedDisk, Arc<dyn DiskFile>, Vec<u8>) {
    let (mut log, mut writer) = Log::open(disk.attach(), options()).expect("new");
    for payloads in [[vec![b'1'; 300], vec![b'1'; 300]], [vec![b'2'; 1336], vec![b'2'; 1400]]] {
        log.append(1, &payloads.each_ref().map(Vec::as_slice)).expect("appended");
        let work = log.begin_sync().expect("there is work");
        log.complete_sync(writer.perform(&work));
    }
    let file = disk.attach().open(SEGMENT, false).expect("there");
    let mut bytes = vec![0; file.length().expect("known") as usize];
    file.read_at(&mut bytes, 0).expect("readable");
    (disk, file, bytes)
}

fn open(disk: &SimulatedDisk) -> Result<Log, LogError> {
    Log::open(disk.attach(), options()).map(|(log, _)| log)
}

fn damaged_offset(disk: &SimulatedDisk) -> u64 {
    match open(disk) {
        Err(LogError::Damaged { path, offset, .. }) if path.ends_with(SEGMENT) => offset,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn an_undamaged_log_opens_without_a_report() {
    let (disk, ..) = written();
    let log = open(&disk).expect("sound");
    assert_eq!((log.last_index(), log.recovery_report()), (4, None));
}

#[test]
fn a_missing_sector_of_the_last_group_is_torn() {
    let (disk, file, bytes) = written();
    let second = bytes.iter().position(|byte| *byte == b'2').expect("there");
    let sector = second.next_multiple_of(SECTOR_BYTES) as u64;
    file.write_at(&[0; SECTOR_BYTES], sector).expect("written");
    let mut log = open(&disk).expect("a torn write is cut");
    assert_eq!(log.last_index(), 2);
    assert!(log.recovery_report().expect("reported").contains(SEGMENT));
    assert_eq!(read_state(&mut log).expect("readable").entries.len(), 2);
    drop(log);
    assert_eq!(open(&disk).expect("repaired").recovery_report(), None);
}

#[test]
fn a_repair_may_be_cut_short_anywhere() {
    for seed in 0..300 {
        let (disk, file, bytes) = written_on(SimulatedDisk::new(seed));
        let third = bytes.iter().position(|byte| *byte == b'2').expect("there");
        let fourth = third + 1336;
        assert_eq!(fourth % SECTOR_BYTES, 0, "so that the mark that a repair writes fills the sector that is missing");
        file.write_at(&[0; SECTOR_BYTES], fourth as u64).expect("written");
        file.sync().expect("synced");
        for stop in 5..16 {
            disk.set_faults(Faults { stop_at_operation: Some(stop), ..Faults::default() });
            let result = open(&disk).map(|log| log.last_index());
            disk.cut_power();
            assert!(matches!(result, Ok(3) | Err(LogError::Io { .. })), "{result:?}");
        }
        assert_eq!(open(&disk).expect("repaired").last_index(), 3);
    }
}

#[test]
fn what_is_kept_of_a_torn_group_is_guarded_from_then_on() {
    let (disk, file, bytes) = written();
    let last = bytes.iter().rposition(|byte| *byte == b'2').expect("there") - 600;
    file.write_at(&[0; SECTOR_BYTES], (last / SECTOR_BYTES * SECTOR_BYTES) as u64).expect("written");
    assert_eq!(open(&disk).expect("a torn write is cut").last_index(), 3);
    let third = bytes.iter().position(|byte| *byte == b'2').expect("there");
    disk.flip_bit(SEGMENT, third + 9, 0);
    assert_eq!(damaged_offset(&disk), third as u64 - 24);
}

#[test]
fn damage_in_an_earlier_group_is_not_excused_by_a_torn_last_one() {
    let (disk, file, bytes) = written();
    let second = bytes.iter().position(|byte| *byte == b'2').expect("there");
    file.write_at(&[0; SECTOR_BYTES], second.next_multiple_of(SECTOR_BYTES) as u64).expect("written");
    let first = bytes.iter().position(|byte| *byte == b'1').expect("there");
    disk.flip_bit(SEGMENT, first + 9, 0);
    assert_eq!(damaged_offset(&disk), first as u64 - 24);
}

#[test]
fn a_flipped_bit_of_the_last_group_is_damage() {
    let (disk, _, bytes) = written();
    let second = bytes.iter().position(|byte| *byte == b'2').expect("there");
    disk.flip_bit(SEGMENT, second + 700, 3);
    assert_eq!(damaged_offset(&disk), second as u64 - 24);
}

#[test]
fn a_blank_sector_of_an_earlier_group_is_damage() {
    let (disk, file, bytes) = written();
    let first = bytes.iter().position(|byte| *byte == b'1').expect("there");
    file.write_at(&[0; 300], first as u64).expect("written");
    assert_eq!(damaged_offset(&disk), first as u64 - 24);
}

#[test]
fn a_flipped_bit_of_a_group_with_sectors_that_were_always_blank_is_damage() {
    let (disk, ..) = written();
    let (mut log, mut writer) = Log::open(disk.attach(), options()).expect("sound");
    log.append(1, &[&[0; 2000], b"and some text"]).expect("appended");
    let work = log.begin_sync().expect("there is work");
    log.complete_sync(writer.perform(&work));
    drop((log, writer));
    let (_, length) = disk.files()[0].clone();
    disk.flip_bit(SEGMENT, length - 24 - 10, 0);
    damaged_offset(&disk);
}

#[test]
fn whatever_stands_behind_the_last_mark_is_cut() {
    for garbage in [&b"not a record at all"[..], &[1; 3000], &[0, 0, 0, 0, 0, 0, 0, 0, 1]] {
        let (disk, file, bytes) = written();
        file.write_at(garbage, bytes.len() as u64).expect("written");
        let log = open(&disk).expect("a torn tail is cut");
        assert_eq!(log.last_index(), 4);
        assert!(log.recovery_report().expect("reported").contains(&format!("offset {}", bytes.len())));
        drop(log);
        assert_eq!(disk.files()[0], (SEGMENT.to_owned(), bytes.len()));
    }
}

#[test]
fn zeros_behind_the_last_mark_are_nothing() {
    let (disk, file, bytes) = written();
    file.write_at(&[0; 3000], bytes.len() as u64).expect("written");
    assert_eq!(open(&disk).expect("sound").recovery_report(), None);
}

#[test]
fn a_header_that_is_blank_or_gone_is_damage_once_there_are_records() {
    let (disk, file, _) = written();
    file.write_at(&[0; SECTOR_BYTES], 0).expect("written");
    assert_eq!(damaged_offset(&disk), 0);
}

#[test]
fn two_logs_never_share_a_disk() {
    let (disk, ..) = written();
    let log = open(&disk).expect("free");
    assert!(matches!(open(&disk), Err(LogError::Locked { .. })));
    drop(log);
    open(&disk).expect("free again");
}

#[test]
fn marks_of_the_first_logs_say_nothing_of_the_commit_and_are_marks_all_the_same() {
    use crate::log::record::{Kind, Place, decode, encode, fill_checksums};

    let (disk, file, bytes) = written();
    // The same log as it was written before marks had a payload.
    let (mut old, mut at, mut group) = (bytes[..SECTOR_BYTES].to_vec(), SECTOR_BYTES, 0u64);
    while at < bytes.len() {
        let position = (at - SECTOR_BYTES) as u64;
        let Ok((record, size)) = decode(&bytes[at..], Place { salt: 0, position }) else { break };
        let start = old.len();
        let is_mark = record.kind == Kind::Mark;
        let (index, payload) = if is_mark { (group, &[][..]) } else { (record.index, record.payload) };
        encode(&mut old, record.kind, index, record.term, payload);
        fill_checksums(&mut old[start..], 0, (start - SECTOR_BYTES) as u64);
        if is_mark {
            group = (old.len() - SECTOR_BYTES) as u64;
        }
        at += size;
    }
    file.set_length(0).expect("cut");
    file.write_at(&old, 0).expect("written");
    let log = open(&disk).expect("sound");
    assert_eq!((log.last_index(), log.committed(), log.recovery_report()), (4, 0, None));
    drop(log);
    // The mark proves that the group before it was synced: damage there is no torn write.
    let first = old.iter().position(|byte| *byte == b'1').expect("there");
    disk.flip_bit(SEGMENT, first, 0);
    damaged_offset(&disk);
}
