//! Configs and what happened to them as Python sees them.

use std::sync::Arc;

use nacos_core::configs::{Change, Event, Removal, RollbackRefused, RolledBack, StoredConfig};
use nacos_core::registry::KeyParts;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::grays::{Outcome, TermsParts, terms_parts};
use crate::hub::Hub;
use crate::quotas;

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
