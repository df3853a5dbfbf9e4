//! The hub: client connections, the router, and the stores that answers come from. Sans-IO: bytes in, bytes and
//! events out. The reactor, or a task for each stream, moves the bytes.

mod access;
mod answers;
mod clients;
mod config_grpc;
mod config_http;
mod config_list;
mod connection;
mod event;
mod forwarded;
mod fuzzy_grpc;
mod grpc;
mod http;
mod input;
mod metadata;
mod naming_grpc;
mod naming_http;
mod push;
mod retired;
#[cfg(test)]
mod room_tests;
mod snapshot;
mod snowflake;
#[cfg(test)]
mod tests;
mod text;

pub use clients::{ClientSummary, PublishedRow, PublisherRow, SubscribedRow, Subscriber};
pub use config_list::{Shown, found_list};
pub use connection::{Client, Owner};
pub use event::{
    Api, ConnectionReady, Event, FuzzyWatched, GrpcRequest, HttpRequest, ListenKey, LongPoll, Misplaced,
    PersistentInstance, UdpSubscribed, Watchable,
};
pub use forwarded::ForwardError;
pub use input::{IdStyle, InputError, InstanceInput, ServiceName, parse_metadata};
pub use snapshot::{DecodedSnapshot, Frozen, SnapshotError};

use slab::Slab;
use std::collections::VecDeque;

use crate::configs::{Asker, Configs, KeyParts};

use crate::grpc::GrpcEvent;
use crate::limits;
use crate::registry::{ChangeRefused, Pace, Publisher, Registry, RegistryError};
use access::Access;
use connection::Connection;
use retired::Retired;

/// A connection; never used again within a process.
pub type ConnectionId = u64;
/// Which request of a connection.
pub type CallId = u32;

/// What the hub is told once.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// Keys the digests; the same on every node of a cluster.
    pub digest_key: [u8; 16],
    /// The server's `abilityTable`, as JSON.
    pub abilities: String,
    /// Every request but health and login needs a token that was allowed.
    pub require_tokens: bool,
    /// List requests may subscribe to UDP pushes.
    pub udp_push: bool,
    /// Method and path of what is handed up even where the answer is held.
    pub retired: Vec<(String, String)>,
}

/// What requests are answered from, apart from the connections themselves.
#[derive(Debug)]
pub struct State {
    pub registry: Registry,
    pub configs: Configs,
    access: Access,
    events: Vec<Event>,
    abilities: String,
    udp_push: bool,
    retired: Retired,
    ready: bool,
    light_beat: bool,
    /// The kind of instances that are registered over HTTP without a word of it.
    ephemeral_default: bool,
    requests: Requests,
    /// Wall time of the call being served.
    now_ms: u64,
    last_request_id: u64,
    snowflakes: snowflake::Snowflakes,
    last_date: answers::LastDate,
    /// The body of the answer being made, and the events of the engine being driven: kept for their memory.
    body: Vec<u8>,
    grpc_events: Vec<GrpcEvent>,
    /// Requests of gRPC that take longer than others may wait: one turn each until they are answered.
    unfinished: VecDeque<(ConnectionId, CallId)>,
}

/// How many requests came since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    pub http: u64,
    pub grpc: u64,
}

/// Why a naming request is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Why an instance could not be registered in-process or from the log.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("an instance must be a JSON object: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("a change of metadata must be a JSON object as commands have it: {0}")]
    Change(serde_json::Error),
    #[error(transparent)]
    ChangeRefused(#[from] ChangeRefused),
}

impl From<InputError> for ApplyError {
    fn from(error: InputError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<RegistryError> for ApplyError {
    fn from(error: RegistryError) -> Self {
        Refusal::from(error).into()
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Hub {
    state: State,
    connections: Slab<Connection>,
    generation: u32,
    /// What all connections have sent that is not answered yet, and how much that may be.
    input_bytes: usize,
    input_bytes_max: usize,
    /// Connections that have output to write or want to be closed, by driver.
    dirty_reactor: Vec<ConnectionId>,
    dirty_streams: Vec<ConnectionId>,
}

/// No slot of the slab: publishers inside the process have no connection.
const LOCAL_SLOT: u32 = u32::MAX;

impl Hub {
    pub fn new(settings: HubSettings) -> Self {
        Self {
            state: State {
                registry: Registry::new(settings.digest_key),
                configs: Configs::new(settings.digest_key),
                access: Access::new(settings.require_tokens),
                events: Vec::new(),
                abilities: settings.abilities,
                udp_push: settings.udp_push,
                retired: Retired::new(settings.retired),
                ready: false,
                light_beat: true,
                ephemeral_default: true,
                requests: Requests::default(),
                now_ms: 0,
                last_request_id: 0,
                snowflakes: snowflake::Snowflakes::default(),
                last_date: answers::LastDate::default(),
                body: Vec::new(),
                grpc_events: Vec::new(),
                unfinished: VecDeque::new(),
            },
            connections: Slab::new(),
            generation: 0,
            input_bytes: 0,
            input_bytes_max: limits::INPUT_BYTES_MAX,
            dirty_reactor: Vec::new(),
            dirty_streams: Vec::new(),
        }
    }

    // --- connections -----------------------------------------------------------------------------------------------

    /// A new connection, or `None` if there are too many.
    pub fn open(&mut self, owner: Owner, remote: (&str, u16), grpc_only: bool, now_ms: u64) -> Option<ConnectionId> {
        if self.connections.len() >= limits::CONNECTIONS_COUNT_MAX {
            return None;
        }
        self.state.now_ms = now_ms;
        let generation = self.next_generation();
        let entry = self.connections.vacant_entry();
        let id = generation << 32 | entry.key() as u64;
        entry.insert(Connection::new(id, owner, remote, grpc_only, now_ms));
        Some(id)
    }

    /// A publisher inside the process.
    pub fn open_local(&mut self) -> ConnectionId {
        self.next_generation() << 32 | u64::from(LOCAL_SLOT)
    }

    fn next_generation(&mut self) -> u64 {
        self.generation = self.generation.checked_add(1).expect("four billion connections in one process");
        u64::from(self.generation)
    }

    /// Takes bytes that came; answers and events follow from them.
    pub fn feed(&mut self, id: ConnectionId, bytes: &[u8], now_ms: u64) {
        self.state.now_ms = now_ms;
        self.with(id, |connection, state| connection.feed(bytes, state));
        if self.input_bytes > self.input_bytes_max {
            self.with(id, Connection::give_up_large);
        }
        if self.owner(id) == Some(Owner::Streams) {
            while self.carry_on(now_ms) {}
        }
    }

    /// Carries on with one request that takes longer than others may wait. True if there is more to be done.
    pub fn carry_on(&mut self, now_ms: u64) -> bool {
        if let Some((id, call)) = self.state.unfinished.pop_front() {
            // Only what was allowed has begun.
            self.proceed(id, call, now_ms);
        }
        !self.state.unfinished.is_empty()
    }

    /// The peer will send no more.
    pub fn end_of_input(&mut self, id: ConnectionId, now_ms: u64) {
        self.state.now_ms = now_ms;
        self.with(id, Connection::end_of_input);
    }

    /// Ends a connection once its output is written. What it published goes now.
    pub fn close(&mut self, id: ConnectionId) {
        self.with(id, |connection, state| {
            connection.close(state);
            connection.drop_what_it_held(state);
        });
        if id & u64::from(u32::MAX) == u64::from(LOCAL_SLOT) {
            self.state.registry.drop_publisher(&Publisher::Connection(id), self.state.now_ms);
        }
    }

    /// The driver has closed the connection: forgets it and all that depended on it.
    pub fn closed(&mut self, id: ConnectionId, now_ms: u64) {
        self.state.now_ms = now_ms;
        let Some(slot) = self.slot(id) else { return };
        let connection = self.connections.remove(slot);
        self.input_bytes -= connection.counted_bytes;
        connection.drop_what_it_held(&mut self.state);
        if connection.is_grpc() || connection.is_hanging() {
            self.state.events.push(Event::ConnectionGone(id));
        }
    }

    /// Output waiting to be written; the driver drains it and calls `output_taken`.
    pub fn output(&mut self, id: ConnectionId) -> Option<&mut Vec<u8>> {
        let slot = self.slot(id)?;
        self.connections[slot].is_dirty = false;
        Some(self.connections[slot].output())
    }

    pub fn output_taken(&mut self, id: ConnectionId) {
        self.with(id, Connection::output_taken);
    }

    /// A part of the output was taken: its peer still reads.
    pub fn some_output_taken(&mut self, id: ConnectionId, now_ms: u64) {
        if let Some(slot) = self.slot(id) {
            self.connections[slot].output_since_ms = now_ms;
        }
    }

    /// Reading more from it must wait until its output has been written. What waits for HTTP/2 flow control does not
    /// count: only reading brings the peer's window updates. `is_stuck` bounds it.
    pub fn is_congested(&mut self, id: ConnectionId) -> bool {
        self.slot(id).is_some_and(|slot| {
            let connection = &mut self.connections[slot];
            connection.is_waiting() || connection.output().len() > limits::OUTPUT_HIGH_WATER_BYTES
        })
    }

    /// Its client waits for a change: once it will send no more, it need not be answered.
    pub fn is_hanging(&self, id: ConnectionId) -> bool {
        self.slot(id).is_some_and(|slot| self.connections[slot].is_hanging())
    }

    /// So much output is waiting that the peer must have stopped reading.
    pub fn is_stuck(&mut self, id: ConnectionId) -> bool {
        self.slot(id).is_some_and(|slot| self.connections[slot].queued_bytes() > limits::OUTPUT_BYTES_MAX)
    }

    /// To be closed once its output is written. A connection that is not known wants it too.
    pub fn wants_close(&self, id: ConnectionId) -> bool {
        self.slot(id).is_none_or(|slot| self.connections[slot].wants_close())
    }

    pub fn take_dirty_reactor(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.dirty_reactor)
    }

    pub fn take_dirty_streams(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.dirty_streams)
    }

    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.state.events)
    }

    pub fn requests(&self) -> Requests {
        self.state.requests
    }

    /// What clients are told from now on: whether they may leave out the instance in a beat, and how often to come.
    pub fn set_pace(&mut self, light_beat: bool, ephemeral_default: bool, pace: Pace) {
        self.state.light_beat = light_beat;
        self.state.ephemeral_default = ephemeral_default;
        self.state.registry.set_pace(pace);
    }

    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    pub fn owner(&self, id: ConnectionId) -> Option<Owner> {
        self.slot(id).map(|slot| self.connections[slot].owner)
    }

    /// gRPC connections that were set up and have sent nothing for that long.
    pub fn idle_connections(&self, now_ms: u64, idle_ms: u64) -> Vec<ConnectionId> {
        let is_idle = |connection: &Connection| {
            connection.client().is_some() && now_ms.saturating_sub(connection.last_active_ms) >= idle_ms
        };
        self.connections.iter().filter(|(_, connection)| is_idle(connection)).map(|(_, c)| c.id).collect()
    }

    /// gRPC connections that were set up, with the ids that their clients know them by.
    pub fn clients(&self) -> impl Iterator<Item = &Client> {
        self.connections.iter().filter_map(|(_, connection)| connection.client())
    }

    /// Closes connections other than set-up gRPC ones that have done nothing for that long: idle keep-alive, half a
    /// request, or nothing at all. Gives how many.
    pub fn close_quiet_connections(&mut self, now_ms: u64, quiet_ms: u64) -> usize {
        let is_quiet = |connection: &Connection| {
            connection.client().is_none()
                && !connection.is_waiting()
                && now_ms.saturating_sub(connection.last_active_ms) >= quiet_ms
        };
        let quiet: Vec<ConnectionId> =
            self.connections.iter().filter(|(_, c)| is_quiet(c)).map(|(_, c)| c.id).collect();
        quiet.iter().for_each(|id| self.close(*id));
        quiet.len()
    }

    /// Lets go of connections whose output has been waiting for that long and whose peers took none of it, and of that
    /// output: also of those that are to be closed behind it. Gives how many.
    pub fn drop_stalled_connections(&mut self, now_ms: u64, stall_ms: u64) -> usize {
        let mut stalled = Vec::new();
        for (_, connection) in &mut self.connections {
            let since_ms = connection.output_since_ms;
            if !connection.output().is_empty() && now_ms.saturating_sub(since_ms) >= stall_ms {
                stalled.push(connection.id);
            }
        }
        for id in &stalled {
            self.with(*id, |connection, _| {
                connection.output().clear();
                connection.is_closing = true;
                connection.is_dirty = false;
            });
        }
        stalled.len()
    }

    // --- who may ----------------------------------------------------------------------------------------------------

    pub fn allow_token(&mut self, token: &str, until_ms: u64) {
        self.state.access.allow(token, until_ms, self.state.now_ms);
    }

    /// Lets a request that went up without authorization go on as an authorized one.
    pub fn proceed(&mut self, id: ConnectionId, call: CallId, now_ms: u64) {
        self.state.now_ms = now_ms;
        self.with(id, |connection, state| connection.proceed(state, call));
    }

    // --- answers ----------------------------------------------------------------------------------------------------

    pub fn reply_http(&mut self, id: ConnectionId, call: CallId, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        self.with(id, |connection, state| connection.reply_http(state, call, status, headers, body));
    }

    /// Begins an answer that comes in parts: `continue_http` follows. False if nobody waits for it.
    pub fn begin_http(&mut self, id: ConnectionId, call: CallId, status: u16, headers: &[(&str, &str)]) -> bool {
        self.with(id, |connection, _| connection.begin_http(call, status, headers)).unwrap_or(false)
    }

    /// The next part of it, or its end; how many bytes of output wait then, which is for the caller to bound. `None` if
    /// nobody waits for it any more.
    pub fn continue_http(&mut self, id: ConnectionId, call: CallId, part: Option<&[u8]>) -> Option<usize> {
        self.with(id, |connection, state| connection.continue_http(state, call, part)).flatten()
    }

    pub fn reply_grpc(&mut self, id: ConnectionId, call: CallId, kind: &str, body: &[u8]) {
        self.with(id, |connection, state| connection.reply_grpc(state, call, kind, body));
    }

    /// Answers a query for a config in the shape of the v1 or the v3 client API; false if the client gets nothing.
    pub fn reply_config(
        &mut self,
        id: ConnectionId,
        call: CallId,
        key: KeyParts<'_>,
        (by_tag, who): (bool, Asker<'_>),
        v3: bool,
    ) -> bool {
        let state = &mut self.state;
        state.body.clear();
        let head = if v3 {
            config_http::write_v3(state, key, by_tag, || who)
        } else {
            config_http::write_v1(state, key, by_tag, || who)
        };
        let Some(head) = head else { return false };
        self.with(id, |connection, state| connection.reply_http_head(state, call, &head));
        true
    }

    /// Answers a hanging 1.x listener; no keys means that nothing has changed.
    pub fn reply_long_poll(&mut self, id: ConnectionId, call: CallId, changed: &[ListenKey]) {
        self.state.body.clear();
        config_http::write_keys(&mut self.state.body, changed.iter());
        let head = if changed.is_empty() { answers::OK_CONFIG } else { answers::OK_LISTENER };
        self.with(id, |connection, state| connection.reply_http_head(state, call, &head));
    }

    // --- stores -----------------------------------------------------------------------------------------------------

    pub fn registry(&self) -> &Registry {
        &self.state.registry
    }

    pub fn registry_mut(&mut self) -> &mut Registry {
        &mut self.state.registry
    }

    pub fn configs(&self) -> &Configs {
        &self.state.configs
    }

    pub fn configs_mut(&mut self) -> &mut Configs {
        &mut self.state.configs
    }

    /// Registers the instances (a JSON array) of a publisher inside the process.
    pub fn register(
        &mut self,
        publisher: ConnectionId,
        service: &ServiceName<'_>,
        instances: &[u8],
        now_ms: u64,
    ) -> Result<(), ApplyError> {
        let inputs: Vec<InstanceInput<'_>> = serde_json::from_slice(instances)?;
        let instances = inputs
            .into_iter()
            .map(|input| input.into_instance(service, true, IdStyle::AsSent))
            .collect::<Result<Vec<_>, _>>()?;
        let publisher = Publisher::Connection(publisher);
        Ok(self.state.registry.publish(&publisher, service.key(), instances, now_ms)?)
    }

    /// Applies a command of the log: registers or removes a persistent instance (JSON).
    pub fn apply_persistent(
        &mut self,
        register: bool,
        service: &ServiceName<'_>,
        instance: &[u8],
        now_ms: u64,
    ) -> Result<(), ApplyError> {
        let input: InstanceInput<'_> = serde_json::from_slice(instance)?;
        let instance = input.into_instance(service, false, IdStyle::AsSent)?;
        let publisher = Publisher::address(&instance.ip, instance.port, false);
        if register {
            self.state.registry.publish(&publisher, service.key(), vec![instance], now_ms)?;
        } else {
            self.state.registry.withdraw(&publisher, service.key(), now_ms);
        }
        Ok(())
    }

    /// While not ready, gRPC answers that the server is starting, and HTTP requests all go up.
    pub fn set_ready(&mut self, ready: bool) {
        self.state.ready = ready;
    }

    // --- inside -----------------------------------------------------------------------------------------------------

    fn slot(&self, id: ConnectionId) -> Option<usize> {
        let slot = (id & u64::from(u32::MAX)) as usize;
        self.connections.get(slot).filter(|connection| connection.id == id).map(|_| slot)
    }

    /// Does something with a connection and notes it for its driver if that left output or its end.
    fn with<T>(&mut self, id: ConnectionId, action: impl FnOnce(&mut Connection, &mut State) -> T) -> Option<T> {
        let slot = self.slot(id)?;
        let connection = &mut self.connections[slot];
        if connection.output().is_empty() {
            connection.output_since_ms = self.state.now_ms;
        }
        let result = action(connection, &mut self.state);
        let input_bytes = connection.input_bytes();
        self.input_bytes = self.input_bytes + input_bytes - connection.counted_bytes;
        connection.counted_bytes = input_bytes;
        if !connection.is_dirty && (!connection.output().is_empty() || connection.wants_close()) {
            connection.is_dirty = true;
            match connection.owner {
                Owner::Reactor(_) => self.dirty_reactor.push(id),
                Owner::Streams => self.dirty_streams.push(id),
            }
        }
        Some(result)
    }
}
