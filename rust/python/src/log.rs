//! The replicated log for Python: one call a batch, payloads borrowed, blocking work without the interpreter's lock.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use crate::borrow::{entries_of, hold, payloads_of};
use crate::simulated_disk::SimulatedDisk;
use nacos_core::limits::{LOG_CACHE_BYTES, LOG_SEGMENT_BYTES};
use nacos_core::log::{self, Appending, Options, Packed, SharedLog, Slice, SnapshotId};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

create_exception!(nacos_core._core, LogError, PyException, "The log refuses an operation, or the disk does.");
create_exception!(nacos_core._core, LogCorrupt, LogError, "Bytes that had been synced are not what was written.");
create_exception!(nacos_core._core, LogLocked, LogError, "Another process has the data folder.");
create_exception!(nacos_core._core, LogFailed, LogError, "A write or a sync failed: the log is failed for good.");

/// Little, since it is memory that each node of a simulation takes.
const SIMULATED_ZERO_AHEAD_BYTES: usize = 4096;

fn raised(error: log::LogError) -> PyErr {
    let text = error.to_string();
    match error {
        log::LogError::Damaged { .. } => LogCorrupt::new_err(text),
        log::LogError::Locked { .. } => LogLocked::new_err(text),
        log::LogError::Failed { .. } => LogFailed::new_err(text),
        log::LogError::Malformed { .. } => PyValueError::new_err(text),
        _ => LogError::new_err(text),
    }
}

/// `try_append`: the log agrees with the leader's up to `last_index`.
#[pyclass(frozen, eq, get_all, module = "nacos_core._core")]
#[derive(Debug, PartialEq, Eq)]
pub struct Appended {
    last_index: u64,
}

#[pymethods]
impl Appended {
    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("last_index",)
    }

    #[new]
    fn new(last_index: u64) -> Self {
        Self { last_index }
    }

    fn __repr__(&self) -> String {
        format!("Appended(last_index={})", self.last_index)
    }
}

/// `try_append`: the entry at `prev_index` has another term, which starts at `first_index`; or, with both None, there is
/// no entry there, since the log ends at `last_index`.
#[pyclass(frozen, eq, get_all, module = "nacos_core._core")]
#[derive(Debug, PartialEq, Eq)]
pub struct Conflict {
    term: Option<u64>,
    first_index: Option<u64>,
    last_index: u64,
}

#[pymethods]
impl Conflict {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str, &'static str) {
        ("term", "first_index", "last_index")
    }

    #[new]
    fn new(term: Option<u64>, first_index: Option<u64>, last_index: u64) -> Self {
        Self { term, first_index, last_index }
    }

    fn __repr__(&self) -> String {
        let text = |number: Option<u64>| number.map_or("None".to_owned(), |number| number.to_string());
        let (term, first_index) = (text(self.term), text(self.first_index));
        format!("Conflict(term={term}, first_index={first_index}, last_index={})", self.last_index)
    }
}

/// What is durable: the entries up to `index`, and every operation up to `ticket`.
#[pyclass(frozen, eq, get_all, module = "nacos_core._core")]
#[derive(Debug, PartialEq, Eq)]
pub struct Synced {
    index: u64,
    ticket: u64,
}

#[pymethods]
impl Synced {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("index", "ticket")
    }

    #[new]
    fn new(index: u64, ticket: u64) -> Self {
        Self { index, ticket }
    }

    fn __repr__(&self) -> String {
        format!("Synced(index={}, ticket={})", self.index, self.ticket)
    }
}

impl From<log::Synced> for Synced {
    fn from(synced: log::Synced) -> Self {
        Self { index: synced.index, ticket: synced.ticket }
    }
}

fn answer(py: Python<'_>, appending: Appending) -> PyResult<Bound<'_, PyAny>> {
    let conflict = match appending {
        Appending::Appended { last_index } => return Ok(Appended { last_index }.into_pyobject(py)?.into_any()),
        Appending::Conflict { term, first_index, last_index } => {
            Conflict { term: Some(term), first_index: Some(first_index), last_index }
        }
        Appending::TooShort { last_index } => Conflict { term: None, first_index: None, last_index },
    };
    Ok(conflict.into_pyobject(py)?.into_any())
}

/// Term and payload of each entry of a blob.
#[pyfunction]
pub fn unpack<'py>(py: Python<'py>, packed: &Bound<'py, PyBytes>) -> PyResult<Vec<(u64, Bound<'py, PyBytes>)>> {
    let entries = log::unpack(packed.as_bytes()).map_err(raised)?;
    Ok(entries.into_iter().map(|(term, payload)| (term, PyBytes::new(py, payload))).collect())
}

/// The replicated log of one node.
#[pyclass(frozen, module = "nacos_core._core")]
#[derive(Debug)]
pub struct Log {
    log: SharedLog,
}

impl Log {
    fn with<T>(&self, operation: impl FnOnce(&mut log::Log) -> T) -> PyResult<T> {
        self.log.with(operation).map_err(raised)
    }

    fn attempt<T>(&self, operation: impl FnOnce(&mut log::Log) -> Result<T, log::LogError>) -> PyResult<T> {
        self.with(operation)?.map_err(raised)
    }
}

#[pymethods]
impl Log {
    /// Opens the log in a folder, or creates it: takes the lock, and recovers what is there.
    #[staticmethod]
    #[pyo3(signature = (directory, *, segment_bytes = None, unsafe_no_sync = false))]
    fn open(py: Python<'_>, directory: PathBuf, segment_bytes: Option<u64>, unsafe_no_sync: bool) -> PyResult<Self> {
        // Only to make the checksums of this log unlike those of any other, and unknown to clients.
        let salt = RandomState::new().build_hasher().finish();
        let options = Options { segment_bytes: segment_bytes.unwrap_or(LOG_SEGMENT_BYTES), salt, ..Options::default() };
        let log = py.detach(|| SharedLog::open(&directory, options, !unsafe_no_sync)).map_err(raised)?;
        Ok(Self { log })
    }

    /// Opens the log on a simulated disk, or creates it; nothing is written but by `begin_sync` and `complete_sync`.
    #[staticmethod]
    #[pyo3(signature = (disk, *, segment_bytes = None, cache_bytes = None, salt))]
    fn open_simulated(
        disk: &Bound<'_, SimulatedDisk>,
        segment_bytes: Option<u64>,
        cache_bytes: Option<usize>,
        salt: u64,
    ) -> PyResult<Self> {
        let options = Options {
            segment_bytes: segment_bytes.unwrap_or(LOG_SEGMENT_BYTES),
            cache_bytes: cache_bytes.unwrap_or(LOG_CACHE_BYTES),
            salt,
            zero_ahead_bytes: SIMULATED_ZERO_AHEAD_BYTES,
        };
        let log = SharedLog::by_hand(disk.get().attach(), options).map_err(raised)?;
        Ok(Self { log })
    }

    /// Takes what has gathered as the group that is under way; false when there is nothing, or one is under way.
    fn begin_sync(&self) -> PyResult<bool> {
        self.log.begin_sync().map_err(raised)
    }

    /// Writes and syncs the group that is under way. Raises LogFailed when that fails.
    fn complete_sync(&self) -> PyResult<()> {
        self.log.complete_sync().map_err(raised)
    }

    /// Whether something waits to be written and nothing is under way.
    #[getter]
    fn has_work(&self) -> PyResult<bool> {
        self.log.has_work().map_err(raised)
    }

    /// A log that is kept nowhere; everything is durable at once.
    #[staticmethod]
    fn in_memory() -> Self {
        Self { log: SharedLog::in_memory() }
    }

    #[getter]
    fn recovery_report(&self) -> PyResult<Option<String>> {
        self.with(|log| log.recovery_report().map(str::to_owned))
    }

    #[getter]
    fn first_index(&self) -> PyResult<u64> {
        self.with(|log| log.first_index())
    }

    #[getter]
    fn last_index(&self) -> PyResult<u64> {
        self.with(|log| log.last_index())
    }

    #[getter]
    fn last_term(&self) -> PyResult<u64> {
        self.with(|log| log.last_term())
    }

    #[getter]
    fn synced_index(&self) -> PyResult<u64> {
        self.with(|log| log.synced().index)
    }

    #[getter]
    fn committed_index(&self) -> PyResult<u64> {
        self.with(|log| log.committed())
    }

    #[getter]
    fn ticket(&self) -> PyResult<u64> {
        self.with(|log| log.ticket())
    }

    #[getter]
    fn term(&self) -> PyResult<u64> {
        self.with(|log| log.hard_state().term)
    }

    #[getter]
    fn vote(&self) -> PyResult<String> {
        self.with(|log| log.hard_state().vote.clone())
    }

    #[getter]
    fn snapshot_index(&self) -> PyResult<u64> {
        self.with(|log| log.snapshot().index)
    }

    #[getter]
    fn snapshot_term(&self) -> PyResult<u64> {
        self.with(|log| log.snapshot().term)
    }

    /// Sets term and vote; durable once `poll()` has answered a ticket that is not below the one returned here.
    fn set_hard_state(&self, term: u64, vote: &str) -> PyResult<u64> {
        self.attempt(|log| log.set_hard_state(term, vote))
    }

    /// Appends entries of one term, as a leader does; answers the new last index.
    fn append(&self, term: u64, payloads: &Bound<'_, PyAny>) -> PyResult<u64> {
        let held = hold(payloads)?;
        let payloads = payloads_of(&held)?;
        self.attempt(|log| log.append(term, &payloads))
    }

    /// Appends what a leader sent, (term, payload) each, if the log agrees with the leader's at `prev_index`.
    fn try_append<'py>(
        &self,
        py: Python<'py>,
        prev_index: u64,
        prev_term: u64,
        entries: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let held = hold(entries)?;
        let entries = entries_of(&held)?;
        answer(py, self.attempt(|log| log.try_append(prev_index, prev_term, &entries))?)
    }

    /// Like `try_append`, with entries that `pack` of another log has made.
    fn try_append_packed<'py>(
        &self,
        py: Python<'py>,
        prev_index: u64,
        prev_term: u64,
        packed: &Bound<'py, PyBytes>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = packed.as_bytes();
        let appending = py.detach(|| self.log.with(|log| log.try_append_packed(prev_index, prev_term, bytes)));
        answer(py, appending.map_err(raised)?.map_err(raised)?)
    }

    /// Declares the entries up to `index` committed: an attempt to replace them is refused from then on.
    fn commit(&self, index: u64) -> PyResult<()> {
        self.attempt(|log| log.commit(index))
    }

    /// Has the commit index written down though nothing else may be to write; answers the ticket of that.
    fn mark_commit(&self) -> PyResult<u64> {
        self.attempt(|log| log.mark_commit())
    }

    /// The entries from `first` to `last`, (index, term, payload) each: as many as fit into `max_bytes`, at least one.
    fn slice<'py>(&self, py: Python<'py>, first: u64, last: u64, max_bytes: usize) -> PyResult<Bound<'py, PyList>> {
        let slice: Slice = py.detach(|| self.log.gather(first, last, max_bytes)).map_err(raised)?;
        PyList::new(py, slice.iter().map(|(index, term, payload)| (index, term, PyBytes::new(py, payload))))
    }

    /// The last index packed, and entries from `first` on in one blob: as many as fit into `max_bytes`, at least one.
    fn pack<'py>(
        &self,
        py: Python<'py>,
        first: u64,
        last: u64,
        max_bytes: usize,
    ) -> PyResult<(u64, Bound<'py, PyBytes>)> {
        let packed: Packed = py.detach(|| self.log.gather(first, last, max_bytes)).map_err(raised)?;
        Ok((packed.last_index().unwrap_or(first.saturating_sub(1)), PyBytes::new(py, packed.bytes())))
    }

    /// The entries from `first` to `last` whose payload starts with the byte.
    fn indexes_starting_with(&self, byte: u8, first: u64, last: u64) -> PyResult<Vec<u64>> {
        self.with(|log| log.indexes_starting_with(byte, first, last))
    }

    /// The last entry of exactly this term that the log holds, or has compacted away last.
    fn last_index_of_term(&self, term: u64) -> PyResult<Option<u64>> {
        self.with(|log| log.last_index_of_term(term))
    }

    /// The term of an entry, of the last one compacted away, or of the snapshot's last; None for any other index.
    fn term_at(&self, index: u64) -> PyResult<Option<u64>> {
        self.with(|log| log.term_at(index))
    }

    /// A descriptor that is readable when a sync completed or failed, until `poll()`.
    fn fileno(&self) -> PyResult<i32> {
        self.log.fileno().map_err(raised)
    }

    /// What is durable now; makes the descriptor unreadable. Raises LogFailed after a failed sync.
    fn poll(&self) -> PyResult<Synced> {
        self.log.poll().map(Synced::from).map_err(raised)
    }

    /// Waits until everything that was appended so far is durable.
    #[pyo3(signature = (timeout_ms = 60_000))]
    fn sync(&self, py: Python<'_>, timeout_ms: u64) -> PyResult<()> {
        py.detach(|| self.log.sync(Duration::from_millis(timeout_ms))).map_err(raised)
    }

    /// Makes a snapshot durable, in place of the one before. It blocks: call it from a worker thread.
    fn save_snapshot(&self, py: Python<'_>, index: u64, term: u64, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let bytes = data.as_bytes();
        py.detach(|| self.log.save_snapshot(SnapshotId { index, term }, bytes)).map_err(raised)
    }

    /// Index, term and data of the last snapshot, every byte checked; None when there is none.
    fn load_snapshot<'py>(&self, py: Python<'py>) -> PyResult<Option<(u64, u64, Bound<'py, PyBytes>)>> {
        let found = py.detach(|| self.log.load_snapshot()).map_err(raised)?;
        Ok(found.map(|found| (found.id.index, found.id.term, PyBytes::new(py, &found.data))))
    }

    /// Forgets the entries up to `index`, which the last snapshot must cover.
    fn compact(&self, index: u64) -> PyResult<()> {
        self.attempt(|log| log.compact(index))
    }

    /// Syncs what is left, ends the writer and gives the folder free. Closing twice is fine.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.log.close()).map_err(raised)
    }
}
