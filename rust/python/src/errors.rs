//! Errors of the core as Python exceptions: converted here and nowhere else.

use nacos_core::serve::{ApplyError, InputError, Refusal, SnapshotError};
use pyo3::create_exception;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

create_exception!(nacos_core._core, InvalidInstance, PyValueError, "An instance or the name of a service is wrong.");
create_exception!(nacos_core._core, KindConflict, PyValueError, "The service is of the other kind.");

pub fn input(error: &InputError) -> PyErr {
    InvalidInstance::new_err(error.to_string())
}

pub fn apply(error: &ApplyError) -> PyErr {
    match error {
        ApplyError::ChangeRefused(_) => PyValueError::new_err(error.to_string()),
        ApplyError::Json(_) | ApplyError::Change(_) | ApplyError::Refused(Refusal::Input(_)) => {
            InvalidInstance::new_err(error.to_string())
        }
        ApplyError::Refused(Refusal::Registry(_)) => KindConflict::new_err(error.to_string()),
    }
}

pub fn snapshot(error: &SnapshotError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

pub fn io(error: &std::io::Error) -> PyErr {
    PyOSError::new_err((error.raw_os_error(), error.to_string()))
}
