//! Searches for configs as Python sees them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use nacos_core::configs::{Filter, Found, Pattern, Search};
use nacos_core::serve::found_list;
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
        let filter = Filter { data_id, group, application, content, tags, types, ids };
        Self(Mutex::new(Search::new(namespace, filter, skip_count, count)))
    }

    #[getter]
    fn total_count(&self) -> usize {
        self.lock().total_count()
    }

    #[getter]
    fn content_bytes(&self) -> usize {
        self.lock().found().iter().map(|(_, config)| config.content.len()).sum()
    }

    fn to_json<'py>(&self, py: Python<'py>, v3: bool) -> PyResult<Bound<'py, PyBytes>> {
        let list = py.detach(|| found_list(self.lock().found(), v3));
        new_bytes(py, &list)
    }

    fn found(&self) -> Vec<FoundConfig> {
        self.lock().found().iter().map(owned).collect()
    }
}

#[pymethods]
impl Hub {
    fn search_configs(&self, search: &ConfigSearch) -> bool {
        let mut search = search.lock();
        self.lock().search_configs(&mut search)
    }
}
