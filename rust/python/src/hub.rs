//! The hub and the reactor as Python sees them.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use nacos_core::configs::{Asker, Config, Published, Removal};
use nacos_core::reactor;
use nacos_core::registry::{Publisher, View};
use nacos_core::serve::{self, DecodedSnapshot, HubSettings, ListenKey, Owner, ServiceName};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::borrow::hold;
use crate::configs::{ConfigView, HistoryEvent};
use crate::frozen::Frozen;
use crate::{errors, events, publications, quotas};

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

    // --- configs

    #[pyo3(signature = (namespace, group, data_id, content, *, r#type, now_ms, encrypted_data_key = "", description = None, application = None, tags = None, r#use = None,
        effect = None, schema = None, source_user = None, source_ip = None))]
    #[expect(clippy::too_many_arguments, reason = "a config has these attributes")]
    fn put_config(
        &self,
        namespace: &str,
        group: &str,
        data_id: &str,
        content: &[u8],
        r#type: String,
        now_ms: u64,
        encrypted_data_key: &str,
        description: Option<String>,
        application: Option<String>,
        tags: Option<String>,
        r#use: Option<String>,
        effect: Option<String>,
        schema: Option<String>,
        source_user: Option<String>,
        source_ip: Option<String>,
    ) -> String {
        let config = Config {
            content: bytes::Bytes::copy_from_slice(content),
            kind: r#type.into(),
            encrypted_data_key: encrypted_data_key.into(),
            app_name: application.unwrap_or_default().into(),
            tags: tags.map(Into::into),
            description: description.map(Into::into),
            usage: r#use.map(Into::into),
            effect: effect.map(Into::into),
            schema: schema.map(Into::into),
            create_user: source_user.map(Into::into),
            create_ip: source_ip.map(Into::into),
            // The store keeps the time of creation of a config that exists.
            created_ms: now_ms,
            modified_ms: now_ms,
        };
        self.lock().configs_mut().put((namespace, group, data_id), config).as_str().to_owned()
    }

    fn kept_schema(&self, namespace: &str, group: &str, data_id: &str, r#type: &str) -> Option<(String, String)> {
        let hub = self.lock();
        let (kind, schema) = hub.configs().kept_schema((namespace, group, data_id), r#type)?;
        Some((kind.to_owned(), schema.to_owned()))
    }

    /// Publications of the log, in order (see `publications`): the outcome of each, and which changed something.
    fn put_configs<'py>(
        &self,
        py: Python<'py>,
        publications: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
        let held = hold(publications)?;
        let (outcomes, changed) = (PyList::empty(py), PyList::empty(py));
        let mut hub = self.lock();
        for (at, publication) in publications::read(&held).enumerate() {
            let refused = match publication.map(|publication| hub.configs_mut().publish(publication)) {
                Ok(Published::Stored { md5, changed: is_changed }) => {
                    outcomes.append(PyString::new(py, md5.as_str()))?;
                    if is_changed {
                        changed.append(at)?;
                    }
                    continue;
                }
                Ok(Published::Exists) => ("exists", String::new()),
                Ok(Published::Differs) => ("cas", String::new()),
                Ok(Published::OverQuota(over)) => (quotas::kind_of(&over), over.to_string()),
                Err(error) => ("refused", error.to_string()),
            };
            outcomes.append(PyList::new(py, [refused.0, &refused.1])?)?;
        }
        Ok((outcomes, changed))
    }

    fn get_config(&self, namespace: &str, group: &str, data_id: &str) -> Option<ConfigView> {
        self.lock().configs().get_shared((namespace, group, data_id)).map(ConfigView)
    }

    #[pyo3(signature = (namespace, group, data_id, *, now_ms, source_user = None, source_ip = None))]
    fn remove_config(
        &self,
        namespace: &str,
        group: &str,
        data_id: &str,
        now_ms: u64,
        source_user: Option<String>,
        source_ip: Option<String>,
    ) -> bool {
        let (source_user, source_ip) = (source_user.map(Into::into), source_ip.map(Into::into));
        let removal = Removal { source_user, source_ip, stamped_ms: now_ms };
        self.lock().configs_mut().remove((namespace, group, data_id), removal).is_some()
    }

    fn config_md5(&self, namespace: &str, group: &str, data_id: &str) -> String {
        self.lock().configs().md5_of((namespace, group, data_id)).to_owned()
    }

    #[pyo3(signature = (namespace = None))]
    fn config_count(&self, namespace: Option<&str>) -> usize {
        let hub = self.lock();
        namespace.map_or_else(|| hub.configs().len(), |namespace| hub.configs().count_in(namespace))
    }

    // --- history

    fn config_history(
        &self,
        namespace: &str,
        group: &str,
        data_id: &str,
        skip_count: usize,
        count: usize,
    ) -> (usize, Vec<HistoryEvent>) {
        let key = (namespace, group, data_id);
        let hub = self.lock();
        let events = hub.configs().history(key);
        let page = events.iter().rev().skip(skip_count).take(count);
        (events.len(), page.map(|event| HistoryEvent::new(key, event)).collect())
    }

    fn history_event(&self, id: u64) -> Option<HistoryEvent> {
        let hub = self.lock();
        let (key, event) = hub.configs().event(id)?;
        Some(HistoryEvent::new(key.parts(), event))
    }

    fn history_event_before(&self, namespace: &str, group: &str, data_id: &str, id: u64) -> Option<HistoryEvent> {
        let key = (namespace, group, data_id);
        let hub = self.lock();
        Some(HistoryEvent::new(key, hub.configs().event_before(key, id)?))
    }

    #[getter]
    fn last_event_id(&self) -> u64 {
        self.lock().configs().last_event_id()
    }

    fn history_size(&self) -> (usize, usize) {
        self.lock().configs().history_size()
    }

    fn old_history(&self, before_ms: u64, keep_count: usize, after_id: u64, look_count: usize) -> (usize, u64) {
        self.lock().configs().old_history(before_ms, keep_count, after_id, look_count)
    }

    fn trim_history(&self, before_ms: u64, keep_count: usize, after_id: u64, look_count: usize) -> u64 {
        self.lock().configs_mut().trim_history(before_ms, keep_count, after_id, look_count)
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
