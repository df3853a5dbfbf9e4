//! The log with its writer thread: callers append, the thread syncs whatever has gathered, the descriptor tells.

use std::hint::spin_loop;
use std::io;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, TryLockError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use super::by_hand::ByHand;
use super::disk::Disk;
use super::error::LogError;
use super::read::{Gather, Reading};
use super::real_disk::RealDisk;
use super::recover::Options;
use super::signal::Signal;
use super::snapshot::Snapshot;
use super::state::{Log, SnapshotId, Synced, Work};
use super::writer::Writer;
use crate::limits::{LOG_LOCK_PAUSES_COUNT, LOG_LOCK_TRIES_COUNT};

/// A log that many threads may use. Nothing here blocks on the disk except `sync`, `close`, the snapshots, and the
/// reading of entries that are no longer in memory.
#[derive(Debug)]
pub struct SharedLog {
    shared: Arc<Shared>,
    pub(super) writing: Writing,
    /// One snapshot is written at a time.
    snapshots: Mutex<()>,
}

/// Who writes what was appended.
#[derive(Debug)]
pub(super) enum Writing {
    /// There is no disk.
    Nothing,
    /// A thread of the log's own; taken by `close`.
    InThread(Mutex<Option<JoinHandle<()>>>),
    /// The caller, when it likes.
    ByHand(Mutex<ByHand>),
}

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    /// Parks while there is nothing to write.
    writer: OnceLock<Thread>,
    /// Wakes those who wait in `sync`.
    done: Condvar,
    signal: OnceLock<Signal>,
}

#[derive(Debug)]
struct Inner {
    /// Taken away by `close`.
    log: Option<Log>,
    closing: bool,
}

impl SharedLog {
    /// A log that is kept nowhere; everything is durable at once.
    pub fn in_memory() -> Self {
        Self::new(Log::in_memory(), Writing::Nothing)
    }

    /// Opens or creates the log in a folder and starts its writer. Without `syncs` nothing survives a power cut.
    pub fn open(directory: &Path, options: Options, syncs: bool) -> Result<Self, LogError> {
        let disk = RealDisk::new(directory, syncs);
        let disk = disk.map_err(|error| LogError::io("create", directory.display().to_string(), error))?;
        Self::start(Arc::new(disk), options)
    }

    /// Opens or creates the log of any disk and starts its writer.
    pub fn start(disk: Arc<dyn Disk>, options: Options) -> Result<Self, LogError> {
        let path = disk.path("");
        let (log, writer) = Log::open(disk, options)?;
        let shared = Shared::new(log);
        let of_thread = Arc::clone(&shared);
        let spawned =
            thread::Builder::new().name("log-writer".into()).spawn(move || of_thread.write_until_closed(writer));
        let handle = spawned.map_err(|error| LogError::io("start the writer of", path, error))?;
        Ok(Self { shared, writing: Writing::InThread(Mutex::new(Some(handle))), snapshots: Mutex::new(()) })
    }

    pub(super) fn new(log: Log, writing: Writing) -> Self {
        Self { shared: Shared::new(log), writing, snapshots: Mutex::new(()) }
    }

    /// Runs one operation on the log and lets the writer know if it left something to sync.
    pub fn with<T>(&self, operation: impl FnOnce(&mut Log) -> T) -> Result<T, LogError> {
        let mut inner = self.shared.lock();
        let log = inner.log.as_mut().ok_or(LogError::Closed)?;
        let before = log.synced();
        let result = operation(log);
        let (has_work, is_synced) = (log.has_work(), log.synced() != before);
        drop(inner);
        if has_work {
            self.shared.wake_writer();
        } else if is_synced {
            self.shared.raise();
        }
        Ok(result)
    }

    /// A descriptor that is readable once something was synced or failed, until `poll`.
    pub fn fileno(&self) -> Result<RawFd, LogError> {
        if matches!(self.writing, Writing::ByHand(_)) {
            return Err(LogError::NoDescriptor);
        }
        if let Some(signal) = self.shared.signal.get() {
            return Ok(signal.fileno());
        }
        let signal =
            Signal::new().map_err(|error| LogError::io("create", "the descriptor of the log".into(), error))?;
        // What was synced before anybody waited is told as well.
        signal.raise();
        Ok(self.shared.signal.get_or_init(|| signal).fileno())
    }

    /// What is durable. Lowers the descriptor first, so that nothing is missed.
    pub fn poll(&self) -> Result<Synced, LogError> {
        if let Some(signal) = self.shared.signal.get() {
            signal.lower();
        }
        self.with(|log| log.check().map(|()| log.synced()))?
    }

    /// Waits until everything that was appended so far is durable; a log that is driven by hand writes it now.
    pub fn sync(&self, timeout: Duration) -> Result<(), LogError> {
        if matches!(self.writing, Writing::ByHand(_)) {
            return self.sync_by_hand();
        }
        let deadline = Instant::now() + timeout;
        let mut inner = self.shared.lock();
        let ticket = inner.log.as_ref().ok_or(LogError::Closed)?.ticket();
        loop {
            let log = inner.log.as_ref().ok_or(LogError::Closed)?;
            log.check()?;
            if log.synced().ticket >= ticket {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LogError::Timeout { timeout_ms: timeout.as_millis() as u64 });
            }
            inner = self.shared.done.wait_timeout(inner, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }

    /// Entries from `first` to `last`, as a `Slice` or as `Packed`. The disk is read without holding the log.
    pub fn gather<G: Gather>(&self, first: u64, last: u64, max_bytes: usize) -> Result<G, LogError> {
        match self.with(|log| log.gather(first, last, max_bytes))?? {
            Reading::Ready(gathered) => Ok(gathered),
            Reading::OnDisk(reading) => reading.read(),
        }
    }

    /// Makes a snapshot durable. It replaces the previous one; entries that it covers may be compacted from then on.
    pub fn save_snapshot(&self, snapshot: SnapshotId, data: &[u8]) -> Result<(), LogError> {
        let _one = self.snapshots.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let work = self.with(|log| log.begin_snapshot(snapshot))??;
        let result = work.perform(data);
        let result = self.with(|log| log.complete_snapshot(&work, data, result))?;
        if result.is_err() {
            self.shared.raise();
        }
        result
    }

    /// The last snapshot, every byte of it checked.
    pub fn load_snapshot(&self) -> Result<Option<Snapshot>, LogError> {
        let _one = self.snapshots.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.with(|log| log.snapshot_source())?.load()
    }

    /// Syncs what is left, ends the thread and gives the folder free. Later calls raise `Closed`; closing twice is fine.
    pub fn close(&self) -> Result<(), LogError> {
        match &self.writing {
            Writing::Nothing => {}
            Writing::InThread(thread) => self.end_thread(thread),
            // Whether it worked is what the check below says.
            Writing::ByHand(_) => drop(self.sync_by_hand()),
        }
        self.take_away()
    }

    fn end_thread(&self, thread: &Mutex<Option<JoinHandle<()>>>) {
        self.shared.lock().closing = true;
        self.shared.wake_writer();
        let handle = thread.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(handle) = handle {
            // The thread catches its own panics.
            let _ = handle.join();
        }
    }

    /// Lets go of the log and its lock; says whether it was in order.
    fn take_away(&self) -> Result<(), LogError> {
        let log = self.shared.lock().log.take();
        self.shared.done.notify_all();
        self.shared.raise();
        log.map_or(Ok(()), |log| log.check())
    }
}

impl Drop for SharedLog {
    fn drop(&mut self) {
        // Whoever wants to know how it ended calls `close`. A simulation drops what has crashed: that writes nothing.
        let _ = if matches!(self.writing, Writing::ByHand(_)) { self.take_away() } else { self.close() };
    }
}

impl Shared {
    fn new(log: Log) -> Arc<Self> {
        let inner = Mutex::new(Inner { log: Some(log), closing: false });
        Arc::new(Self { inner, writer: OnceLock::new(), done: Condvar::new(), signal: OnceLock::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| {
            let mut inner = poisoned.into_inner();
            // An operation that panicked may have left the log half changed.
            if let Some(log) = inner.log.as_mut() {
                log.fail("an operation on the log panicked".into());
            }
            inner
        })
    }

    fn raise(&self) {
        if let Some(signal) = self.signal.get() {
            signal.raise();
        }
    }

    /// Like `lock`, for the writer: a caller that appends without a pause has the lock back before a thread that sleeps has
    /// woken up, so the writer waits awake for as long as one append may take.
    fn lock_awake(&self) -> MutexGuard<'_, Inner> {
        for _ in 0..LOG_LOCK_TRIES_COUNT {
            match self.inner.try_lock() {
                Ok(inner) => return inner,
                Err(TryLockError::Poisoned(_)) => break,
                // Seldom enough not to take the cache line away from whoever works on the log.
                Err(TryLockError::WouldBlock) => (0..LOG_LOCK_PAUSES_COUNT).for_each(|_| spin_loop()),
            }
        }
        self.lock()
    }

    /// Lets the writer look for work, unless it is about to do so anyway.
    fn wake_writer(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// The writer's thread: takes what has gathered, writes and syncs it, again and again.
    fn write_until_closed(&self, mut writer: Writer) {
        // Before it first looks for work, so that nobody who leaves some later misses it.
        let _ = self.writer.set(thread::current());
        let mut written = None;
        loop {
            let mut inner = self.lock_awake();
            let told = written.take().map(|result| inner.log.as_mut().map(|log| log.complete_sync(result))).is_some();
            let work = inner.log.as_mut().and_then(Log::begin_sync);
            let closing = inner.closing;
            drop(inner);
            if told {
                self.done.notify_all();
                self.raise();
            }
            match work {
                // What was written is dropped here, before the log lets go of it: so the log is the last owner, and uses
                // the buffers again.
                Some(work) => written = Some(perform(&mut writer, work)),
                None if closing => return,
                None => thread::park(),
            }
        }
    }
}

fn perform(writer: &mut Writer, work: Work) -> Result<(), LogError> {
    catch_unwind(AssertUnwindSafe(|| writer.perform(&work))).unwrap_or_else(|_| {
        let source = io::Error::other("the writer panicked");
        Err(LogError::io("write to", "the log".into(), source))
    })
}
