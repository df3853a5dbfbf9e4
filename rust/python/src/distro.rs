//! Replicated publications as Python sees them: opaque bytes to send to other nodes, and figures to look at.

use nacos_core::registry::distro::{Applied, Differences, DistroError, HolderView, PublisherName, PublisherView};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::borrow::new_bytes;
use crate::hub::{Hub, service};

/// What came of a batch.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct DistroApplied {
    applied: usize,
    older: usize,
    ours: Py<PyBytes>,
}

/// One run of a node and what is known of it here.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct DistroHolder {
    node_id: String,
    boot: u64,
    records: usize,
    instances: usize,
    digest: Py<PyBytes>,
    revision: u64,
    changed_ms: u64,
}

/// What another node has and this one has not, and the other way round.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct DistroDifferences {
    wanted: Py<PyBytes>,
    wanted_count: usize,
    surplus: usize,
}

/// An ephemeral publication of a service: whose it is, and why it is there.
#[pyclass(frozen, get_all, module = "nacos_core._core")]
pub struct DistroPublisher {
    node_id: String,
    boot: u64,
    kind: &'static str,
    publisher: String,
    epoch: u32,
    revision: u64,
    published_ms: Option<u64>,
    last_beat_ms: Option<u64>,
    instances: usize,
    hidden: usize,
}

impl DistroApplied {
    fn new(py: Python<'_>, applied: &Applied) -> PyResult<Self> {
        let ours = new_bytes(py, &applied.ours)?.unbind();
        Ok(Self { applied: applied.applied, older: applied.older, ours })
    }
}

impl DistroHolder {
    fn new(py: Python<'_>, view: &HolderView) -> Self {
        Self {
            node_id: view.node_id.to_string(),
            boot: view.boot,
            records: view.records,
            instances: view.instances,
            digest: PyBytes::new(py, &view.digest.to_be_bytes()).unbind(),
            revision: view.revision,
            changed_ms: view.changed_ms,
        }
    }
}

impl DistroDifferences {
    fn new(py: Python<'_>, found: &Differences) -> Self {
        let wanted = PyBytes::new(py, &found.wanted).unbind();
        Self { wanted, wanted_count: found.wanted_count, surplus: found.surplus }
    }
}

impl DistroPublisher {
    fn new(view: &PublisherView) -> Self {
        let (kind, publisher) = match &view.publisher {
            PublisherName::Connection(number) => ("connection", number.to_string()),
            PublisherName::Address(ip, port) => ("address", format!("{ip}:{port}")),
        };
        Self {
            node_id: view.node_id.to_string(),
            boot: view.boot,
            kind,
            publisher,
            epoch: view.epoch,
            revision: view.revision,
            published_ms: view.published_ms,
            last_beat_ms: view.last_beat_ms,
            instances: view.instances,
            hidden: view.hidden,
        }
    }
}

fn refused(error: DistroError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

#[pymethods]
impl Hub {
    fn distro_open(&self, node_id: &str, boot: u64) -> PyResult<()> {
        self.lock().registry_mut().distro_open(node_id, boot).map_err(refused)
    }

    fn distro_leave(&self) {
        self.lock().registry_mut().distro_leave();
    }

    // --- what others are told, and what they say

    fn distro_take_changes<'py>(&self, py: Python<'py>, bytes_max: usize) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let batch = py.detach(|| self.lock().registry_mut().distro_take_changes(bytes_max));
        batch.map(|batch| new_bytes(py, &batch)).transpose()
    }

    fn distro_apply(&self, py: Python<'_>, batch: &[u8], now_ms: u64) -> PyResult<DistroApplied> {
        let applied = py.detach(|| self.lock().registry_mut().distro_apply(batch, now_ms));
        DistroApplied::new(py, &applied.map_err(refused)?)
    }

    fn distro_load<'py>(
        &self,
        py: Python<'py>,
        after: &[u8],
        bytes_max: usize,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let loaded = py.detach(|| self.lock().registry().distro_load(after, bytes_max));
        let (batch, next) = loaded.map_err(refused)?;
        Ok((new_bytes(py, &batch)?, PyBytes::new(py, &next)))
    }

    fn distro_forget_removals(&self, now_ms: u64, up_to_revision: u64) -> usize {
        self.lock().registry_mut().distro_forget_removals(now_ms, up_to_revision)
    }

    // --- finding differences

    fn distro_digests<'py>(
        &self,
        py: Python<'py>,
        node_id: &str,
        boot: u64,
        parent: i64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let parent = match parent {
            -1 => None,
            // Nothing negative is below 64 when read without its sign.
            _ => Some(usize::try_from(parent).unwrap_or(usize::MAX)),
        };
        let digests = self.lock().registry().distro_digests((node_id, boot), parent).map_err(refused)?;
        Ok(PyBytes::new(py, &digests))
    }

    fn distro_versions<'py>(
        &self,
        py: Python<'py>,
        node_id: &str,
        boot: u64,
        leaves: Vec<usize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let versions = py.detach(|| self.lock().registry_mut().distro_versions((node_id, boot), &leaves));
        new_bytes(py, &versions.map_err(refused)?)
    }

    fn distro_differences(
        &self,
        py: Python<'_>,
        node_id: &str,
        boot: u64,
        leaves: Vec<usize>,
        theirs: &[u8],
    ) -> PyResult<DistroDifferences> {
        let found = py.detach(|| self.lock().registry_mut().distro_differences((node_id, boot), &leaves, theirs));
        Ok(DistroDifferences::new(py, &found.map_err(refused)?))
    }

    fn distro_records<'py>(
        &self,
        py: Python<'py>,
        node_id: &str,
        boot: u64,
        wanted: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let batch = py.detach(|| self.lock().registry_mut().distro_records((node_id, boot), wanted));
        new_bytes(py, &batch.map_err(refused)?)
    }

    fn distro_drop_surplus(
        &self,
        py: Python<'_>,
        node_id: &str,
        boot: u64,
        leaves: Vec<usize>,
        theirs: &[u8],
        now_ms: u64,
    ) -> PyResult<usize> {
        let holder = (node_id, boot);
        let dropped = py.detach(|| self.lock().registry_mut().distro_drop_surplus(holder, &leaves, theirs, now_ms));
        dropped.map_err(refused)
    }

    // --- holders and publishers

    fn distro_holders(&self, py: Python<'_>) -> Vec<DistroHolder> {
        let holders = self.lock().registry().distro_holders();
        holders.iter().map(|view| DistroHolder::new(py, view)).collect()
    }

    fn distro_adopt(&self, py: Python<'_>, node_id: &str, boot: u64, now_ms: u64) -> usize {
        py.detach(|| self.lock().registry_mut().distro_adopt((node_id, boot), now_ms))
    }

    #[pyo3(signature = (node_id, boot, now_ms, *, with_addresses = false))]
    fn distro_drop(&self, py: Python<'_>, node_id: &str, boot: u64, now_ms: u64, with_addresses: bool) -> usize {
        py.detach(|| self.lock().registry_mut().distro_drop((node_id, boot), with_addresses, now_ms))
    }

    fn distro_publishers(&self, namespace: &str, group: &str, service: &str) -> PyResult<Vec<DistroPublisher>> {
        let name = self::service((namespace, group, service))?;
        let publishers = self.lock().registry().distro_publishers(name.key());
        Ok(publishers.iter().map(DistroPublisher::new).collect())
    }
}
