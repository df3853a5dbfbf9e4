//! Searches for configs and services as Python sees them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use nacos_core::configs::{Filter, Found, Pattern, Search};
use nacos_core::registry;
use nacos_core::serve::{Shown, found_list};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::borrow::new_bytes;
use crate::configs::ConfigView;
use crate::hub::Hub;

/// One search, to be carried on by `Hub.search_configs` until that says that it is done.
#[pyclass(frozen, module = "nacos_core._core")]
#[derive(Debug)]
pub struct ConfigSearch(Mutex<Search>);

impl ConfigSearch {
    fn lock(&self) -> MutexGuard<'_, Search> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

type FoundConfig = (String, String, String, ConfigView);

fn owned((key, config): &Found) -> FoundConfig {
    let (namespace, group, data_id) = key.parts();
    (namespace.to_owned(), group.to_owned(), data_id.to_owned(), ConfigView(Arc::clone(config)))
}

#[pymethods]
impl ConfigSearch {
    #[new]
    #[pyo3(signature = (namespace, *, exact = false, data_id = "", group = "", application = "", content = "",
        tags = vec![], types = vec![], ids = None, skip_count = 0, count = usize::MAX))]
    #[expect(clippy::too_many_arguments, reason = "a search has these questions")]
    fn new(
        namespace: Option<&str>,
        exact: bool,
        data_id: &str,
        group: &str,
        application: &str,
        content: &str,
        tags: Vec<String>,
        types: Vec<String>,
        ids: Option<HashSet<u64>>,
        skip_count: usize,
        count: usize,
    ) -> Self {
        let name = |text: &str| if exact { Pattern::exact(text) } else { Pattern::wildcard(text) };
        let (data_id, group) = (name(data_id), name(group));
        let (application, content) = (Pattern::exact(application), Pattern::contained(content));
        let (tags, types) = (tags.into_iter().collect(), types.into_iter().collect());
        let filter = Filter { data_id, group, application, content, tags, types, ids };
        Self(Mutex::new(Search::new(namespace, filter, skip_count, count)))
    }

    #[getter]
    fn total_count(&self) -> usize {
        self.lock().total_count()
    }

    /// Lets go of what was found: with very much of it, that takes a while.
    fn release(&self, py: Python<'_>) {
        let found = self.lock().take_found();
        py.detach(|| drop(found));
    }

    #[getter]
    fn found_count(&self) -> usize {
        self.lock().found().len()
    }

    #[getter]
    fn content_bytes(&self) -> usize {
        self.lock().content_bytes()
    }

    #[pyo3(signature = (shown, first = 0, count = usize::MAX))]
    fn to_json<'py>(&self, py: Python<'py>, shown: &str, first: usize, count: usize) -> PyResult<Bound<'py, PyBytes>> {
        let shown = match shown {
            "whole" => Shown::Whole,
            "without content" => Shown::WithoutContent,
            "basic" => Shown::Basic,
            _ => return Err(PyValueError::new_err(format!("{shown:?}: whole, without content or basic wanted"))),
        };
        let list = py.detach(|| found_list(part(self.lock().found(), first, count), shown));
        new_bytes(py, &list)
    }

    #[pyo3(signature = (first = 0, count = usize::MAX))]
    fn found(&self, first: usize, count: usize) -> Vec<FoundConfig> {
        part(self.lock().found(), first, count).iter().map(owned).collect()
    }
}

fn part(found: &[Found], first: usize, count: usize) -> &[Found] {
    let first = first.min(found.len());
    &found[first..first.saturating_add(count).min(found.len())]
}

/// One search for services, to be carried on by `Hub.search_services` until that says that it is done.
#[pyclass(frozen, module = "nacos_core._core")]
#[derive(Debug)]
pub struct ServiceSearch(Mutex<registry::ServiceSearch>);

impl ServiceSearch {
    fn lock(&self) -> MutexGuard<'_, registry::ServiceSearch> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[pymethods]
impl ServiceSearch {
    #[new]
    #[pyo3(signature = (namespace, group_part, name_part, *, with_empty, page_no, page_size))]
    fn new(
        namespace: &str,
        group_part: &str,
        name_part: &str,
        with_empty: bool,
        page_no: usize,
        page_size: usize,
    ) -> Self {
        let parts = (group_part, name_part);
        Self(Mutex::new(registry::ServiceSearch::new(namespace, parts, with_empty, page_no, page_size)))
    }

    fn to_json<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.lock().to_json())
    }
}

#[pymethods]
impl Hub {
    fn search_configs(&self, search: &ConfigSearch) -> bool {
        let mut search = search.lock();
        self.lock().search_configs(&mut search)
    }

    fn search_services(&self, search: &ServiceSearch) -> bool {
        let mut search = search.lock();
        self.lock().registry().search_services(&mut search)
    }
}
