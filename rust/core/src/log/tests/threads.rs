//! The writer's thread: groups, the descriptor, and what happens to those who wait when a sync fails.

use std::any::Any;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::log::{Disk, DiskFile, Faults, LogError, Options, SharedLog, SimulatedDisk, Slice, Synced};

const SOON: Duration = Duration::from_secs(20);

/// A disk whose syncs wait until they are let through.
#[derive(Clone, Debug)]
struct GatedDisk {
    disk: Arc<dyn Disk>,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    closed: Mutex<bool>,
    changed: Condvar,
    waiting: AtomicUsize,
    syncs: AtomicUsize,
}

impl Gate {
    fn set_closed(&self, closed: bool) {
        *self.closed.lock().expect("not poisoned") = closed;
        self.changed.notify_all();
    }

    fn pass(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let closed = self.closed.lock().expect("not poisoned");
        drop(self.changed.wait_while(closed, |closed| *closed).expect("not poisoned"));
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        self.syncs.fetch_add(1, Ordering::SeqCst);
    }
}

impl Disk for GatedDisk {
    fn lock(&self) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.disk.lock()
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(GatedFile { file: self.disk.open(name, create)?, gate: Arc::clone(&self.gate) }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }
    fn path(&self, name: &str) -> String {
        self.disk.path(name)
    }
}

#[derive(Debug)]
struct GatedFile {
    file: Arc<dyn DiskFile>,
    gate: Arc<Gate>,
}

impl DiskFile for GatedFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }
    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }
    fn sync(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync()
    }
}

fn append(log: &SharedLog, payload: &[u8]) -> u64 {
    log.with(|log| log.append(1, &[payload])).expect("open").expect("appended")
}

fn is_readable(log: &SharedLog) -> bool {
    use std::os::fd::BorrowedFd;
    // SAFETY: the log, which owns the descriptor, outlives the borrow.
    let descriptor = unsafe { BorrowedFd::borrow_raw(log.fileno().expect("made")) };
    let mut polled = [rustix::event::PollFd::new(&descriptor, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut polled, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).expect("polled") > 0
}

#[test]
fn what_gathers_during_a_sync_is_one_group() {
    let gate = Arc::new(Gate::default());
    let disk = GatedDisk { disk: SimulatedDisk::new(0).attach(), gate: Arc::clone(&gate) };
    let log = SharedLog::start(Arc::new(disk.clone()), Options::default()).expect("opens");
    let before = gate.syncs.load(Ordering::SeqCst);
    gate.set_closed(true);
    append(&log, b"alone");
    while gate.waiting.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    for number in 0..100u8 {
        append(&log, &[number]);
    }
    assert_eq!(log.poll().expect("fine"), Synced::default());
    assert!(matches!(log.sync(Duration::from_millis(1)), Err(LogError::Timeout { .. })));
    gate.set_closed(false);
    log.sync(SOON).expect("synced");
    assert_eq!(log.poll().expect("fine"), Synced { index: 101, ticket: 101 });
    assert_eq!(gate.syncs.load(Ordering::SeqCst) - before, 2);
}

#[test]
fn the_descriptor_is_readable_until_polled() {
    let log = SharedLog::start(SimulatedDisk::new(0).attach(), Options::default()).expect("opens");
    assert!(is_readable(&log), "what happened before somebody looked is told as well");
    log.poll().expect("fine");
    assert!(!is_readable(&log));
    append(&log, b"a");
    log.sync(SOON).expect("synced");
    while !is_readable(&log) {
        std::thread::yield_now();
    }
    assert_eq!(log.poll().expect("fine").index, 1);
    assert!(!is_readable(&log));
}

#[test]
fn a_failed_sync_wakes_everybody_and_is_final() {
    let disk = SimulatedDisk::new(0);
    let log = SharedLog::start(disk.attach(), Options::default()).expect("opens");
    log.fileno().expect("made");
    log.poll().expect("fine");
    disk.set_faults(Faults { fail_sync: Some(1), ..Faults::default() });
    append(&log, b"a");
    assert!(matches!(log.sync(SOON), Err(LogError::Failed { .. })));
    while !is_readable(&log) {
        std::thread::yield_now();
    }
    assert!(matches!(log.poll(), Err(LogError::Failed { .. })));
    let appended = log.with(|log| log.append(1, &[b"b"])).expect("open");
    assert!(matches!(appended, Err(LogError::Failed { .. })));
    assert!(matches!(log.close(), Err(LogError::Failed { .. })));
}

#[test]
fn an_empty_batch_is_nothing_to_wait_for() {
    let log = SharedLog::start(SimulatedDisk::new(0).attach(), Options::default()).expect("opens");
    assert_eq!(log.with(|log| log.append(1, &[])).expect("open").expect("appended"), 0);
    log.sync(SOON).expect("nothing to sync");
}

#[test]
fn closing_syncs_what_is_left() {
    let disk = SimulatedDisk::new(0);
    let log = SharedLog::start(disk.attach(), Options::default()).expect("opens");
    append(&log, b"a");
    log.close().expect("closed");
    log.close().expect("closed twice");
    assert!(matches!(log.poll(), Err(LogError::Closed)));
    disk.cut_power();
    let log = SharedLog::start(disk.attach(), Options::default()).expect("opens again");
    let slice: Slice = log.gather(1, 1, 10).expect("there");
    assert_eq!(slice.iter().next(), Some((1, 1, &b"a"[..])));
}
