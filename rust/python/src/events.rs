//! Events of the hub as Python objects: frozen classes, so that handlers can `match` on them.

use nacos_core::registry::ResourceKey;
use nacos_core::serve::Event;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

/// An HTTP request that the core does not answer itself.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct HttpRequest {
    connection: u64,
    call: u32,
    method: String,
    path: String,
    parameters: Py<PyDict>,
    headers: Py<PyDict>,
    body: Py<PyBytes>,
    client_ip: String,
    remote_ip: String,
    authorized: bool,
}

/// A unary gRPC request that the core does not answer itself.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct GrpcRequest {
    connection: u64,
    call: u32,
    connection_id: String,
    r#type: String,
    headers: Py<PyDict>,
    body: Py<PyBytes>,
    client_ip: String,
    remote_ip: String,
    authorized: bool,
}

/// A validated registration or removal of a persistent instance.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct PersistentInstance {
    connection: u64,
    call: u32,
    api: &'static str,
    register: bool,
    namespace: String,
    group: String,
    service: String,
    instance: Py<PyBytes>,
}

/// A request over HTTP of an address that another member handles.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct Misplaced {
    connection: u64,
    call: u32,
    node_id: String,
    request: Py<PyBytes>,
    remote_ip: String,
}

/// A 1.x listener request of which nothing has changed yet.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct LongPoll {
    connection: u64,
    call: u32,
    client_ip: String,
    tag: Option<String>,
    keys: Py<PyList>,
    hang_ms: u64,
}

/// A list request that asked for UDP push; it has been answered already.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct UdpSubscribed {
    ip: String,
    port: u16,
    agent: String,
    namespace: String,
    group: String,
    service: String,
    clusters: String,
}

/// A connection watches a pattern; it has been answered already.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct FuzzyWatched {
    connection: u64,
    module: &'static str,
    pattern: String,
    is_initial: bool,
    keys: Py<PyList>,
}

/// A gRPC connection has introduced itself.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct ConnectionReady {
    connection: u64,
    connection_id: String,
    client_ip: String,
    client_version: String,
    namespace: String,
    labels: Py<PyDict>,
}

/// A gRPC connection has gone; what it held is dropped already.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct ConnectionGone {
    connection: u64,
}

/// A client has answered a push.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct PushAcknowledged {
    connection: u64,
    request_id: u64,
    succeeded: bool,
}

/// Builds the list of events that Python gets.
pub fn to_list(py: Python<'_>, events: Vec<Event>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for event in events {
        list.append(to_object(py, event)?)?;
    }
    Ok(list)
}

fn to_object(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyAny>> {
    Ok(match event {
        Event::Http(request) => Bound::new(
            py,
            HttpRequest {
                connection: request.connection,
                call: request.call,
                method: request.method,
                path: request.path,
                parameters: first_wins(py, &request.parameters)?,
                headers: first_wins(py, &request.headers)?,
                body: PyBytes::new(py, &request.body).unbind(),
                client_ip: request.client_ip,
                remote_ip: request.remote_ip,
                authorized: request.authorized,
            },
        )?
        .into_any(),
        Event::Grpc(request) => Bound::new(
            py,
            GrpcRequest {
                connection: request.connection,
                call: request.call,
                connection_id: request.connection_id,
                r#type: request.kind,
                headers: first_wins(py, &request.headers)?,
                body: PyBytes::new(py, &request.body).unbind(),
                client_ip: request.client_ip,
                remote_ip: request.remote_ip,
                authorized: request.authorized,
            },
        )?
        .into_any(),
        Event::Persistent(event) => Bound::new(
            py,
            PersistentInstance {
                connection: event.connection,
                call: event.call,
                api: event.api.name(),
                register: event.register,
                namespace: event.namespace,
                group: event.group,
                service: event.service,
                instance: PyBytes::new(py, &event.instance).unbind(),
            },
        )?
        .into_any(),
        Event::Misplaced(event) => {
            let request = PyBytes::new(py, &event.request).unbind();
            let (connection, call, node_id, remote_ip) = (event.connection, event.call, event.node_id, event.remote_ip);
            Bound::new(py, Misplaced { connection, call, node_id, request, remote_ip })?.into_any()
        }
        Event::LongPoll(event) => {
            let keys = event.keys.into_iter().map(|(key, md5)| (key.data_id, key.group, key.tenant, md5));
            let keys = PyList::new(py, keys.collect::<Vec<_>>())?.unbind();
            let (connection, call, hang_ms) = (event.connection, event.call, event.hang_ms);
            let (client_ip, tag) = (event.client_ip, event.tag);
            Bound::new(py, LongPoll { connection, call, client_ip, tag, keys, hang_ms })?.into_any()
        }
        Event::UdpSubscribed(event) => Bound::new(
            py,
            UdpSubscribed {
                ip: event.ip,
                port: event.port,
                agent: event.agent,
                namespace: event.namespace,
                group: event.group,
                service: event.service,
                clusters: event.clusters,
            },
        )?
        .into_any(),
        Event::FuzzyWatched(event) => {
            let keys = PyList::new(py, event.keys.iter().map(ResourceKey::parts))?.unbind();
            let (connection, module, pattern, is_initial) =
                (event.connection, event.of.module(), event.pattern, event.is_initial);
            Bound::new(py, FuzzyWatched { connection, module, pattern, is_initial, keys })?.into_any()
        }
        Event::ConnectionReady(event) => Bound::new(
            py,
            ConnectionReady {
                connection: event.connection,
                connection_id: event.connection_id,
                client_ip: event.client_ip,
                client_version: event.client_version,
                namespace: event.namespace,
                labels: first_wins(py, &event.labels)?,
            },
        )?
        .into_any(),
        Event::ConnectionGone(connection) => Bound::new(py, ConnectionGone { connection })?.into_any(),
        Event::PushAcknowledged { connection, request_id, succeeded } => {
            Bound::new(py, PushAcknowledged { connection, request_id, succeeded })?.into_any()
        }
    })
}

fn first_wins(py: Python<'_>, pairs: &[(String, String)]) -> PyResult<Py<PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in pairs.iter().rev() {
        dict.set_item(name, value)?;
    }
    Ok(dict.unbind())
}
