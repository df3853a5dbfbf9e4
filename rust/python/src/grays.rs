//! Gray releases as Python sees them.

use std::sync::Arc;

use bytes::Bytes;
use nacos_core::configs::{Asker, Config, Gray, GrayPublication, GrayRefused, Md5, Removal, Rule, Terms};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::configs::ConfigView;
use crate::hub::Hub;
use crate::quotas;

/// A gray release as it was stored once.
#[pyclass(frozen, module = "nacos_core._core")]
#[derive(Debug)]
pub struct GrayView(Gray);

#[pymethods]
impl GrayView {
    #[getter]
    fn name(&self) -> &str {
        &self.0.terms.name
    }

    #[getter]
    fn priority(&self) -> u32 {
        self.0.terms.priority
    }

    #[getter]
    fn kind(&self) -> &'static str {
        self.0.terms.rule.kind()
    }

    #[getter]
    fn rule(&self) -> &str {
        self.0.terms.rule.text()
    }

    #[getter]
    fn config(&self) -> ConfigView {
        ConfigView(Arc::clone(&self.0.version))
    }
}

/// Name, priority, kind and rule of a gray release, as history shows it.
pub type TermsParts = (String, u32, &'static str, String);

pub fn terms_parts(terms: &Terms) -> TermsParts {
    (terms.name.to_string(), terms.priority, terms.rule.kind(), terms.rule.text().to_owned())
}

fn rule(kind: &str, text: &str) -> PyResult<Rule> {
    Rule::parse(kind, text).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Whether a rule of this kind can be read.
#[pyfunction]
pub fn check_gray_rule(kind: &str, rule: &str) -> PyResult<()> {
    self::rule(kind, rule).map(|_| ())
}

/// What kind of refusal it is, as outcomes of commands say it.
fn kind_of(refused: &GrayRefused) -> &'static str {
    match refused {
        GrayRefused::Differs => "cas",
        GrayRefused::TooMany => "grays",
        GrayRefused::Absent(_) => "absent",
        GrayRefused::OverQuota(over) => quotas::kind_of(over),
    }
}

/// The outcome of a command: an md5, or why it is refused, as kind and words.
#[derive(IntoPyObject)]
pub enum Outcome {
    Md5(String),
    Refused(Vec<String>),
}

fn outcome(result: Result<Md5, GrayRefused>) -> Outcome {
    match result {
        Ok(md5) => Outcome::Md5(md5.as_str().to_owned()),
        Err(refused) => Outcome::Refused(vec![kind_of(&refused).to_owned(), refused.to_string()]),
    }
}

#[pymethods]
impl Hub {
    #[pyo3(signature = (namespace, group, data_id, name, priority, kind, rule, content, r#type, *, now_ms, cas_md5 = "",
        encrypted_data_key = "", application = None, source_user = None, source_ip = None))]
    #[expect(clippy::too_many_arguments, reason = "what is released, to whom, and who does it")]
    fn publish_gray(
        &self,
        namespace: &str,
        group: &str,
        data_id: &str,
        name: &str,
        priority: u32,
        kind: &str,
        rule: &str,
        content: &[u8],
        r#type: &str,
        now_ms: u64,
        cas_md5: &str,
        encrypted_data_key: &str,
        application: Option<&str>,
        source_user: Option<&str>,
        source_ip: Option<&str>,
    ) -> PyResult<Outcome> {
        let config = Config {
            content: Bytes::copy_from_slice(content),
            kind: r#type.into(),
            encrypted_data_key: encrypted_data_key.into(),
            app_name: application.unwrap_or_default().into(),
            create_user: source_user.map(Into::into),
            create_ip: source_ip.map(Into::into),
            created_ms: now_ms,
            modified_ms: now_ms,
            ..Config::default()
        };
        let terms = Terms { name: name.into(), priority, rule: self::rule(kind, rule)? };
        let publication = GrayPublication { key: (namespace, group, data_id), terms, config, cas_md5 };
        Ok(outcome(self.lock().configs_mut().publish_gray(publication)))
    }

    #[pyo3(signature = (namespace, group, data_id, name, *, now_ms, source_user = None, source_ip = None))]
    #[expect(clippy::too_many_arguments, reason = "what is removed, and who does it")]
    fn remove_gray(
        &self,
        namespace: &str,
        group: &str,
        data_id: &str,
        name: &str,
        now_ms: u64,
        source_user: Option<String>,
        source_ip: Option<String>,
    ) -> bool {
        let (source_user, source_ip) = (source_user.map(Into::into), source_ip.map(Into::into));
        let by = Removal { source_user, source_ip, stamped_ms: now_ms };
        self.lock().configs_mut().remove_gray((namespace, group, data_id), name, by)
    }

    #[pyo3(signature = (namespace, group, data_id, name, *, now_ms, cas_md5 = "", source_user = None, source_ip = None))]
    #[expect(clippy::too_many_arguments, reason = "what is promoted, and who does it")]
    fn promote_gray(
        &self,
        namespace: &str,
        group: &str,
        data_id: &str,
        name: &str,
        now_ms: u64,
        cas_md5: &str,
        source_user: Option<String>,
        source_ip: Option<String>,
    ) -> Outcome {
        let (source_user, source_ip) = (source_user.map(Into::into), source_ip.map(Into::into));
        let by = Removal { source_user, source_ip, stamped_ms: now_ms };
        outcome(self.lock().configs_mut().promote_gray((namespace, group, data_id), name, cas_md5, by))
    }

    fn grays(&self, namespace: &str, group: &str, data_id: &str) -> Vec<GrayView> {
        self.lock().configs().grays((namespace, group, data_id)).iter().cloned().map(GrayView).collect()
    }

    fn gray_count(&self) -> usize {
        self.lock().configs().gray_count()
    }

    #[pyo3(signature = (namespace, group, data_id, *, client_ip, tag = None, by_tag = false))]
    fn config_for(
        &self,
        namespace: &str,
        group: &str,
        data_id: &str,
        client_ip: &str,
        tag: Option<&str>,
        by_tag: bool,
    ) -> Option<(ConfigView, Option<GrayView>)> {
        let who = || Asker { ip: client_ip, tag, labels: None };
        let hub = self.lock();
        let answer = hub.configs().config_for((namespace, group, data_id), by_tag, who)?;
        Some((ConfigView(Arc::clone(answer.config)), answer.gray.cloned().map(GrayView)))
    }

    #[pyo3(signature = (namespace, group, data_id, *, client_ip, tag = None))]
    fn config_md5_for(
        &self,
        namespace: &str,
        group: &str,
        data_id: &str,
        client_ip: &str,
        tag: Option<&str>,
    ) -> String {
        let who = || Asker { ip: client_ip, tag, labels: None };
        self.lock().configs().md5_for((namespace, group, data_id), who).to_owned()
    }
}
