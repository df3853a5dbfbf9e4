//! Instances and those who publish them.

use super::metadata::Metadata;
use std::fmt;

/// The cluster of an instance that names none (protocol/semantics.md section 1).
pub const CLUSTER_DEFAULT: &str = "DEFAULT";

/// The name of a cluster; the default one, which nearly every instance is in, takes no allocation.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ClusterName(Box<str>);

impl ClusterName {
    /// A blank name means the default cluster.
    pub fn new(name: &str) -> Self {
        let name = name.trim();
        Self(if name == CLUSTER_DEFAULT { Box::default() } else { name.into() })
    }

    /// The name, `DEFAULT` for the default cluster.
    pub fn as_str(&self) -> &str {
        if self.0.is_empty() { CLUSTER_DEFAULT } else { &self.0 }
    }
}

impl From<&str> for ClusterName {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Debug for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// One instance of a service, as its publisher gave it and as clients are shown it.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// An address or host name; not parsed.
    pub ip: Box<str>,
    /// 0 is allowed.
    pub port: u16,
    /// 0 to 10000 by protocol, checked by the caller; shown as 0 if it is no finite number.
    pub weight: f64,
    /// Whether clients should call it.
    pub healthy: bool,
    /// A disabled instance is not shown to clients at all.
    pub enabled: bool,
    /// Set by the registry from the publisher: what a caller writes here does not count.
    pub ephemeral: bool,
    /// The cluster that it is in.
    pub cluster: ClusterName,
    /// Free pairs, some of them reserved (`preserved.*`).
    pub metadata: Metadata,
    /// Shown as `instanceId`, absent where the API that registered it gives none.
    pub instance_id: Option<Box<str>>,
}

impl Instance {
    /// A healthy, enabled instance of weight 1 in the default cluster, without metadata or id.
    pub fn new(ip: &str, port: u16) -> Self {
        Self {
            ip: ip.into(),
            port,
            weight: 1.0,
            healthy: true,
            enabled: true,
            ephemeral: true,
            cluster: ClusterName::default(),
            metadata: Metadata::default(),
            instance_id: None,
        }
    }
}

/// Who a publication belongs to. Each publisher has at most one publication in a service, and a new one replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publisher {
    /// A client's gRPC connection, by the id that the hub gave it: its instances live exactly as long.
    Connection(u64),
    /// A client's connection to another node, or to an earlier run of this one.
    Remote {
        /// Where that run of a node is kept; see `distro`.
        holder: u32,
        /// The id that its hub gave the connection.
        number: u64,
    },
    /// An address registered over HTTP, kept alive by beats (`ephemeral`), or a persistent one that comes from the log.
    Address {
        /// The instance's own address.
        ip: Box<str>,
        /// The instance's own port.
        port: u16,
        /// False for a persistent one.
        ephemeral: bool,
    },
}

impl Publisher {
    /// An ip:port that registers over HTTP, or a persistent one.
    pub fn address(ip: &str, port: u16, ephemeral: bool) -> Self {
        Self::Address { ip: ip.into(), port, ephemeral }
    }

    /// Whether what it publishes is ephemeral.
    pub fn is_ephemeral(&self) -> bool {
        !matches!(self, Self::Address { ephemeral: false, .. })
    }

    pub(super) fn borrowed(&self) -> PublisherRef<'_> {
        match self {
            Self::Connection(id) => PublisherRef::Connection(*id),
            Self::Remote { holder, number } => PublisherRef::Remote(*holder, *number),
            Self::Address { ip, port, ephemeral } => PublisherRef::Address(ip, *port, *ephemeral),
        }
    }
}

/// A publisher for lookups that allocate nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PublisherRef<'a> {
    Connection(u64),
    Remote(u32, u64),
    Address(&'a str, u16, bool),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_cluster_is_the_default_one() {
        assert_eq!(ClusterName::new(" "), ClusterName::new("DEFAULT"));
        assert_eq!(ClusterName::from("").as_str(), "DEFAULT");
        assert_eq!(ClusterName::from("c1").as_str(), "c1");
    }

    #[test]
    fn only_persistent_addresses_are_not_ephemeral() {
        assert!(Publisher::Connection(1).is_ephemeral());
        assert!(Publisher::address("10.0.0.1", 80, true).is_ephemeral());
        assert!(!Publisher::address("10.0.0.1", 80, false).is_ephemeral());
    }
}
