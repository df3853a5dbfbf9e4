//! The part of the hub that knows who watches which services and configs by a pattern.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use nacos_core::serve::Watchable;

use crate::hub::Hub;

type Key = (String, String, String);

fn watchable(module: &str) -> PyResult<Watchable> {
    let found = [Watchable::Services, Watchable::Configs].into_iter().find(|of| of.module() == module);
    found.ok_or_else(|| PyValueError::new_err(format!("{module:?}: naming or config wanted")))
}

#[pymethods]
impl Hub {
    fn take_come_and_gone_services(&self) -> Vec<Key> {
        let keys = self.lock().registry_mut().take_come_and_gone();
        keys.iter().map(|key| (key.namespace().to_owned(), key.group().to_owned(), key.name().to_owned())).collect()
    }

    fn fuzzy_watchers(&self, module: &str, namespace: &str, group: &str, name: &str) -> PyResult<Vec<u64>> {
        let (hub, key) = (self.lock(), (namespace, group, name));
        Ok(match watchable(module)? {
            Watchable::Services => hub.registry().watchers(key),
            Watchable::Configs => hub.configs().watchers(key),
        })
    }

    fn is_fuzzy_watching(&self, module: &str, connection: u64, pattern: &str) -> PyResult<bool> {
        let hub = self.lock();
        Ok(match watchable(module)? {
            Watchable::Services => hub.registry().is_watching(connection, pattern),
            Watchable::Configs => hub.configs().is_watching(connection, pattern),
        })
    }

    fn is_present(&self, module: &str, namespace: &str, group: &str, name: &str) -> PyResult<bool> {
        let (hub, key) = (self.lock(), (namespace, group, name));
        Ok(match watchable(module)? {
            Watchable::Services => hub.registry().has_present(key),
            Watchable::Configs => hub.configs().get(key).is_some(),
        })
    }
}
