//! What survives: after any crash, what was acknowledged, and nothing that had been cut.

use proptest::prelude::*;

use super::operations::{Bench, Operation, operations, options};
use crate::log::{Faults, Log, LogError, SimulatedDisk};

/// Runs operations on a new log with something going wrong on the way.
fn run(seed: u64, operations: &[Operation], faults: Faults) -> Option<Bench> {
    let disk = SimulatedDisk::new(seed);
    disk.set_faults(faults);
    match Bench::new(disk.clone()) {
        Ok(mut bench) => {
            bench.run(operations);
            Some(bench)
        }
        Err(LogError::Io { .. }) => {
            disk.cut_power();
            Bench::new(disk).expect("a creation that was cut short is repeated");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A history that goes through every kind of write: groups, cuts, rotations, snapshots, compaction, removals.
fn history() -> Vec<Operation> {
    let mut operations = Vec::new();
    for round in 0..6u64 {
        operations.extend([
            Operation::Append { term_step: round % 2, sizes: vec![300, 800, 10] },
            Operation::Sync,
            Operation::HardState { term_step: 1, vote: 1 },
            Operation::Append { term_step: 0, sizes: vec![505, 600] },
            Operation::BeginSync,
            Operation::TryAppend { back: 3, term_step: 1, sizes: vec![100, 700] },
            Operation::CompleteSync,
            Operation::Sync,
            Operation::Commit { back: 1 },
            Operation::MarkCommit,
            Operation::Sync,
            Operation::Commit { back: 0 },
            Operation::Snapshot { ahead: if round == 4 { 3 } else { 0 } },
            Operation::Compact { back: 1 },
            Operation::Append { term_step: 0, sizes: vec![900] },
            Operation::Sync,
        ]);
    }
    operations
}

#[test]
fn every_crash_point_of_a_history_leaves_what_was_acknowledged() {
    let whole = run(1, &history(), Faults::default()).expect("nothing goes wrong");
    let count = whole.disk.operations();
    assert!(count > 120, "{count}");
    for stop in 0..=count {
        for seed in 0..6 {
            let faults = Faults { stop_at_operation: Some(stop), ..Faults::default() };
            if let Some(bench) = run(seed * 1000 + stop, &history(), faults) {
                bench.disk.cut_power();
                let mut bench = bench.reopen();
                assert!(bench.run(&history()[..5]), "it goes on working");
                bench.disk.cut_power();
                bench.reopen();
            }
        }
    }
}

#[test]
fn every_failed_sync_of_a_history_stops_the_log_and_loses_nothing_acknowledged() {
    for sync in 1..40 {
        let faults = Faults { fail_sync: Some(sync), ..Faults::default() };
        let Some(bench) = run(sync, &history(), faults) else { continue };
        // The pages are still there for whoever starts again, but not on the disk; the second restart finds out.
        bench.disk.kill_process();
        let mut bench = bench.reopen();
        bench.run(&history()[..(sync % 5) as usize]);
        bench.disk.cut_power();
        bench.reopen();
    }
}

#[test]
fn every_capacity_stops_the_log_and_loses_nothing_acknowledged() {
    for capacity in (600..20_000).step_by(151) {
        let faults = Faults { capacity_bytes: Some(capacity), ..Faults::default() };
        let Some(bench) = run(capacity, &history(), faults) else { continue };
        bench.disk.kill_process();
        let bench = bench.reopen();
        bench.disk.cut_power();
        bench.reopen();
    }
}

proptest! {
    #[test]
    fn a_power_cut_anywhere_leaves_what_was_acknowledged(
        before in operations(40),
        between in operations(10),
        seed in any::<u64>(),
        stop in 0..400u64,
        stops_while_opening in prop::collection::vec(0..40u64, 0..3),
    ) {
        let faults = Faults { stop_at_operation: Some(stop), ..Faults::default() };
        if let Some(mut bench) = run(seed, &before, faults) {
            bench.disk.cut_power();
            for stop in stops_while_opening {
                bench.disk.set_faults(Faults { stop_at_operation: Some(stop), ..Faults::default() });
                match Log::open(bench.disk.attach(), options()) {
                    Ok((mut log, _)) => {
                        bench.disk.set_faults(Faults::default());
                        bench.model.check_recovered(&mut log);
                    }
                    Err(error) => prop_assert!(matches!(error, LogError::Io { .. }), "{error}"),
                }
                bench.disk.cut_power();
            }
            let mut bench = bench.reopen();
            bench.run(&between);
            bench.disk.cut_power();
            bench.reopen();
        }
    }

    #[test]
    fn a_killed_process_loses_nothing_that_was_written(
        before in operations(30),
        seed in any::<u64>(),
        stop in 0..300u64,
    ) {
        let faults = Faults { stop_at_operation: Some(stop), ..Faults::default() };
        if let Some(bench) = run(seed, &before, faults) {
            bench.disk.kill_process();
            let bench = bench.reopen();
            bench.disk.cut_power();
            bench.reopen();
        }
    }

    #[test]
    fn a_failed_sync_is_final_and_what_is_found_after_it_is_made_durable(
        before in operations(30),
        between in operations(6),
        seed in any::<u64>(),
        sync in 1..30u64,
    ) {
        let faults = Faults { fail_sync: Some(sync), ..Faults::default() };
        if let Some(bench) = run(seed, &before, faults) {
            bench.disk.kill_process();
            let mut bench = bench.reopen();
            bench.run(&between);
            bench.disk.cut_power();
            bench.reopen();
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed_or_does_no_harm(
        before in operations(30),
        seed in any::<u64>(),
        stop in 0..400u64,
        power in any::<bool>(),
        reopened in any::<bool>(),
        place in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let faults = Faults { stop_at_operation: Some(stop), ..Faults::default() };
        let Some(mut bench) = run(seed, &before, faults) else { return Ok(()) };
        if power { bench.disk.cut_power() } else { bench.disk.kill_process() }
        if reopened {
            bench = bench.reopen();
            bench.disk.cut_power();
        }
        let files = bench.disk.files();
        let total: usize = files.iter().map(|(_, length)| length).sum();
        prop_assume!(total > 0);
        let mut byte = place.index(total);
        let mut file = files.iter();
        let name = loop {
            let (name, length) = file.next().expect("the place is in one of the files");
            if byte < *length {
                break name;
            }
            byte -= length;
        };
        bench.disk.flip_bit(name, byte, bit);
        let result = Log::open(bench.disk.attach(), options());
        match result {
            Err(LogError::Damaged { path, .. }) => prop_assert!(path.contains(name), "{path} instead of {name}"),
            Err(error) => prop_assert!(false, "{error}"),
            Ok((mut log, _)) => {
                let mut model = bench.model;
                // A flipped bit in the last mark costs that mark: the entries in front of it are whole.
                model.forget_marks();
                match log.snapshot_source().load() {
                    Err(LogError::Damaged { path, .. }) => prop_assert!(path.contains(name)),
                    Err(error) => prop_assert!(false, "{error}"),
                    Ok(_) => {
                        // A damaged mark with nothing behind it looks like a torn one. The entries in front of it are
                        // kept; what it declared committed is not known any more, and is to be found out anew.
                        model.commit_synced = 0;
                        model.check_recovered(&mut log);
                    }
                }
            }
        }
    }
}
