//! A view of the stores for a snapshot, written in a worker thread.

use nacos_core::serve;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::borrow::new_bytes;

/// What the log has applied, as it was when `Hub.freeze` was called.
#[pyclass(frozen, module = "nacos_core._core")]
#[derive(Debug)]
pub struct Frozen(pub serve::Frozen);

#[pymethods]
impl Frozen {
    /// The bytes for `Hub.restore_snapshot`. It takes a while, without the interpreter's lock.
    fn encode<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let data = py.detach(|| self.0.encode());
        new_bytes(py, &data)
    }
}
