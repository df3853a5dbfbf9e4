//! Who the clients are, what they publish, and what they wait to be told of: for administrators.
//!
//! A gRPC connection goes by its connection id, an address by `ip:port#ephemeral` (protocol/semantics.md section 1,
//! "Instance identity"), a connection to another node of the cluster by its number there, `@` and the node's id.

use super::connection::Client;
use super::{ConnectionId, Hub, LOCAL_SLOT};
use crate::configs;
use crate::limits::{CLIENT_LOOKS_COUNT, CONNECTIONS_COUNT_MAX};
use crate::registry::{KeyParts, Publisher};
use serde::Serialize;

/// What is shown of one client (protocol/http.md section 6.2, "ClientSummary").
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientSummary {
    client_id: String,
    ephemeral: bool,
    /// 0: not timed here.
    last_updated_time: u64,
    client_type: &'static str,
    connect_type: Option<&'static str>,
    app_name: Option<String>,
    version: Option<String>,
    client_ip: String,
    client_port: u16,
}

/// A subscriber of one service.
#[derive(Debug)]
pub struct Subscriber<'a> {
    pub client_id: &'a str,
    pub ip: &'a str,
    pub port: u16,
    /// Kind and version of the client.
    pub agent: &'a str,
    pub app: &'a str,
    /// The clusters that it wants; blank means all.
    pub clusters: &'a str,
}

/// Namespace, group, name, ip, port, cluster.
pub type PublishedRow = (String, String, String, String, u16, String);
/// Namespace, group, name, clusters.
pub type SubscribedRow = (String, String, String, String);
/// Client id, ip, port, cluster.
pub type PublisherRow = (String, String, u16, String);

/// Behind the places of all connections.
const ADDRESSES_PLACE: usize = CONNECTIONS_COUNT_MAX;

/// What a client id names.
enum Named<'a> {
    Connection(&'a Client),
    Address(Publisher),
}

impl ClientSummary {
    /// As JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("writing to memory cannot fail")
    }
}

impl Hub {
    /// Ids of the connections to this node that were set up, then of the addresses that are known here, in no order: the
    /// next few from a place on, 0 at first, and where to go on, if there is more. Who comes or goes meanwhile may be there
    /// or not.
    pub fn client_ids(&self, place: usize) -> (Vec<String>, Option<usize>) {
        if place < ADDRESSES_PLACE {
            let end = (place + CLIENT_LOOKS_COUNT).min(self.connections.capacity());
            let clients = (place..end).filter_map(|at| self.connections.get(at)?.client());
            let next = if end < self.connections.capacity() { end } else { ADDRESSES_PLACE };
            return (clients.map(|client| client.connection_id.to_string()).collect(), Some(next));
        }
        let (found, next) = self.state.registry.publishers_from(place - ADDRESSES_PLACE, CLIENT_LOOKS_COUNT);
        let addresses = found.into_iter().filter(|one| matches!(one, Publisher::Address { .. }));
        (addresses.map(|publisher| self.client_id(publisher)).collect(), next.map(|at| ADDRESSES_PLACE + at))
    }

    /// What is known of a client; none if there is none of this id.
    pub fn client_summary(&self, client_id: &str) -> Option<ClientSummary> {
        Some(match self.named(client_id)? {
            Named::Connection(client) => ClientSummary {
                client_id: client_id.to_owned(),
                ephemeral: true,
                last_updated_time: self.last_active_ms(client.connection),
                client_type: "connection",
                connect_type: Some("GRPC"),
                app_name: Some(client.app().to_owned()),
                version: Some(client.version.to_string()),
                client_ip: client.client_ip().to_owned(),
                client_port: client.remote_port,
            },
            Named::Address(publisher) => {
                let Publisher::Address { ip, port, ephemeral } = &publisher else { return None };
                ClientSummary {
                    client_id: client_id.to_owned(),
                    ephemeral: *ephemeral,
                    last_updated_time: self.state.registry.last_beat_ms(&publisher).unwrap_or(0),
                    client_type: "ipPort",
                    connect_type: None,
                    app_name: None,
                    version: None,
                    client_ip: ip.to_string(),
                    client_port: *port,
                }
            }
        })
    }

    /// What a client publishes; none if there is none of this id.
    pub fn client_published(&self, client_id: &str) -> Option<Vec<PublishedRow>> {
        let publisher = match self.named(client_id)? {
            Named::Connection(client) => Publisher::Connection(client.connection),
            Named::Address(publisher) => publisher,
        };
        let rows = self.state.registry.published(&publisher).map(|(key, instance)| {
            let (namespace, group, name) = owned(key.parts());
            (namespace, group, name, instance.ip.to_string(), instance.port, instance.cluster.as_str().to_owned())
        });
        Some(rows.collect())
    }

    /// What a client is subscribed to over its connection; none if there is none of this id.
    pub fn client_subscribed(&self, client_id: &str) -> Option<Vec<SubscribedRow>> {
        let Named::Connection(client) = self.named(client_id)? else { return Some(Vec::new()) };
        let rows = self.state.registry.subscribed(client.connection).map(|(key, clusters)| {
            let (namespace, group, name) = owned(key.parts());
            (namespace, group, name, clusters.to_owned())
        });
        Some(rows.collect())
    }

    /// Who publishes in a service, on all nodes, the oldest publication first.
    pub fn service_publishers(&self, key: KeyParts<'_>) -> Vec<PublisherRow> {
        let instances = self.state.registry.instances(key);
        let row = |(publisher, instance): (&Publisher, &crate::registry::Instance)| {
            let cluster = instance.cluster.as_str().to_owned();
            (self.client_id(publisher), instance.ip.to_string(), instance.port, cluster)
        };
        instances.map(row).collect()
    }

    /// Who is subscribed to a service over a connection to this node, the newest first.
    pub fn service_subscribers(&self, key: KeyParts<'_>) -> Vec<Subscriber<'_>> {
        let subscribers = self.state.registry.subscribers(key);
        let shown = subscribers.filter_map(|(connection, clusters)| {
            let client = self.client_of(connection)?;
            Some(Subscriber {
                client_id: &client.connection_id,
                ip: client.client_ip(),
                port: client.remote_port,
                agent: &client.version,
                app: client.app(),
                clusters,
            })
        });
        shown.collect()
    }

    /// Who listens to a config over a connection to this node: ip, and the md5 of what it holds. The newest first.
    pub fn config_listeners(&self, key: configs::KeyParts<'_>) -> Vec<(String, String)> {
        let told = self.state.configs.told(key);
        let shown = told.filter_map(|(connection, md5)| Some((self.client_of(connection)?, md5)));
        shown.map(|(client, md5)| (client.client_ip().to_owned(), md5.to_owned())).collect()
    }

    /// What the clients at an ip listen to over connections to this node: namespace, group, data id, and the md5 of what
    /// they hold.
    pub fn config_listened(&self, ip: &str) -> Vec<SubscribedRow> {
        let clients = self.clients().filter(|client| client.client_ip() == ip);
        let listened = clients.flat_map(|client| self.state.configs.listened(client.connection));
        let rows = listened.map(|(key, md5)| {
            let (namespace, group, data_id) = owned(key);
            (namespace, group, data_id, md5.to_owned())
        });
        rows.collect()
    }

    fn named(&self, client_id: &str) -> Option<Named<'_>> {
        let Some((address, kind)) = client_id.rsplit_once('#') else {
            return self.clients().find(|client| &*client.connection_id == client_id).map(Named::Connection);
        };
        let (ip, port) = address.rsplit_once(':')?;
        let publisher = Publisher::address(ip, port.parse().ok()?, kind.parse().ok()?);
        self.state.registry.has_publisher(&publisher).then_some(Named::Address(publisher))
    }

    fn client_id(&self, publisher: &Publisher) -> String {
        match publisher {
            Publisher::Address { ip, port, ephemeral } => format!("{ip}:{port}#{ephemeral}"),
            Publisher::Connection(connection) => match self.client_of(*connection) {
                Some(client) => client.connection_id.to_string(),
                None if connection & u64::from(u32::MAX) == u64::from(LOCAL_SLOT) => "in-process".to_owned(),
                None => connection.to_string(),
            },
            Publisher::Remote { holder, number } => {
                format!("{number}@{}", self.state.registry.holder_node_id(*holder).unwrap_or_default())
            }
        }
    }

    fn client_of(&self, connection: ConnectionId) -> Option<&Client> {
        self.slot(connection).and_then(|slot| self.connections[slot].client())
    }

    fn last_active_ms(&self, connection: ConnectionId) -> u64 {
        self.slot(connection).map_or(0, |slot| self.connections[slot].last_active_ms)
    }
}

fn owned((namespace, group, name): KeyParts<'_>) -> (String, String, String) {
    (namespace.to_owned(), group.to_owned(), name.to_owned())
}
