//! Configs and what happened to them as Python sees them.

use std::sync::Arc;

use nacos_core::configs::{Change, Config, Event, Published, Removal, RollbackRefused, RolledBack, StoredConfig};
use nacos_core::registry::KeyParts;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::borrow::hold;
use crate::grays::{Outcome, TermsParts, terms_parts};
use crate::hub::Hub;
use crate::{publications, quotas};

/// A config as it was stored once. It shares what the store holds; a text is copied when it is asked for.
#[pyclass(frozen, module = "nacos_core._core")]
#[derive(Debug)]
pub struct ConfigView(pub Arc<StoredConfig>);

#[pymethods]
impl ConfigView {
    #[getter]
    fn id(&self) -> u64 {
        self.0.id()
    }

    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.content)
    }

    #[getter]
    fn md5(&self) -> &str {
        self.0.md5()
    }

    #[getter]
    fn r#type(&self) -> &str {
        &self.0.kind
    }

    #[getter]
    fn created_ms(&self) -> u64 {
        self.0.created_ms
    }

    #[getter]
    fn last_modified_ms(&self) -> u64 {
        self.0.modified_ms
    }

    #[getter]
    fn encrypted_data_key(&self) -> &str {
        &self.0.encrypted_data_key
    }

    #[getter]
    fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    #[getter]
    fn application(&self) -> &str {
        &self.0.app_name
    }

    #[getter]
    fn tags(&self) -> Option<&str> {
        self.0.tags.as_deref()
    }

    #[getter]
    fn r#use(&self) -> Option<&str> {
        self.0.usage.as_deref()
    }

    #[getter]
    fn effect(&self) -> Option<&str> {
        self.0.effect.as_deref()
    }

    #[getter]
    fn schema(&self) -> Option<&str> {
        self.0.schema.as_deref()
    }

    #[getter]
    fn source_user(&self) -> Option<&str> {
        self.0.create_user.as_deref()
    }

    #[getter]
    fn source_ip(&self) -> Option<&str> {
        self.0.create_ip.as_deref()
    }
}

/// What happened to a config once.
#[pyclass(frozen, module = "nacos_core._core")]
#[derive(Debug)]
pub struct HistoryEvent {
    namespace: String,
    group: String,
    data_id: String,
    event: Event,
}

impl HistoryEvent {
    pub fn new((namespace, group, data_id): KeyParts<'_>, event: &Event) -> Self {
        let (namespace, group, data_id) = (namespace.to_owned(), group.to_owned(), data_id.to_owned());
        Self { namespace, group, data_id, event: event.clone() }
    }
}

#[pymethods]
impl HistoryEvent {
    #[getter]
    fn id(&self) -> u64 {
        self.event.id
    }

    #[getter]
    fn namespace(&self) -> &str {
        &self.namespace
    }

    #[getter]
    fn group(&self) -> &str {
        &self.group
    }

    #[getter]
    fn data_id(&self) -> &str {
        &self.data_id
    }

    #[getter]
    fn operation(&self) -> &'static str {
        self.event.operation()
    }

    #[getter]
    fn stamped_ms(&self) -> u64 {
        self.event.stamped_ms()
    }

    #[getter]
    fn source_user(&self) -> Option<&str> {
        self.event.source_user()
    }

    #[getter]
    fn source_ip(&self) -> Option<&str> {
        self.event.source_ip()
    }

    #[getter]
    fn config(&self) -> ConfigView {
        ConfigView(Arc::clone(self.event.config()))
    }

    #[getter]
    fn gray(&self) -> Option<TermsParts> {
        self.event.gray.as_deref().map(terms_parts)
    }

    #[getter]
    fn updated(&self) -> Option<ConfigView> {
        match &self.event.change {
            Change::Inserted(config) | Change::Updated(_, config) => Some(ConfigView(Arc::clone(config))),
            Change::Removed(..) => None,
        }
    }
}

#[pymethods]
impl Hub {
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

    // --- what is said of a config, and taken back

    #[pyo3(signature = (namespace, group, data_id, *, description, tags, now_ms, source_user = None, source_ip = None))]
    #[expect(clippy::too_many_arguments, reason = "what is said of a config, and who does it")]
    fn describe_config(
        &self,
        namespace: &str,
        group: &str,
        data_id: &str,
        description: Option<&str>,
        tags: Option<&str>,
        now_ms: u64,
        source_user: Option<String>,
        source_ip: Option<String>,
    ) -> bool {
        let (source_user, source_ip) = (source_user.map(Into::into), source_ip.map(Into::into));
        let by = Removal { source_user, source_ip, stamped_ms: now_ms };
        self.lock().configs_mut().describe((namespace, group, data_id), description, tags, by)
    }

    #[pyo3(signature = (namespace, group, data_id, event_id, *, now_ms, source_user = None, source_ip = None))]
    #[expect(clippy::too_many_arguments, reason = "what is taken back, and who does it")]
    fn roll_back_config(
        &self,
        namespace: &str,
        group: &str,
        data_id: &str,
        event_id: u64,
        now_ms: u64,
        source_user: Option<String>,
        source_ip: Option<String>,
    ) -> PyResult<(Option<Outcome>, bool)> {
        let (source_user, source_ip) = (source_user.map(Into::into), source_ip.map(Into::into));
        let by = Removal { source_user, source_ip, stamped_ms: now_ms };
        match self.lock().configs_mut().roll_back((namespace, group, data_id), event_id, by) {
            Ok(RolledBack::Stored { md5, changed }) => Ok((Some(Outcome::Md5(md5.as_str().to_owned())), changed)),
            Ok(RolledBack::Removed { changed }) => Ok((None, changed)),
            Err(RollbackRefused::OverQuota(over)) => {
                Ok((Some(Outcome::Refused(vec![quotas::kind_of(&over).to_owned(), over.to_string()])), false))
            }
            Err(refused) => Err(PyValueError::new_err(refused.to_string())),
        }
    }
}
