//! Changes of metadata as commands of the log hold them. They are checked before they are proposed and again when they
//! are applied, by the same rules.

use super::input::{InputError, ServiceName, check_cluster, check_ip, check_length, check_metadata};
use super::{ApplyError, Hub};
use crate::limits;
use crate::registry::{ClusterRecord, HealthChecker, InstanceName, MetadataChange, Pairs, Selector, ServiceFields};

/// Reads a change and checks it.
fn read(json: &[u8]) -> Result<MetadataChange, ApplyError> {
    let change: MetadataChange = serde_json::from_slice(json).map_err(ApplyError::Change)?;
    check(&change)?;
    Ok(change)
}

fn check(change: &MetadataChange) -> Result<(), InputError> {
    match change {
        MetadataChange::CreateService(fields) | MetadataChange::UpdateService(fields) => check_service(fields),
        MetadataChange::DeleteService | MetadataChange::Expire(_) => Ok(()),
        MetadataChange::UpdateCluster { cluster_name, cluster } => {
            check_cluster(cluster_name)?;
            check_record(cluster)
        }
        MetadataChange::UpdateInstance { instance, weight, metadata, .. } => {
            check_name(instance)?;
            if weight.is_some_and(|weight| !(0.0..=10000.0).contains(&weight)) {
                return Err(InputError::Weight);
            }
            metadata.as_ref().map_or(Ok(()), check_overlay)
        }
        MetadataChange::MergeMetadata { instances, metadata } => {
            instances.iter().try_for_each(check_name)?;
            check_overlay(metadata)
        }
        MetadataChange::StripMetadata { instances, .. } => instances.iter().try_for_each(check_name),
        MetadataChange::SetHealth { instance, .. } => check_name(instance),
    }
}

fn check_name(name: &InstanceName) -> Result<(), InputError> {
    check_ip(&name.ip)?;
    check_cluster(&name.cluster_name)
}

fn check_overlay(pairs: &Pairs) -> Result<(), InputError> {
    check_metadata(&pairs.iter().collect())
}

fn check_service(fields: &ServiceFields) -> Result<(), InputError> {
    if !(0.0..=1.0).contains(&fields.protect_threshold) {
        return Err(InputError::Value { name: "protectThreshold", wanted: "a number from 0 to 1" });
    }
    if let Selector::Label { expression } = &fields.selector {
        check_length("selector", expression, limits::EXPRESSION_CHARACTERS_MAX)?;
    }
    check_pairs(&fields.metadata)
}

fn check_record(record: &ClusterRecord) -> Result<(), InputError> {
    if let HealthChecker::Http { path, headers, .. } = &record.health_checker {
        check_length("path", path, limits::EXPRESSION_CHARACTERS_MAX)?;
        check_length("headers", headers, limits::EXPRESSION_CHARACTERS_MAX)?;
    }
    if let HealthChecker::Mysql { user, pwd, cmd } = &record.health_checker {
        for (name, text) in [("user", user), ("pwd", pwd), ("cmd", cmd)] {
            check_length(name, text, limits::EXPRESSION_CHARACTERS_MAX)?;
        }
    }
    check_pairs(&record.metadata)
}

fn check_pairs(pairs: &Pairs) -> Result<(), InputError> {
    let length: usize = pairs.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    let max = limits::SERVICE_METADATA_CHARACTERS_MAX;
    if length > max { Err(InputError::TooLong { name: "metadata", max }) } else { Ok(()) }
}

impl Hub {
    /// Refuses beforehand what `change_metadata` would refuse for its form.
    pub fn check_metadata_change(change: &[u8]) -> Result<(), ApplyError> {
        read(change).map(drop)
    }

    /// Applies a command of the log: one change of what belongs to a service (JSON).
    pub fn change_metadata(&mut self, service: &ServiceName<'_>, change: &[u8], now_ms: u64) -> Result<(), ApplyError> {
        Ok(self.state.registry.change_metadata(service.key(), read(change)?, now_ms)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: &str) -> String {
        Hub::check_metadata_change(change.as_bytes()).expect_err("it is wrong").to_string()
    }

    #[test]
    fn what_is_wrong_is_named() {
        let update = |more: &str| {
            format!(
                r#"{{"change":"instance.update","instance":{{"ip":"10.0.0.1","port":80,"clusterName":"c"}}{more}}}"#
            )
        };
        assert!(Hub::check_metadata_change(update("").as_bytes()).is_ok());
        assert!(refusal(&update(r#","weight":10001"#)).contains("weights range"));
        assert!(refusal(&update(r#","metadata":{"preserved.heart.beat.timeout":"1"}"#)).contains("heart beat"));
        assert!(refusal(&update("").replace("10.0.0.1", "a b")).contains("'ip'"));
        assert!(refusal(&update("").replace("\"c\"", "\"a,b\"")).contains("'cluster'"));
        let long = "v".repeat(limits::METADATA_CHARACTERS_MAX);
        assert!(refusal(&update(&format!(r#","metadata":{{"k":"{long}"}}"#))).contains("should not exceed 1024"));
        let create = |threshold: &str| {
            format!(
                r#"{{"change":"service.create","ephemeral":false,"protectThreshold":{threshold},"metadata":{{}},
                    "selector":{{"type":"none"}}}}"#
            )
        };
        assert!(Hub::check_metadata_change(create("1.0").as_bytes()).is_ok());
        for bad in ["1.1", "-0.1"] {
            assert!(refusal(&create(bad)).contains("protectThreshold"));
        }
        assert!(refusal(&create("null")).contains("must be a JSON object"));
        assert!(refusal(&create("1").replace("none", "unheard")).contains("unheard"));
        assert!(refusal(r#"{"change":"other"}"#).contains("unknown variant"));
    }

    const MYSQL: &str = r#"{"type":"MYSQL","user":"u","pwd":"p","cmd":"select 1"}"#;

    #[test]
    fn a_health_checker_is_tcp_http_mysql_or_none() {
        let cluster = |checker: &str| {
            format!(
                r#"{{"change":"cluster.update","clusterName":"c","cluster":{{"healthChecker":{checker},
                    "healthyCheckPort":80,"useInstancePortForCheck":true}}}}"#
            )
        };
        for good in [r#"{"type":"TCP"}"#, r#"{"type":"HTTP","path":"/x"}"#, r#"{"type":"NONE"}"#, MYSQL] {
            assert!(Hub::check_metadata_change(cluster(good).as_bytes()).is_ok(), "{good}");
        }
        assert!(refusal(&cluster(r#"{"type":"ICMP"}"#)).contains("ICMP"));
    }
}
