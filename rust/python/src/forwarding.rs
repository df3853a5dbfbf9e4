//! The part of the hub that shares the addresses that beat over HTTP among the members of a cluster.

use nacos_core::serve::ForwardError;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::hub::Hub;

fn refused(error: &ForwardError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

#[pymethods]
impl Hub {
    #[pyo3(signature = (node_ids, *, own_id = None))]
    fn distro_set_members(&self, node_ids: Vec<String>, own_id: Option<String>) -> PyResult<()> {
        let mut hub = self.lock();
        let own_id = own_id.unwrap_or_else(|| hub.registry().own_id().to_owned());
        if own_id.is_empty() && !node_ids.is_empty() {
            return Err(PyValueError::new_err("own_id: which of the members this node is was never said"));
        }
        hub.registry_mut().set_members(&own_id, node_ids.iter().map(String::as_str));
        Ok(())
    }

    fn distro_responsible(&self, ip: &str, port: u16) -> String {
        let hub = self.lock();
        hub.registry().responsible(ip, port).unwrap_or_else(|| hub.registry().own_id()).to_owned()
    }

    fn serve_forwarded<'py>(
        &self,
        py: Python<'py>,
        request: &[u8],
        remote_ip: &str,
        now_ms: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let answer = self.lock().serve_forwarded(request, remote_ip, now_ms).map_err(|error| refused(&error))?;
        Ok(PyBytes::new(py, &answer))
    }

    fn handle_here(&self, connection: u64, call: u32, now_ms: u64) {
        self.lock().handle_here(connection, call, now_ms);
    }

    fn reply_raw(&self, connection: u64, call: u32, response: &[u8]) -> PyResult<()> {
        self.lock().reply_raw(connection, call, response).map_err(|error| refused(&error))
    }
}
