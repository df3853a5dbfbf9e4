//! Quotas of configs as Python sees them.

use nacos_core::configs::{OverQuota, Quota, QuotaDefaults};
use pyo3::prelude::*;

use crate::hub::Hub;

/// What kind of refusal it is, as outcomes of commands say it.
pub fn kind_of(over: &OverQuota) -> &'static str {
    match over {
        OverQuota::Cluster { .. } => "quota.cluster",
        OverQuota::Namespace { .. } => "quota.namespace",
        OverQuota::Group { .. } => "quota.group",
        OverQuota::Size { .. } => "quota.size",
    }
}

/// Namespace, group (empty: none), count and bytes.
type QuotaParts = (String, String, usize, usize);

#[pymethods]
impl Hub {
    #[pyo3(signature = (quotas, *, enforced, cluster_count, namespace_count, content_bytes))]
    fn set_config_quotas(
        &self,
        quotas: Vec<QuotaParts>,
        enforced: bool,
        cluster_count: usize,
        namespace_count: usize,
        content_bytes: usize,
    ) {
        let mut hub = self.lock();
        let configs = hub.configs_mut();
        configs.set_quota_defaults(QuotaDefaults { enforced, cluster_count, namespace_count, content_bytes });
        configs.set_quotas(quotas.iter().map(|(namespace, group, count, content_bytes)| {
            let group = (!group.is_empty()).then_some(&**group);
            (&**namespace, group, Quota { count: *count, content_bytes: *content_bytes })
        }));
    }

    #[pyo3(signature = (namespace, group = None))]
    fn config_quota(&self, namespace: &str, group: Option<&str>) -> (usize, usize, usize) {
        let hub = self.lock();
        let Quota { count, content_bytes } = hub.configs().quota(namespace, group);
        (hub.configs().usage(namespace, group), count, content_bytes)
    }
}
