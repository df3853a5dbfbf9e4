//! The hub as Python sees it. What belongs to a store or a rule of its own stands beside the classes of that.

use std::sync::{Mutex, MutexGuard};

use nacos_core::configs::Asker;
use nacos_core::limits;
use nacos_core::registry::{Publisher, View};
use nacos_core::serve::{self, DecodedSnapshot, HubSettings, ListenKey, Owner, ServiceName};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::frozen::Frozen;
use crate::{errors, events};

/// A service, the revision of its own metadata if that is over, and of those of its instances that are.
type ExpiredMetadata = ((String, String, String), Option<u64>, Vec<(String, u64)>);
type ServiceParts<'a> = (&'a str, &'a str, &'a str);

/// Client connections, the router, and the stores that answers come from.
#[pyclass(frozen, module = "nacos_core._core")]
#[derive(Debug)]
pub struct Hub(Mutex<serve::Hub>);

/// Namespace, group and bare name of a service as a client wrote them, defaults filled in.
#[pyfunction]
pub fn service_key(namespace: &str, group: &str, name: &str) -> PyResult<(String, String, String)> {
    let name = service((namespace, group, name))?;
    Ok((name.namespace.to_owned(), name.group.to_owned(), name.name.to_owned()))
}

/// The pairs that a client wrote as a JSON object or as `k=v,k2=v2`; null counts as no value.
#[pyfunction]
pub fn parse_metadata<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyDict>> {
    let parsed = serve::parse_metadata(text).map_err(|error| errors::input(&error))?;
    let pairs = PyDict::new(py);
    for (name, value) in parsed.iter().flatten() {
        if let Some(value) = value {
            pairs.set_item(&**name, &**value)?;
        }
    }
    Ok(pairs)
}

impl Hub {
    pub(crate) fn lock(&self) -> MutexGuard<'_, serve::Hub> {
        // A panic while it was held has already ended the node; what it protects is still whole enough to close.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

pub(crate) fn service<'a>((namespace, group, name): ServiceParts<'a>) -> PyResult<ServiceName<'a>> {
    ServiceName::new(namespace, group, name).map_err(|error| errors::input(&error))
}

#[pymethods]
impl Hub {
    #[new]
    #[pyo3(signature = (*, digest_key, abilities, require_tokens, udp_push = true, retired = Vec::new()))]
    fn new(
        digest_key: &[u8],
        abilities: &Bound<'_, PyDict>,
        require_tokens: bool,
        udp_push: bool,
        retired: Vec<(String, String)>,
    ) -> PyResult<Self> {
        let digest_key = digest_key
            .try_into()
            .map_err(|_| PyValueError::new_err(format!("digest_key: 16 bytes wanted, {} given", digest_key.len())))?;
        let mut table = std::collections::BTreeMap::new();
        for (name, value) in abilities {
            table.insert(name.extract::<String>()?, value.extract::<bool>()?);
        }
        let pairs: Vec<String> = table.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        let abilities = format!("{{{}}}", pairs.join(","));
        let settings = HubSettings { digest_key, abilities, require_tokens, udp_push, retired };
        Ok(Self(Mutex::new(serve::Hub::new(settings))))
    }

    // --- who may

    fn allow_token(&self, token: &str, until_ms: u64) {
        self.lock().allow_token(token, until_ms);
    }

    fn proceed(&self, connection: u64, call: u32, now_ms: u64) {
        self.lock().proceed(connection, call, now_ms);
    }

    // --- answers

    fn reply_http(&self, connection: u64, call: u32, status: u16, headers: Vec<(String, String)>, body: &[u8]) {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.lock().reply_http(connection, call, status, &headers, body);
    }

    fn begin_http(&self, connection: u64, call: u32, status: u16, headers: Vec<(String, String)>) -> bool {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.lock().begin_http(connection, call, status, &headers)
    }

    #[pyo3(signature = (connection, call, part))]
    fn continue_http(&self, connection: u64, call: u32, part: Option<&[u8]>) -> Option<usize> {
        self.lock().continue_http(connection, call, part)
    }

    fn reply_grpc(&self, connection: u64, call: u32, r#type: &str, body: &[u8]) {
        self.lock().reply_grpc(connection, call, r#type, body);
    }

    #[pyo3(signature = (connection, call, namespace, group, data_id, v3, *, client_ip = "", tag = None, by_tag = false))]
    #[expect(clippy::too_many_arguments, reason = "what is asked for, and by whom")]
    fn reply_config(
        &self,
        connection: u64,
        call: u32,
        namespace: &str,
        group: &str,
        data_id: &str,
        v3: bool,
        client_ip: &str,
        tag: Option<&str>,
        by_tag: bool,
    ) -> bool {
        let who = Asker { ip: client_ip, tag, labels: None };
        self.lock().reply_config(connection, call, (namespace, group, data_id), (by_tag, who), v3)
    }

    fn reply_long_poll(&self, connection: u64, call: u32, changed: Vec<(String, String, Option<String>)>) {
        let keys: Vec<ListenKey> =
            changed.into_iter().map(|(data_id, group, tenant)| ListenKey { data_id, group, tenant }).collect();
        self.lock().reply_long_poll(connection, call, &keys);
    }

    // --- pushes

    fn push(&self, connection: u64, r#type: &str, module: &str, fields: &[u8]) -> Option<u64> {
        self.lock().push(connection, r#type, module, fields)
    }

    fn push_service(&self, namespace: &str, group: &str, service: &str, now_ms: u64) -> PyResult<Vec<(u64, u64)>> {
        let name = self::service((namespace, group, service))?;
        Ok(self.lock().push_service(&name, now_ms))
    }

    fn push_service_to(
        &self,
        connection: u64,
        namespace: &str,
        group: &str,
        service: &str,
        now_ms: u64,
    ) -> PyResult<Option<u64>> {
        let name = self::service((namespace, group, service))?;
        Ok(self.lock().push_service_to(connection, &name, now_ms))
    }

    fn push_config_change(&self, namespace: &str, group: &str, data_id: &str) -> Vec<(u64, u64)> {
        self.lock().push_config_change((namespace, group, data_id))
    }

    fn push_config_change_to(&self, connection: u64, namespace: &str, group: &str, data_id: &str) -> Option<u64> {
        self.lock().push_config_change_to(connection, (namespace, group, data_id))
    }

    fn take_changed_services(&self) -> Vec<(String, String, String)> {
        let changed = self.lock().registry_mut().take_changed();
        let owned = |key: &nacos_core::registry::ResourceKey| {
            (key.namespace().to_owned(), key.group().to_owned(), key.name().to_owned())
        };
        changed.iter().map(owned).collect()
    }

    fn take_new_subscriptions(&self) -> Vec<(u64, String, String, String)> {
        let made = self.lock().registry_mut().take_subscribed();
        let owned = |(connection, key): &(u64, nacos_core::registry::ResourceKey)| {
            (*connection, key.namespace().to_owned(), key.group().to_owned(), key.name().to_owned())
        };
        made.iter().map(owned).collect()
    }

    fn idle_connections(&self, now_ms: u64, idle_ms: u64) -> Vec<u64> {
        self.lock().idle_connections(now_ms, idle_ms)
    }

    fn clients(&self) -> Vec<(u64, String)> {
        self.lock().clients().map(|client| (client.connection, client.connection_id.to_string())).collect()
    }

    fn drop_stalled_connections(&self, now_ms: u64) -> usize {
        self.lock().drop_stalled_connections(now_ms, limits::STALLED_CONNECTION_MS)
    }

    fn close_quiet_connections(&self, now_ms: u64, quiet_ms: u64) -> usize {
        self.lock().close_quiet_connections(now_ms, quiet_ms)
    }

    fn close_connection(&self, connection: u64) {
        self.lock().close(connection);
    }

    // --- registry

    fn open_local(&self) -> u64 {
        self.lock().open_local()
    }

    fn register(
        &self,
        publisher: u64,
        namespace: &str,
        group: &str,
        service: &str,
        instances: &[u8],
        now_ms: u64,
    ) -> PyResult<()> {
        let name = self::service((namespace, group, service))?;
        self.lock().register(publisher, &name, instances, now_ms).map_err(|error| errors::apply(&error))
    }

    fn deregister(&self, publisher: u64, namespace: &str, group: &str, service: &str, now_ms: u64) -> PyResult<bool> {
        let name = self::service((namespace, group, service))?;
        Ok(self.lock().registry_mut().withdraw(&Publisher::Connection(publisher), name.key(), now_ms))
    }

    fn apply_persistent(
        &self,
        register: bool,
        namespace: &str,
        group: &str,
        service: &str,
        instance: &[u8],
        now_ms: u64,
    ) -> PyResult<()> {
        let name = self::service((namespace, group, service))?;
        self.lock().apply_persistent(register, &name, instance, now_ms).map_err(|error| errors::apply(&error))
    }

    #[pyo3(signature = (namespace, group, service, clusters, healthy_only, now_ms, *, grouped_name = false))]
    #[expect(clippy::too_many_arguments, reason = "a query with its view, as the protocol has it")]
    fn service_info<'py>(
        &self,
        py: Python<'py>,
        namespace: &str,
        group: &str,
        service: &str,
        clusters: &str,
        healthy_only: bool,
        now_ms: u64,
        grouped_name: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let name = self::service((namespace, group, service))?;
        let mut out = Vec::new();
        let view = View { clusters, healthy_only, grouped_name };
        self.lock().registry_mut().write_service_info(name.key(), &view, now_ms, &mut out);
        Ok(PyBytes::new(py, &out))
    }

    fn list_services(
        &self,
        namespace: &str,
        group: &str,
        page_no: i64,
        page_size: usize,
    ) -> PyResult<(usize, Vec<String>)> {
        let scope = service((namespace, group, "any"))?;
        let hub = self.lock();
        let (count, names) = hub.registry().list_services(scope.namespace, scope.group, page_no, page_size);
        Ok((count, names.into_iter().map(str::to_owned).collect()))
    }

    /// Services by a name of DNS, and whether there are names below it.
    fn dotted_services(&self, namespace: &str, name: &str) -> (Vec<(String, String, String)>, bool) {
        let found = self.lock().registry().dotted(namespace, name);
        let keys = found.services.iter().map(|key| {
            let (namespace, group, name) = key.parts();
            (namespace.to_owned(), group.to_owned(), name.to_owned())
        });
        (keys.collect(), found.is_above)
    }

    fn service_keys(&self, place: usize, look_count: usize) -> (Vec<(String, String, String)>, Option<usize>) {
        let hub = self.lock();
        let (keys, next) = hub.registry().service_keys(place, look_count);
        let owned = keys.into_iter().map(|key| {
            let (namespace, group, name) = key.parts();
            (namespace.to_owned(), group.to_owned(), name.to_owned())
        });
        (owned.collect(), next)
    }

    // --- metadata of services, clusters and instances

    #[staticmethod]
    fn check_metadata_change(change: &[u8]) -> PyResult<()> {
        serve::Hub::check_metadata_change(change).map_err(|error| errors::apply(&error))
    }

    fn change_metadata(&self, namespace: &str, group: &str, service: &str, change: &[u8], now_ms: u64) -> PyResult<()> {
        let name = self::service((namespace, group, service))?;
        self.lock().change_metadata(&name, change, now_ms).map_err(|error| errors::apply(&error))
    }

    fn expired_metadata(&self, now_ms: u64, after_ms: u64, sees_all: bool) -> Vec<ExpiredMetadata> {
        let found = self.lock().registry_mut().expired_metadata(now_ms, after_ms, sees_all);
        let owned = |(key, expiry): (nacos_core::registry::ResourceKey, nacos_core::registry::Expiry)| {
            let key = (key.namespace().to_owned(), key.group().to_owned(), key.name().to_owned());
            (key, expiry.service, expiry.instances)
        };
        found.into_iter().map(owned).collect()
    }

    fn service_detail<'py>(
        &self,
        py: Python<'py>,
        namespace: &str,
        group: &str,
        service: &str,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let name = self::service((namespace, group, service))?;
        let mut out = Vec::new();
        let is_there = self.lock().registry().write_service_detail(name.key(), &mut out);
        Ok(is_there.then(|| PyBytes::new(py, &out)))
    }

    fn all_instances<'py>(
        &self,
        py: Python<'py>,
        namespace: &str,
        group: &str,
        service: &str,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let name = self::service((namespace, group, service))?;
        let mut out = Vec::new();
        self.lock().registry().write_all_instances(name.key(), &mut out);
        Ok(PyBytes::new(py, &out))
    }

    fn expire(&self, now_ms: u64) -> (usize, usize, bool) {
        let expired = self.lock().registry_mut().expire(now_ms, true);
        (expired.unhealthy, expired.removed, expired.more)
    }

    fn clean_empty_services(&self, now_ms: u64, unchanged_for_ms: u64) -> usize {
        self.lock().registry_mut().clean_empty_services(now_ms, unchanged_for_ms)
    }

    fn counts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let hub = self.lock();
        let counts = hub.registry().counts();
        let dict = PyDict::new(py);
        dict.set_item("services", counts.services)?;
        dict.set_item("instances", counts.instances)?;
        dict.set_item("subscribers", counts.subscribers)?;
        dict.set_item("connection_publishers", counts.connection_publishers)?;
        dict.set_item("ephemeral_publishers", counts.address_publishers_ephemeral)?;
        dict.set_item("persistent_publishers", counts.address_publishers_persistent)?;
        dict.set_item("connections", hub.connection_count())?;
        dict.set_item("configs", hub.configs().len())?;
        dict.set_item("gray_releases", hub.configs().gray_count())?;
        dict.set_item("clients", hub.clients().count())?;
        dict.set_item("config_listeners", hub.configs().listener_count())?;
        dict.set_item("http_requests", hub.requests().http)?;
        dict.set_item("grpc_requests", hub.requests().grpc)?;
        Ok(dict)
    }

    fn service_digest<'py>(
        &self,
        py: Python<'py>,
        namespace: &str,
        group: &str,
        service: &str,
    ) -> Option<Bound<'py, PyBytes>> {
        let digest = self.lock().registry().service_digest((namespace, group, service))?;
        Some(PyBytes::new(py, &digest.to_be_bytes()))
    }

    // --- snapshots

    fn freeze(&self, py: Python<'_>) -> Frozen {
        Frozen(py.detach(|| self.lock().freeze()))
    }

    fn restore_snapshot(&self, py: Python<'_>, data: &[u8], now_ms: u64) -> PyResult<Vec<(String, String, String)>> {
        let restored = py.detach(|| {
            let decoded = DecodedSnapshot::decode(data)?;
            let replaced = self.lock().restore_snapshot(decoded, now_ms)?;
            // Now that the hub is free for others.
            drop(replaced.before);
            Ok(replaced.changed)
        });
        let changed = restored.map_err(|error| errors::snapshot(&error))?;
        Ok(changed.iter().map(|key| (key.namespace().into(), key.group().into(), key.name().into())).collect())
    }

    fn set_ready(&self, ready: bool) {
        self.lock().set_ready(ready);
    }

    // --- the streams driver

    #[pyo3(signature = (remote_ip, remote_port, *, grpc, now_ms))]
    fn open(&self, remote_ip: &str, remote_port: u16, grpc: bool, now_ms: u64) -> PyResult<u64> {
        self.lock()
            .open(Owner::Streams, (remote_ip, remote_port), grpc, now_ms)
            .ok_or_else(|| PyOSError::new_err("too many client connections"))
    }

    fn feed<'py>(&self, py: Python<'py>, connection: u64, data: &[u8], now_ms: u64) -> PyResult<Bound<'py, PyList>> {
        let events = {
            let mut hub = self.lock();
            hub.feed(connection, data, now_ms);
            hub.take_events()
        };
        events::to_list(py, events)
    }

    fn end_of_input<'py>(&self, py: Python<'py>, connection: u64, now_ms: u64) -> PyResult<Bound<'py, PyList>> {
        let events = {
            let mut hub = self.lock();
            hub.end_of_input(connection, now_ms);
            hub.take_events()
        };
        events::to_list(py, events)
    }

    /// The driver has closed the stream.
    fn closed<'py>(&self, py: Python<'py>, connection: u64, now_ms: u64) -> PyResult<Bound<'py, PyList>> {
        let events = {
            let mut hub = self.lock();
            hub.closed(connection, now_ms);
            hub.take_events()
        };
        events::to_list(py, events)
    }

    fn take_output<'py>(&self, py: Python<'py>, connection: u64) -> Bound<'py, PyBytes> {
        let mut hub = self.lock();
        let output = hub.output(connection).map(std::mem::take).unwrap_or_default();
        hub.output_taken(connection);
        PyBytes::new(py, &output)
    }

    fn wants_close(&self, connection: u64) -> bool {
        self.lock().wants_close(connection)
    }

    fn take_dirty(&self) -> Vec<u64> {
        self.lock().take_dirty_streams()
    }

    fn take_events<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let events = self.lock().take_events();
        events::to_list(py, events)
    }
}
