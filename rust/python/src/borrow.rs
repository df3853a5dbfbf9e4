//! Batches of bytes borrowed from Python, with as few calls into the interpreter as the stable ABI allows.
//!
//! There every check is a function call, and the safe wrappers make nine of them for one (term, payload). These make four,
//! which is what remains of the cost of a batch beside the checksums. The pointers are borrowed from a tuple that is held
//! meanwhile: tuples and bytes never change.

use std::ffi::c_char;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::{slice, str};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySequence, PyTuple};

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

/// A tuple inside one that is held, as its fields.
#[derive(Clone, Copy)]
pub struct Fields<'a, 'py> {
    py: Python<'py>,
    /// Known to be a tuple, and alive for 'a.
    tuple: *mut ffi::PyObject,
    count: usize,
    held: PhantomData<&'a ()>,
}

impl<'a, 'py> Fields<'a, 'py> {
    /// Every item of what is held, each a tuple of so many fields.
    pub fn of_each(held: &'a Bound<'py, PyTuple>, count: usize) -> impl Iterator<Item = PyResult<Self>> {
        // SAFETY: the item is a live object, and `held` keeps it alive for 'a.
        held.iter_borrowed().map(move |item| unsafe { Self::of(held.py(), item.as_ptr(), count) })
    }

    /// SAFETY: `object` is a Python object that lives for 'a.
    unsafe fn of(py: Python<'py>, object: *mut ffi::PyObject, count: usize) -> PyResult<Self> {
        // SAFETY: it is an object; the size is asked of a tuple only.
        let fits = unsafe { ffi::PyTuple_Check(object) != 0 && ffi::PyTuple_Size(object) as usize == count };
        if fits {
            Ok(Self { py, tuple: object, count, held: PhantomData })
        } else {
            Err(PyTypeError::new_err(format!("a tuple of {count} fields is wanted")))
        }
    }

    /// A field, which the tuple keeps alive for 'a.
    fn item(self, at: usize) -> *mut ffi::PyObject {
        assert!(at < self.count, "a field that was asked for is one of those that were counted");
        // SAFETY: it is a tuple, and has so many fields.
        unsafe { ffi::PyTuple_GetItem(self.tuple, at as ffi::Py_ssize_t) }
    }

    pub fn fields(self, at: usize, count: usize) -> PyResult<Self> {
        // SAFETY: a field is an object that lives for 'a.
        unsafe { Self::of(self.py, self.item(at), count) }
    }

    pub fn bytes(self, at: usize) -> PyResult<&'a [u8]> {
        // SAFETY: a field is an object that lives for 'a.
        unsafe { bytes_of(self.py, self.item(at)) }
    }

    pub fn text(self, at: usize) -> PyResult<&'a str> {
        let mut length: ffi::Py_ssize_t = 0;
        // SAFETY: it checks that the object is text; what it points to belongs to the object.
        let start = unsafe { ffi::PyUnicode_AsUTF8AndSize(self.item(at), &mut length) };
        if start.is_null() {
            return Err(PyErr::fetch(self.py));
        }
        // SAFETY: the text of a str object as UTF-8, which never changes and lives as long as the object.
        Ok(unsafe { str::from_utf8_unchecked(slice::from_raw_parts(start.cast::<u8>(), length as usize)) })
    }

    pub fn optional_text(self, at: usize) -> PyResult<Option<&'a str>> {
        // SAFETY: None is immortal, and only compared.
        let is_none = self.item(at) == unsafe { ffi::Py_None() };
        if is_none { Ok(None) } else { self.text(at).map(Some) }
    }

    pub fn extract<T>(self, at: usize) -> PyResult<T>
    where
        T: for<'b> FromPyObject<'b, 'py, Error = PyErr>,
    {
        // SAFETY: a field is an object that lives for 'a.
        unsafe { Borrowed::from_ptr(self.py, self.item(at)) }.extract()
    }
}

/// A bytes object, filled without the interpreter's lock: copying many megabytes would hold up everything else.
pub fn new_bytes<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    // SAFETY: with no source it makes an object of uninitialised bytes, which nobody else has seen yet.
    let made = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromStringAndSize(null(), isize_of(data)?))? };
    // SAFETY: it is a bytes object, alive as long as `made`, of the length of `data`.
    let contents = unsafe {
        slice::from_raw_parts_mut(ffi::PyBytes_AsString(made.as_ptr()).cast::<MaybeUninit<u8>>(), data.len())
    };
    py.detach(|| {
        // SAFETY: both are of the same length, and a MaybeUninit may hold any byte.
        contents.copy_from_slice(unsafe { slice::from_raw_parts(data.as_ptr().cast(), data.len()) });
    });
    Ok(made.cast_into::<PyBytes>()?)
}

fn isize_of(data: &[u8]) -> PyResult<ffi::Py_ssize_t> {
    Ok(ffi::Py_ssize_t::try_from(data.len())?)
}
