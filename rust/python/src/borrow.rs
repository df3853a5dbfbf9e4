//! Batches of bytes borrowed from Python, with as few calls into the interpreter as the stable ABI allows.
//!
//! There every check is a function call, and the safe wrappers make nine of them for one (term, payload). These make four,
//! which is what remains of the cost of a batch beside the checksums. The pointers are borrowed from a tuple that is held
//! meanwhile: tuples and bytes never change.

use std::ffi::c_char;
use std::ptr::null_mut;
use std::slice;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PySequence, PyTuple};

/// The items as a tuple, which nobody can change while something is borrowed from it.
pub fn hold<'py>(items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    match items.cast::<PyList>() {
        Ok(list) => Ok(list.to_tuple()),
        Err(_) => items.cast::<PySequence>()?.to_tuple(),
    }
}

/// The bytes of each item.
pub fn payloads_of<'a>(held: &'a Bound<'_, PyTuple>) -> PyResult<Vec<&'a [u8]>> {
    let mut payloads = Vec::with_capacity(held.len());
    for item in held.iter_borrowed() {
        // SAFETY: the item is a live object, and `held` keeps it alive for 'a.
        payloads.push(unsafe { bytes_of(held.py(), item.as_ptr()) }?);
    }
    Ok(payloads)
}

/// Term and payload of each item, which is a tuple of the two.
pub fn entries_of<'a>(held: &'a Bound<'_, PyTuple>) -> PyResult<Vec<(u64, &'a [u8])>> {
    let py = held.py();
    let mut entries = Vec::with_capacity(held.len());
    let mut last: (*mut ffi::PyObject, u64) = (null_mut(), 0);
    for item in held.iter_borrowed() {
        // SAFETY: `PyTuple_GetItem` checks that it is given a tuple, and the index. What it returns is borrowed from the
        // item, which cannot let go of it, and which `held` keeps alive for 'a.
        let (term, payload) = unsafe {
            let term = ffi::PyTuple_GetItem(item.as_ptr(), 0);
            (term, ffi::PyTuple_GetItem(item.as_ptr(), 1))
        };
        if term.is_null() || payload.is_null() {
            PyErr::take(py);
            return Err(PyTypeError::new_err("an entry is a tuple of term and payload"));
        }
        // The entries of a batch mostly share one int, so it is read once.
        if term != last.0 {
            // SAFETY: as above.
            last = (term, unsafe { Borrowed::from_ptr(py, term) }.extract()?);
        }
        // SAFETY: as above.
        entries.push((last.1, unsafe { bytes_of(py, payload) }?));
    }
    Ok(entries)
}

/// SAFETY: `object` is a Python object that lives for 'a.
unsafe fn bytes_of<'a>(py: Python<'_>, object: *mut ffi::PyObject) -> PyResult<&'a [u8]> {
    let (mut start, mut length): (*mut c_char, ffi::Py_ssize_t) = (null_mut(), 0);
    // SAFETY: it checks that the object is bytes; the two pointers are valid.
    if unsafe { ffi::PyBytes_AsStringAndSize(object, &mut start, &mut length) } != 0 {
        return Err(PyErr::fetch(py));
    }
    // SAFETY: the contents of a bytes object, which never change and live as long as it does.
    Ok(unsafe { slice::from_raw_parts(start.cast::<u8>(), length as usize) })
}
