//! The client side of a gRPC connection as Python sees it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nacos_core::grpc::client::{self, ClientEvent};
use nacos_core::grpc::payload::{Payload, encode_request};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// A message from the server.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct ClientMessage {
    call: u32,
    r#type: String,
    body: Py<PyBytes>,
}

/// A call is over, after its last message.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct ClientEnded {
    call: u32,
    status: u8,
    message: String,
}

/// The server takes no new calls on this connection.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct ClientGoingAway {
    reason: String,
}

/// The connection ended, and every call with it.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct ClientClosed {
    reason: Option<String>,
}

/// One gRPC connection to a server: calls and received bytes in, messages and bytes out.
#[pyclass(frozen, module = "nacos_core._core")]
#[derive(Debug)]
pub struct GrpcClient(Mutex<client::GrpcClient>);

impl GrpcClient {
    fn lock(&self) -> MutexGuard<'_, client::GrpcClient> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn events<'py>(&self, py: Python<'py>, engine: &mut client::GrpcClient) -> PyResult<Bound<'py, PyList>> {
        let mut polled = Vec::new();
        engine.poll(&mut polled);
        let events = PyList::empty(py);
        for event in polled {
            events.append(convert(py, event)?)?;
        }
        Ok(events)
    }
}

fn convert(py: Python<'_>, event: ClientEvent) -> PyResult<Py<PyAny>> {
    Ok(match event {
        ClientEvent::Message { call, message } => {
            let payload = Payload::decode(&message).map_err(|error| {
                PyValueError::new_err(format!("the server sent a message that cannot be read: {error}"))
            })?;
            let body = PyBytes::new(py, payload.body).unbind();
            Py::new(py, ClientMessage { call, r#type: payload.kind.to_owned(), body })?.into_any()
        }
        ClientEvent::Ended { call, status } => {
            let message = status.message.into_owned();
            Py::new(py, ClientEnded { call, status: status.code, message })?.into_any()
        }
        ClientEvent::GoingAway { reason } => Py::new(py, ClientGoingAway { reason })?.into_any(),
        ClientEvent::Closed { reason } => Py::new(py, ClientClosed { reason })?.into_any(),
    })
}

#[pymethods]
impl GrpcClient {
    #[new]
    fn new(authority: &str) -> Self {
        Self(Mutex::new(client::GrpcClient::new(authority)))
    }

    fn call(&self, r#type: &str, headers: BTreeMap<String, String>, body: &[u8]) -> Option<u32> {
        self.lock().call(encode_request(r#type, pairs(&headers), body))
    }

    fn open_stream(&self) -> Option<u32> {
        self.lock().open_stream()
    }

    fn send(&self, stream: u32, r#type: &str, headers: BTreeMap<String, String>, body: &[u8]) {
        self.lock().send(stream, encode_request(r#type, pairs(&headers), body));
    }

    fn cancel(&self, call: u32) {
        self.lock().cancel(call);
    }

    fn feed<'py>(&self, py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let mut engine = self.lock();
        engine.feed(data);
        self.events(py, &mut engine)
    }

    fn closed_by_peer<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut engine = self.lock();
        engine.closed_by_peer();
        self.events(py, &mut engine)
    }

    fn take_output<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.lock().take_output())
    }
}

fn pairs(headers: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}
