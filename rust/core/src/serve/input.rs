//! What clients send about instances and services: reading it, filling in defaults, and refusing what is wrong.
//!
//! This is the only place where naming parameters are checked, whichever API they came by. Rules and defaults:
//! protocol/semantics.md sections 1 and 4, protocol/grpc.md section 5.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::Text;
use crate::limits;
use crate::registry::{Instance, Metadata};

pub const DEFAULT_NAMESPACE: &str = "public";
pub const DEFAULT_GROUP: &str = "DEFAULT_GROUP";
pub const DEFAULT_CLUSTER: &str = "DEFAULT";

/// Why an instance or the name of a service is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    #[error("Param '{0}' is required.")]
    Missing(&'static str),
    #[error("Param '{name}' is illegal, the param length should not exceed {max}.")]
    TooLong { name: &'static str, max: usize },
    #[error("Param '{0}' is illegal, illegal characters should not appear in the param.")]
    Characters(&'static str),
    #[error("Param 'port' is illegal, the value should be between 0 and 65535.")]
    Port,
    #[error("instance format invalid: The weights range from 0.0 to 10000.0")]
    Weight,
    #[error(
        "instance format invalid: the heart beat timeout and the delete timeout must not be shorter than the heart beat interval"
    )]
    HeartBeat,
    #[error("metadata format incorrect:{0}")]
    Metadata(String),
    #[error("Param '{name}' is illegal, it should be {wanted}.")]
    Value { name: &'static str, wanted: &'static str },
    #[error("Unsupported request type {0}")]
    RequestType(String),
}

impl InputError {
    /// Whether the existing server finds this in its parameter filter, which answers before any handler runs.
    pub fn found_by_filter(&self) -> bool {
        matches!(self, InputError::TooLong { .. } | InputError::Characters(_) | InputError::Port)
    }
}

/// An instance as JSON gives it over gRPC, in commands of the log, and in-process.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceInput<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub ip: Option<Text<'a>>,
    pub port: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<bool>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<Text<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub metadata: Option<MetadataInput<'a>>,
}

/// Metadata as clients send it; a null value counts as none.
pub type MetadataInput<'a> = BTreeMap<Text<'a>, Option<Text<'a>>>;

/// How an instance id is made when the client gave none: each API of the existing server has its own way
/// (protocol/answers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdStyle {
    /// `ip#port#cluster#<service name as the client wrote it into the instance>`
    AsSent,
    /// `ip#port#cluster#group@@service`
    Grouped,
    /// The v3 client API makes none.
    Absent,
}

impl InstanceInput<'_> {
    /// Checks the instance and fills in what is missing.
    pub fn into_instance(
        self,
        service: &ServiceName<'_>,
        ephemeral: bool,
        style: IdStyle,
    ) -> Result<Instance, InputError> {
        let ip = self.ip.as_deref().map(str::trim).filter(|ip| !ip.is_empty()).ok_or(InputError::Missing("ip"))?;
        check_ip(ip)?;
        let port = u16::try_from(self.port).map_err(|_| InputError::Port)?;
        let weight = self.weight.unwrap_or(1.0);
        if !(0.0..=10000.0).contains(&weight) {
            return Err(InputError::Weight);
        }
        let cluster =
            self.cluster_name.as_deref().map(str::trim).filter(|name| !name.is_empty()).unwrap_or(DEFAULT_CLUSTER);
        check_cluster(cluster)?;
        let pairs = self.metadata.iter().flatten();
        let metadata: Metadata =
            pairs.filter_map(|(name, value)| value.as_deref().map(|value| (&**name, value))).collect();
        check_metadata(&metadata)?;
        let instance_id = match (self.instance_id.as_deref().filter(|id| !id.is_empty()), style) {
            (Some(id), IdStyle::AsSent | IdStyle::Grouped) => {
                check_length("instanceId", id, limits::INSTANCE_ID_CHARACTERS_MAX)?;
                Some(id.into())
            }
            (None, IdStyle::AsSent) => {
                let name = self.service_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(service.name);
                check_length("serviceName", name, limits::SERVICE_NAME_CHARACTERS_MAX + limits::GROUP_CHARACTERS_MAX)?;
                Some(format!("{ip}#{port}#{cluster}#{name}").into())
            }
            (None, IdStyle::Grouped) => {
                Some(format!("{ip}#{port}#{cluster}#{}@@{}", service.group, service.name).into())
            }
            (_, IdStyle::Absent) => None,
        };
        Ok(Instance {
            ip: ip.into(),
            port,
            weight,
            healthy: self.healthy.unwrap_or(true),
            enabled: self.enabled.unwrap_or(true),
            ephemeral,
            cluster: cluster.into(),
            metadata,
            instance_id,
        })
    }
}

impl InstanceInput<'_> {
    /// The instance id as the HTTP v1 API makes it.
    pub fn grouped_id(&self, service: &ServiceName<'_>) -> String {
        let cluster = self.cluster_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(DEFAULT_CLUSTER);
        let ip = self.ip.as_deref().unwrap_or("");
        format!("{ip}#{}#{cluster}#{}@@{}", self.port, service.group, service.name)
    }
}

/// Namespace, group and bare name of a service, defaults filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceName<'a> {
    pub namespace: &'a str,
    pub group: &'a str,
    pub name: &'a str,
}

impl<'a> ServiceName<'a> {
    /// `name` may be `group@@name`, which wins over `group`. Blank namespace and group mean the defaults.
    pub fn new(namespace: &'a str, group: &'a str, name: &'a str) -> Result<Self, InputError> {
        let namespace = or_default(namespace, DEFAULT_NAMESPACE);
        let name = name.trim();
        // Looking for one character is much faster, and few names have any.
        let grouped = if name.contains('@') { name.split_once("@@") } else { None };
        let (group, name) = match grouped {
            Some((group, name)) => (group, name),
            None => (or_default(group, DEFAULT_GROUP), name),
        };
        if name.is_empty() {
            return Err(InputError::Missing("serviceName"));
        }
        if group.is_empty() {
            return Err(InputError::Missing("groupName"));
        }
        check_namespace(namespace)?;
        check_name_characters("groupName", group, limits::GROUP_CHARACTERS_MAX, is_key_character)?;
        check_length("serviceName", name, limits::SERVICE_NAME_CHARACTERS_MAX)?;
        if name.starts_with('@')
            || (name.contains('@') && name.contains("@@"))
            || name.chars().any(is_unfit_for_service)
        {
            return Err(InputError::Characters("serviceName"));
        }
        Ok(Self { namespace, group, name })
    }

    pub fn key(&self) -> (&'a str, &'a str, &'a str) {
        (self.namespace, self.group, self.name)
    }
}

/// Reads metadata as 1.x clients send it: a JSON object, or `k=v,k2=v2`.
pub fn parse_metadata(text: &str) -> Result<Option<MetadataInput<'_>>, InputError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('{') {
        let parsed: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|_| InputError::Metadata(text.to_owned()))?;
        let entries = parsed.into_iter().map(|(name, value)| {
            let value = match value {
                serde_json::Value::Null => None,
                serde_json::Value::String(text) => Some(Text::from(text)),
                other => Some(Text::from(other.to_string())),
            };
            (Text::from(name), value)
        });
        return Ok(Some(entries.collect()));
    }
    let mut metadata = BTreeMap::new();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| InputError::Metadata(text.to_owned()))?;
        metadata.insert(Text::from(name), Some(Text::from(value)));
    }
    Ok(Some(metadata))
}

/// A comma list of cluster names; empty means all.
pub fn check_clusters(clusters: &str) -> Result<(), InputError> {
    check_length("clusters", clusters, limits::CLUSTERS_CHARACTERS_MAX)?;
    clusters.split(',').filter(|name| !name.is_empty()).try_for_each(check_cluster)
}

pub fn check_namespace(namespace: &str) -> Result<(), InputError> {
    check_name_characters("namespaceId/tenant", namespace, limits::NAMESPACE_CHARACTERS_MAX, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
    })
}

pub(super) fn check_cluster(cluster: &str) -> Result<(), InputError> {
    // The underscore is accepted as 1.x clients expect it (protocol/lessons.md line 7).
    check_name_characters("cluster", cluster, limits::CLUSTER_CHARACTERS_MAX, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
    })
}

pub(super) fn check_ip(ip: &str) -> Result<(), InputError> {
    // A host name is as good as an address here, as in the existing server.
    check_name_characters("ip", ip, limits::IP_CHARACTERS_MAX, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_' | '%' | '[' | ']')
    })
}

pub(super) fn check_metadata(metadata: &Metadata) -> Result<(), InputError> {
    let length: usize = metadata.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    if length > limits::METADATA_CHARACTERS_MAX {
        return Err(InputError::TooLong { name: "metadata", max: limits::METADATA_CHARACTERS_MAX });
    }
    let interval_ms = metadata.beat_interval_ms();
    if metadata.beat_timeout_ms() < interval_ms || metadata.delete_timeout_ms() < interval_ms {
        return Err(InputError::HeartBeat);
    }
    Ok(())
}

pub(super) fn check_length(name: &'static str, value: &str, max: usize) -> Result<(), InputError> {
    if value.len() > max && value.chars().count() > max {
        return Err(InputError::TooLong { name, max });
    }
    Ok(())
}

fn check_name_characters(
    name: &'static str,
    value: &str,
    max: usize,
    fits: impl Fn(char) -> bool,
) -> Result<(), InputError> {
    check_length(name, value, max)?;
    if value.is_empty() || !value.chars().all(fits) {
        return Err(InputError::Characters(name));
    }
    Ok(())
}

fn is_key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':' | '.')
}

fn is_unfit_for_service(c: char) -> bool {
    c.is_whitespace() || c.is_control() || ('\u{4e00}'..='\u{9fa5}').contains(&c)
}

fn or_default<'a>(value: &'a str, default: &'a str) -> &'a str {
    let value = value.trim();
    if value.is_empty() { default } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> ServiceName<'static> {
        ServiceName::new("", "", "orders").expect("a good name")
    }

    fn read(json: &str) -> Result<Instance, InputError> {
        serde_json::from_str::<InstanceInput<'_>>(json).expect("json").into_instance(&service(), true, IdStyle::AsSent)
    }

    #[test]
    fn defaults_are_filled_in() {
        let instance = read(r#"{"ip":"10.0.0.1","port":80}"#).expect("valid");
        assert_eq!((instance.weight, instance.healthy, instance.enabled), (1.0, true, true));
        assert_eq!(instance.instance_id.as_deref(), Some("10.0.0.1#80#DEFAULT#orders"));
        assert_eq!((service().namespace, service().group), ("public", "DEFAULT_GROUP"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(read(r#"{"port":80}"#).unwrap_err(), InputError::Missing("ip"));
        assert_eq!(read(r#"{"ip":"1.1.1.1","port":70000}"#).unwrap_err(), InputError::Port);
        assert_eq!(read(r#"{"ip":"1.1.1.1","port":-1}"#).unwrap_err(), InputError::Port);
        assert_eq!(read(r#"{"ip":"1.1.1.1","port":1,"weight":10001}"#).unwrap_err(), InputError::Weight);
        assert_eq!(read(r#"{"ip":"1.1 1","port":1}"#).unwrap_err(), InputError::Characters("ip"));
        assert_eq!(
            read(r#"{"ip":"1.1.1.1","port":1,"clusterName":"a,b"}"#).unwrap_err(),
            InputError::Characters("cluster")
        );
        assert_eq!(
            read(r#"{"ip":"1.1.1.1","port":1,"metadata":{"preserved.heart.beat.timeout":"10"}}"#).unwrap_err(),
            InputError::HeartBeat
        );
    }

    #[test]
    fn a_grouped_name_wins_over_the_group() {
        let name = ServiceName::new("", "other", "mine@@orders").expect("valid");
        assert_eq!((name.group, name.name), ("mine", "orders"));
        assert_eq!(ServiceName::new("", "", "@@orders").unwrap_err(), InputError::Missing("groupName"));
        assert_eq!(ServiceName::new("", "", "a b").unwrap_err(), InputError::Characters("serviceName"));
        assert_eq!(ServiceName::new("a/b", "", "x").unwrap_err(), InputError::Characters("namespaceId/tenant"));
        assert!(ServiceName::new("", "", "providers:com.example.Api:1.0:").is_ok(), "Dubbo names hold colons");
    }

    #[test]
    fn metadata_comes_as_json_or_as_pairs() {
        let json = parse_metadata(r#"{"a":"1","n":2}"#).expect("json").expect("some");
        assert_eq!(json["n"].as_deref(), Some("2"));
        let pairs = parse_metadata("a=1,b=2").expect("pairs").expect("some");
        assert_eq!(pairs["b"].as_deref(), Some("2"));
        assert_eq!(parse_metadata("{bad").unwrap_err(), InputError::Metadata("{bad".into()));
    }
}
