//! What the hub hands up: requests that need a decision, and what happened to connections.

use bytes::Bytes;

use super::{CallId, ConnectionId};
use crate::registry::ResourceKey;

/// An event for the side that decides. Requests carry the connection and call to answer by.
#[derive(Debug)]
pub enum Event {
    Http(HttpRequest),
    Grpc(GrpcRequest),
    Persistent(PersistentInstance),
    Misplaced(Misplaced),
    LongPoll(LongPoll),
    UdpSubscribed(UdpSubscribed),
    FuzzyWatched(FuzzyWatched),
    ConnectionReady(ConnectionReady),
    ConnectionGone(ConnectionId),
    PushAcknowledged { connection: ConnectionId, request_id: u64, succeeded: bool },
}

/// An HTTP request that the core does not answer itself.
#[derive(Debug)]
pub struct HttpRequest {
    pub connection: ConnectionId,
    pub call: CallId,
    pub method: String,
    /// Raw as sent, without the query.
    pub path: String,
    /// Query first, then a form body.
    pub parameters: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Empty if it was a form.
    pub body: Bytes,
    /// As proxies name it, else the socket's: for what is shown and logged, since anybody can claim any.
    pub client_ip: String,
    /// The socket's: for what must not be forged.
    pub remote_ip: String,
    /// Authentication is off, or the request carried an allowed token.
    pub authorized: bool,
}

/// A unary gRPC request that the core does not answer itself.
#[derive(Debug)]
pub struct GrpcRequest {
    pub connection: ConnectionId,
    pub call: CallId,
    pub connection_id: String,
    pub kind: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// As the client names it.
    pub client_ip: String,
    /// The socket's.
    pub remote_ip: String,
    pub authorized: bool,
}

/// The API whose shape the answer must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    V1,
    V3,
    Grpc,
}

impl Api {
    pub fn name(self) -> &'static str {
        match self {
            Api::V1 => "v1",
            Api::V3 => "v3",
            Api::Grpc => "grpc",
        }
    }
}

/// A validated registration or removal of a persistent instance, which must go through the log.
#[derive(Debug)]
pub struct PersistentInstance {
    pub connection: ConnectionId,
    pub call: CallId,
    pub api: Api,
    pub register: bool,
    pub namespace: String,
    pub group: String,
    pub service: String,
    /// JSON, as `Hub::apply_persistent` takes it.
    pub instance: Vec<u8>,
}

/// A registration, beat or deregistration over HTTP of an address that another member of the cluster handles.
#[derive(Debug)]
pub struct Misplaced {
    pub connection: ConnectionId,
    pub call: CallId,
    /// The member that is responsible for the address.
    pub node_id: String,
    /// For `Hub::serve_forwarded` of that node; without what said who asks, as that is decided.
    pub request: Vec<u8>,
    /// The socket's.
    pub remote_ip: String,
}

/// One key of a 1.x listener request; the tenant as the client sent it, which the answer must repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenKey {
    pub data_id: String,
    pub group: String,
    pub tenant: Option<String>,
}

/// A 1.x listener request of which nothing has changed yet (protocol/semantics.md section 4.2).
#[derive(Debug)]
pub struct LongPoll {
    pub connection: ConnectionId,
    pub call: CallId,
    /// As proxies name it, else the socket's: gray releases may be for it.
    pub client_ip: String,
    /// The tag that the client has.
    pub tag: Option<String>,
    /// Each with the md5 of what the client holds.
    pub keys: Vec<(ListenKey, String)>,
    pub hang_ms: u64,
}

/// A list request that asked for UDP push; it has been answered already.
#[derive(Debug)]
pub struct UdpSubscribed {
    pub ip: String,
    pub port: u16,
    pub agent: String,
    pub namespace: String,
    pub group: String,
    pub service: String,
    pub clusters: String,
}

/// What can be watched by a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watchable {
    Services,
    Configs,
}

impl Watchable {
    /// The protocol's name of the module that it belongs to.
    pub fn module(self) -> &'static str {
        match self {
            Self::Services => "naming",
            Self::Configs => "config",
        }
    }
}

/// A connection watches a pattern now, or has said anew what it knows; it has been answered already.
#[derive(Debug)]
pub struct FuzzyWatched {
    pub connection: ConnectionId,
    pub of: Watchable,
    pub pattern: String,
    /// It waits for the first list.
    pub is_initial: bool,
    /// What it does not know, and what it knows that is gone.
    pub keys: Vec<ResourceKey>,
}

/// A gRPC connection has introduced itself.
#[derive(Debug)]
pub struct ConnectionReady {
    pub connection: ConnectionId,
    pub connection_id: String,
    pub client_ip: String,
    pub client_version: String,
    pub namespace: String,
    pub labels: Vec<(String, String)>,
}
