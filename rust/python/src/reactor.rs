//! The reactor as Python sees it.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use nacos_core::reactor;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::hub::Hub;
use crate::{errors, events};

/// The pump: owns the sockets of one hub.
#[pyclass(frozen, module = "nacos_core._core")]
#[derive(Debug)]
pub struct Reactor {
    hub: Py<Hub>,
    inner: Mutex<reactor::Reactor>,
    more: std::sync::atomic::AtomicBool,
}

impl Reactor {
    fn lock(&self) -> MutexGuard<'_, reactor::Reactor> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[pymethods]
impl Reactor {
    #[new]
    fn new(hub: Py<Hub>) -> PyResult<Self> {
        let inner = reactor::Reactor::new().map_err(|error| errors::io(&error))?;
        Ok(Self { hub, inner: Mutex::new(inner), more: false.into() })
    }

    /// The descriptor is duplicated: the caller keeps its socket, and closes it when it likes.
    #[pyo3(signature = (fd, *, grpc))]
    fn listen(&self, fd: i32, grpc: bool) -> PyResult<()> {
        reactor::duplicate_listener(fd)
            .and_then(|socket| self.lock().listen(socket, grpc))
            .map_err(|error| errors::io(&error))
    }

    fn fileno(&self) -> i32 {
        self.lock().fd()
    }

    fn turn<'py>(&self, py: Python<'py>, now_ms: u64, budget_us: u64) -> PyResult<Bound<'py, PyList>> {
        let hub = self.hub.get();
        let (more, events) = py
            .detach(|| {
                let mut hub = hub.lock();
                let more = self.lock().turn(&mut hub, now_ms, Duration::from_micros(budget_us))?;
                Ok((more, hub.take_events()))
            })
            .map_err(|error: std::io::Error| errors::io(&error))?;
        self.more.store(more, std::sync::atomic::Ordering::Relaxed);
        events::to_list(py, events)
    }

    fn flush(&self, py: Python<'_>, now_ms: u64) -> PyResult<()> {
        let hub = self.hub.get();
        let flushed = py.detach(|| {
            let mut hub = hub.lock();
            self.lock().flush(&mut hub, now_ms)
        });
        flushed.map_err(|error| errors::io(&error))
    }

    #[getter]
    fn more(&self) -> bool {
        self.more.load(std::sync::atomic::Ordering::Relaxed)
    }

    #[getter]
    fn connection_count(&self) -> usize {
        self.lock().connection_count()
    }

    fn stop_listening(&self) {
        self.lock().stop_listening();
    }

    fn close(&self, now_ms: u64) {
        let mut hub = self.hub.get().lock();
        self.lock().close(&mut hub, now_ms);
    }
}
