//! The Python bindings: frozen classes, batched calls, borrowed bytes, errors converted in one place.

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _core {
    use super::*;

    /// The version of the core, which is the version of the package.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
