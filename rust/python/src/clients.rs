//! The part of the hub that shows its clients, and what operators watch over: silent addresses and checked instances.

use nacos_core::registry::{CheckedInstance, Pace};
use nacos_core::serve::{PublishedRow, PublisherRow, SubscribedRow};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::hub::{Hub, service};

/// Client id, ip, port, agent, application, clusters.
type SubscriberRow = (String, String, u16, String, String, String);

#[pymethods]
impl Hub {
    fn client_ids(&self, place: usize) -> (Vec<String>, Option<usize>) {
        self.lock().client_ids(place)
    }

    fn service_names(&self, py: Python<'_>, namespace: Option<&str>, part: &str) -> Vec<(String, String)> {
        py.detach(|| {
            let hub = self.lock();
            let found = hub.registry().service_names(namespace, part);
            found.into_iter().map(|(namespace, name)| (namespace.to_owned(), name)).collect()
        })
    }

    fn responsible_counts(&self, py: Python<'_>) -> (usize, usize) {
        py.detach(|| self.lock().registry().responsible_counts())
    }

    fn client_summary<'py>(&self, py: Python<'py>, client_id: &str) -> Option<Bound<'py, PyBytes>> {
        self.lock().client_summary(client_id).map(|summary| PyBytes::new(py, &summary.to_json()))
    }

    fn client_published(&self, client_id: &str) -> Option<Vec<PublishedRow>> {
        self.lock().client_published(client_id)
    }

    fn client_subscribed(&self, client_id: &str) -> Option<Vec<SubscribedRow>> {
        self.lock().client_subscribed(client_id)
    }

    fn service_publishers(&self, namespace: &str, group: &str, service: &str) -> PyResult<Vec<PublisherRow>> {
        let name = self::service((namespace, group, service))?;
        Ok(self.lock().service_publishers(name.key()))
    }

    fn service_subscribers(&self, namespace: &str, group: &str, service: &str) -> PyResult<Vec<SubscriberRow>> {
        let name = self::service((namespace, group, service))?;
        let hub = self.lock();
        let rows = hub.service_subscribers(name.key()).into_iter().map(|one| {
            let [id, ip, agent, app, clusters] =
                [one.client_id, one.ip, one.agent, one.app, one.clusters].map(Into::into);
            (id, ip, one.port, agent, app, clusters)
        });
        Ok(rows.collect())
    }

    fn config_listeners(&self, namespace: &str, group: &str, data_id: &str) -> Vec<(String, String)> {
        self.lock().config_listeners((namespace, group, data_id))
    }

    fn config_listened(&self, ip: &str) -> Vec<SubscribedRow> {
        self.lock().config_listened(ip)
    }

    fn checked_instances<'py>(
        &self,
        py: Python<'py>,
        place: usize,
        look_count: usize,
    ) -> (Bound<'py, PyBytes>, Option<usize>) {
        let hub = self.lock();
        let (found, next) = hub.registry().checked_instances(place, look_count);
        (PyBytes::new(py, &CheckedInstance::list_to_json(&found)), next)
    }

    fn silence<'py>(&self, py: Python<'py>, now_ms: u64, within_ms: u64, show_count: usize) -> Bound<'py, PyBytes> {
        let silence = self.lock().registry().silence(now_ms, within_ms, show_count);
        PyBytes::new(py, &silence.to_json())
    }

    #[pyo3(signature = (*, light_beat, ephemeral_default, beat_interval_ms, cache_ms))]
    fn set_pace(&self, light_beat: bool, ephemeral_default: bool, beat_interval_ms: u64, cache_ms: u64) {
        self.lock().set_pace(light_beat, ephemeral_default, Pace { cache_ms, beat_interval_ms });
    }
}
