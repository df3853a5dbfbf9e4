//! One client connection: which engine reads its bytes, and how requests and answers pass between engine and router.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;

use super::answers::Head;
use super::event::{ConnectionReady, Event};
use super::grpc::{Acknowledgement, ConnectionSetup, Outcome as GrpcOutcome};
use super::http::{Outcome as HttpOutcome, Standing};
use super::{CallId, ConnectionId, State, grpc, http};
use crate::configs::Labels;
use crate::grpc::payload::Payload;
use crate::grpc::{Grpc, GrpcEvent, Method, Status};
use crate::http1::{Http1, Refusal, Step};
use crate::limits;
use crate::registry::Publisher;

/// The first bytes of HTTP/2 with prior knowledge (RFC 9113 section 3.4); no HTTP/1.1 method is called PRI.
const HTTP2_PREFACE_START: &[u8] = b"PRI ";

const NO_ROOM: Refusal =
    Refusal { status: 503, message: "clients are sending more than there is room for, please try again later" };

/// The label that names the application of a client, and what it is called if there is none.
const APP_LABEL: &str = "AppName";
const APP_UNKNOWN: &str = "unknown";

/// Which driver writes a connection's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The reactor, under this key of its own.
    Reactor(usize),
    Streams,
}

/// What a gRPC connection says of itself, and what the router must know of it.
#[derive(Debug)]
pub struct Client {
    pub connection: ConnectionId,
    /// `<epoch ms>_<remote ip>_<remote port>`, one for each transport (protocol/grpc.md section 2).
    pub connection_id: Box<str>,
    pub is_set_up: bool,
    pub remote_ip: Box<str>,
    pub remote_port: u16,
    /// What the set-up named, for rules that go by address.
    pub(super) said_ip: Box<str>,
    /// Kind and version, as the client has them.
    pub version: Box<str>,
    /// Blank if the client said nothing of it.
    pub(super) app: Box<str>,
    /// What the set-up said of the client, for rules that go by labels.
    pub(super) labels: Arc<Labels>,
}

impl Client {
    pub fn client_ip(&self) -> &str {
        if self.said_ip.is_empty() { &self.remote_ip } else { &self.said_ip }
    }

    /// The application, as its labels name it.
    pub fn app(&self) -> &str {
        if self.app.is_empty() { APP_UNKNOWN } else { &self.app }
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    pub id: ConnectionId,
    pub owner: Owner,
    pub last_active_ms: u64,
    /// Since when output has been waiting and none of it was taken.
    pub output_since_ms: u64,
    /// The driver has been told that there is output.
    pub is_dirty: bool,
    pub is_closing: bool,
    /// `input_bytes` as the hub has last seen it.
    pub counted_bytes: usize,
    remote_ip: Box<str>,
    remote_port: u16,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    /// Too few bytes so far to tell which protocol it is.
    Unknown {
        grpc_only: bool,
        first: Vec<u8>,
        output: Vec<u8>,
    },
    Http(HttpSide),
    Grpc(Box<GrpcSide>),
}

#[derive(Debug)]
struct HttpSide {
    engine: Http1,
    output: Vec<u8>,
    call: CallId,
    waits_for: WaitsFor,
    /// The peer has said that it will send no more.
    has_ended: bool,
}

/// What a connection waits for before it goes on with its next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitsFor {
    Nothing,
    /// The answer, which is being worked on.
    Answer,
    /// A change, which may be long in coming.
    Change,
}

#[derive(Debug)]
struct GrpcSide {
    engine: Grpc,
    client: Client,
    /// The call that pushes go out on.
    stream: Option<CallId>,
    /// Requests that went up without authorization or are not finished, kept so that they can go on.
    held: HashMap<CallId, Bytes>,
}

impl Connection {
    pub fn new(
        id: ConnectionId,
        owner: Owner,
        (remote_ip, remote_port): (&str, u16),
        grpc_only: bool,
        now_ms: u64,
    ) -> Self {
        Self {
            id,
            owner,
            last_active_ms: now_ms,
            output_since_ms: now_ms,
            is_dirty: false,
            is_closing: false,
            counted_bytes: 0,
            remote_ip: remote_ip.into(),
            remote_port,
            engine: Engine::Unknown { grpc_only, first: Vec::new(), output: Vec::new() },
        }
    }

    pub fn feed(&mut self, bytes: &[u8], state: &mut State) {
        if self.is_closing {
            return;
        }
        match &mut self.engine {
            Engine::Unknown { .. } => self.recognise(bytes, state),
            Engine::Http(side) => {
                self.last_active_ms = state.now_ms;
                side.engine.feed(bytes);
                self.drive_http(state);
            }
            Engine::Grpc(side) => {
                side.engine.feed(bytes);
                self.drive_grpc(state);
            }
        }
    }

    /// What the peer has sent that is not answered yet.
    pub fn input_bytes(&self) -> usize {
        match &self.engine {
            Engine::Unknown { first, .. } => first.len(),
            Engine::Http(side) => side.engine.buffered(),
            Engine::Grpc(side) => side.engine.partial_bytes(),
        }
    }

    /// All connections together have sent too much: who is in the middle of something large has to come again.
    pub fn give_up_large(&mut self, state: &mut State) {
        if self.is_waiting() || self.input_bytes() <= limits::INPUT_SMALL_BYTES {
            return;
        }
        if let Engine::Http(side) = &mut self.engine {
            side.engine.refuse(&mut side.output, NO_ROOM);
        }
        self.close(state);
    }

    /// Tells HTTP/1.1 from HTTP/2 with prior knowledge by the first bytes.
    fn recognise(&mut self, bytes: &[u8], state: &mut State) {
        let Engine::Unknown { grpc_only, first, output } = &mut self.engine else { return };
        first.extend_from_slice(bytes);
        let compared = first.len().min(HTTP2_PREFACE_START.len());
        let first = if first[..compared] != HTTP2_PREFACE_START[..compared] {
            if *grpc_only {
                output.extend_from_slice(
                    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain;charset=UTF-8\r\nConnection: close\r\n\
                      Content-Length: 86\r\n\r\nThis port speaks gRPC (HTTP/2 with prior knowledge). HTTP is on the \
                      port 1000 below.\r\n",
                );
                self.is_closing = true;
                return;
            }
            let first = std::mem::take(first);
            self.engine = Engine::Http(HttpSide::new());
            first
        } else if compared == HTTP2_PREFACE_START.len() {
            let first = std::mem::take(first);
            let connection_id = format!("{}_{}_{}", state.now_ms, self.remote_ip, self.remote_port);
            self.engine = Engine::Grpc(Box::new(GrpcSide {
                engine: Grpc::new(),
                client: Client {
                    connection: self.id,
                    connection_id: connection_id.into(),
                    is_set_up: false,
                    remote_ip: self.remote_ip.clone(),
                    remote_port: self.remote_port,
                    said_ip: Box::default(),
                    version: Box::default(),
                    app: Box::default(),
                    labels: Arc::default(),
                },
                stream: None,
                held: HashMap::new(),
            }));
            first
        } else {
            return;
        };
        self.feed(&first, state);
    }

    fn drive_http(&mut self, state: &mut State) {
        let Engine::Http(side) = &mut self.engine else { return };
        while side.waits_for == WaitsFor::Nothing && !side.engine.wants_close() {
            match side.engine.poll(&mut side.output) {
                Step::NeedMore | Step::Refused(_) => break,
                Step::Ready => {
                    side.call = side.call.wrapping_add(1);
                    let outcome =
                        http::route(state, self.id, side.call, &self.remote_ip, &side.engine.request(), Standing::New);
                    side.take(outcome, state);
                }
            }
        }
    }

    fn drive_grpc(&mut self, state: &mut State) {
        let Engine::Grpc(side) = &mut self.engine else { return };
        let mut events = std::mem::take(&mut state.grpc_events);
        loop {
            side.engine.poll(&mut events);
            if events.is_empty() {
                break;
            }
            self.last_active_ms = state.now_ms;
            for event in events.drain(..) {
                match event {
                    GrpcEvent::Message { call, method: Method::Request, message } => {
                        state.requests.grpc += 1;
                        side.answer_request(state, call, &message, false);
                    }
                    GrpcEvent::Message { call, method: Method::BiRequestStream, message } => {
                        side.take_stream_message(state, call, &message);
                    }
                    GrpcEvent::HalfClosed { call } | GrpcEvent::Gone { call } => {
                        side.held.remove(&call);
                        // Whose stream was never set up is let go too; what has gone already is not there to finish.
                        side.engine.finish(call, Status::OK);
                        if side.stream == Some(call) {
                            // The end of the stream is the end of the client (protocol/grpc.md section 2, step 6).
                            side.stream = None;
                            side.engine.go_away();
                            self.is_closing = true;
                        }
                    }
                    GrpcEvent::Closed { .. } => self.is_closing = true,
                }
            }
        }
        state.grpc_events = events;
        if side.engine.is_closed() {
            self.is_closing = true;
        }
    }

    /// The peer will send no more. Whether it still reads cannot be seen (the same FIN comes from `close` and from
    /// `shutdown`), so an answer that is being worked on is still given, as RFC 9112 section 9.6 has it. Nobody who hangs for
    /// half a minute does so half closed: that peer is taken to be gone, as nginx and Go's server do with every request.
    pub fn end_of_input(&mut self, state: &mut State) {
        match &mut self.engine {
            Engine::Http(side) if side.waits_for == WaitsFor::Answer => {
                side.has_ended = true;
                return;
            }
            Engine::Grpc(side) => {
                side.engine.closed_by_peer();
                self.drive_grpc(state);
            }
            _ => {}
        }
        self.is_closing = true;
    }

    /// Ends the connection once its output is written.
    pub fn close(&mut self, state: &mut State) {
        if let Engine::Grpc(side) = &mut self.engine {
            if let Some(stream) = side.stream.take() {
                side.engine.finish(stream, Status::OK);
            }
            side.engine.go_away();
            self.drive_grpc(state);
        }
        self.is_closing = true;
    }

    pub fn reply_http(&mut self, state: &mut State, call: CallId, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let Some(side) = self.answered(call) else { return };
        side.engine.respond(&mut side.output, status, headers, body);
        self.drive_http(state);
    }

    /// Begins an answer that comes in parts. False if nobody waits for it.
    pub fn begin_http(&mut self, call: CallId, status: u16, headers: &[(&str, &str)]) -> bool {
        let Some(side) = self.waiting(call) else { return false };
        side.engine.respond_begin(&mut side.output, status, headers);
        true
    }

    /// The next part of it, or its end; how much output waits then. `None` if nobody waits for it any more.
    pub fn continue_http(&mut self, state: &mut State, call: CallId, part: Option<&[u8]>) -> Option<usize> {
        let side = self.waiting(call)?;
        match part {
            Some(part) => side.engine.respond_part(&mut side.output, part),
            None => {
                side.engine.respond_end(&mut side.output);
                side.waits_for = WaitsFor::Nothing;
                self.drive_http(state);
            }
        }
        Some(self.output().len())
    }

    /// As `reply_http`, with a head of the core's own and the body in `state.body`.
    pub fn reply_http_head(&mut self, state: &mut State, call: CallId, head: &Head) {
        let Some(side) = self.answered(call) else { return };
        side.engine.respond_raw(&mut side.output, head.as_bytes(), &[&state.body]);
        self.drive_http(state);
    }

    /// As `reply_http`, with a head that is written already.
    pub fn reply_raw(&mut self, state: &mut State, call: CallId, head: &[u8], body: &[u8]) {
        let Some(side) = self.answered(call) else { return };
        side.engine.respond_raw(&mut side.output, head, &[body]);
        self.drive_http(state);
    }

    /// What waits for the answer to this call, which comes now.
    fn answered(&mut self, call: CallId) -> Option<&mut HttpSide> {
        let side = self.waiting(call)?;
        side.waits_for = WaitsFor::Nothing;
        Some(side)
    }

    fn waiting(&mut self, call: CallId) -> Option<&mut HttpSide> {
        let Engine::Http(side) = &mut self.engine else { return None };
        (side.waits_for != WaitsFor::Nothing && side.call == call).then_some(side)
    }

    pub fn reply_grpc(&mut self, state: &mut State, call: CallId, kind: &str, body: &[u8]) {
        let Engine::Grpc(side) = &mut self.engine else { return };
        side.held.remove(&call);
        side.engine.reply_payload(call, kind, &[body]);
        self.drive_grpc(state);
    }

    /// Lets a request that went up without authorization go on as an authorized one.
    pub fn proceed(&mut self, state: &mut State, call: CallId) {
        match &mut self.engine {
            Engine::Http(_) => self.route_again(state, call, Standing::Authorized),
            Engine::Grpc(side) => {
                if let Some(message) = side.held.remove(&call) {
                    side.answer_request(state, call, &message, true);
                    self.drive_grpc(state);
                }
            }
            Engine::Unknown { .. } => {}
        }
    }

    /// Handles a misplaced request, whoever is responsible for its address.
    pub fn handle_here(&mut self, state: &mut State, call: CallId) {
        self.route_again(state, call, Standing::Here);
    }

    fn route_again(&mut self, state: &mut State, call: CallId, standing: Standing) {
        let Engine::Http(side) = &mut self.engine else { return };
        if side.waits_for != WaitsFor::Answer || side.call != call {
            return;
        }
        side.waits_for = WaitsFor::Nothing;
        let outcome = http::route(state, self.id, call, &self.remote_ip, &side.engine.request(), standing);
        side.take(outcome, state);
        self.drive_http(state);
    }

    /// Sends a push down the stream; false if there is none.
    pub fn push(&mut self, state: &mut State, kind: &str, body: &[&[u8]]) -> bool {
        let Engine::Grpc(side) = &mut self.engine else { return false };
        let Some(stream) = side.stream else { return false };
        side.engine.send_payload(stream, kind, body);
        self.drive_grpc(state);
        true
    }

    /// Whether it is a gRPC connection that has been set up.
    pub fn client(&self) -> Option<&Client> {
        match &self.engine {
            Engine::Grpc(side) => Some(&side.client).filter(|client| client.is_set_up),
            _ => None,
        }
    }

    pub fn is_grpc(&self) -> bool {
        matches!(self.engine, Engine::Grpc(_))
    }

    /// A request is being answered above.
    pub fn is_waiting(&self) -> bool {
        matches!(&self.engine, Engine::Http(side) if side.waits_for != WaitsFor::Nothing)
    }

    /// The client waits for a change, and would rather be let go than answered once it has gone itself.
    pub fn is_hanging(&self) -> bool {
        matches!(&self.engine, Engine::Http(side) if side.waits_for == WaitsFor::Change)
    }

    pub fn output(&mut self) -> &mut Vec<u8> {
        match &mut self.engine {
            Engine::Unknown { output, .. } => output,
            Engine::Http(side) => &mut side.output,
            Engine::Grpc(side) => side.engine.output(),
        }
    }

    /// Output not yet taken by the driver, flow control's share included.
    pub fn queued_bytes(&mut self) -> usize {
        let queued = match &self.engine {
            Engine::Grpc(side) => side.engine.queued_bytes(),
            _ => 0,
        };
        queued + self.output().len()
    }

    /// Nothing more comes after the output that is waiting.
    pub fn wants_close(&self) -> bool {
        self.is_closing || matches!(&self.engine, Engine::Http(side) if side.wants_close())
    }

    /// Output was taken: the engine may have more that waited for room.
    pub fn output_taken(&mut self, state: &mut State) {
        if let Engine::Grpc(side) = &mut self.engine
            && side.engine.queued_bytes() > 0
        {
            self.drive_grpc(state);
        }
    }

    /// Publications, subscriptions, listeners and watches of the connection go with it.
    pub fn drop_what_it_held(&self, state: &mut State) {
        if self.is_grpc() {
            state.registry.drop_publisher(&Publisher::Connection(self.id), state.now_ms);
            state.registry.drop_subscriber(self.id);
            state.registry.drop_watcher(self.id);
            state.configs.drop_listener(self.id);
            state.configs.drop_watcher(self.id);
        }
    }
}

impl HttpSide {
    fn new() -> Self {
        Self { engine: Http1::new(), output: Vec::new(), call: 0, waits_for: WaitsFor::Nothing, has_ended: false }
    }

    fn wants_close(&self) -> bool {
        match self.waits_for {
            WaitsFor::Nothing => self.has_ended || self.engine.wants_close(),
            WaitsFor::Answer => false,
            WaitsFor::Change => self.has_ended,
        }
    }

    fn take(&mut self, outcome: HttpOutcome, state: &State) {
        match outcome {
            HttpOutcome::Answer(head) => {
                self.engine.respond_raw(&mut self.output, head.as_bytes(), &[&state.body]);
            }
            HttpOutcome::HandedUp => self.waits_for = WaitsFor::Answer,
            HttpOutcome::Hanging => self.waits_for = WaitsFor::Change,
        }
    }
}

impl GrpcSide {
    fn answer_request(&mut self, state: &mut State, call: CallId, message: &Bytes, authorized: bool) {
        match grpc::route(state, &self.client, call, message, authorized) {
            GrpcOutcome::Answer(kind) => self.engine.reply_payload(call, kind, &[&state.body]),
            GrpcOutcome::HandedUp => {
                if state.access.required() && !authorized {
                    self.held.insert(call, message.clone());
                }
            }
            GrpcOutcome::Unfinished => {
                self.held.insert(call, message.clone());
                state.unfinished.push_back((self.client.connection, call));
            }
        }
    }

    fn take_stream_message(&mut self, state: &mut State, call: CallId, message: &Bytes) {
        let Ok(payload) = Payload::decode(message) else { return };
        if payload.kind == "ConnectionSetupRequest" {
            self.set_up(state, call, &payload);
        } else if payload.kind.ends_with("Response") {
            let Ok(answer) = serde_json::from_slice::<Acknowledgement<'_>>(payload.body) else { return };
            let request_id = answer.request_id.as_deref().and_then(|id| id.parse().ok());
            if let Some(request_id) = request_id {
                state.events.push(Event::PushAcknowledged {
                    connection: self.client.connection,
                    request_id,
                    succeeded: answer.result_code == Some(200),
                });
            }
        }
    }

    /// Registers at once: clients send their first request right after this message (protocol/grpc.md section 2).
    fn set_up(&mut self, state: &mut State, call: CallId, payload: &Payload<'_>) {
        let setup: ConnectionSetup<'_> = serde_json::from_slice(payload.body).unwrap_or_default();
        self.stream = Some(call);
        self.client.is_set_up = true;
        self.client.said_ip = payload.client_ip.into();
        let labels = setup.labels.unwrap_or_default();
        self.client.version = setup.client_version.as_deref().unwrap_or_default().into();
        self.client.app = labels.get(APP_LABEL).and_then(Option::as_deref).unwrap_or_default().into();
        let told = labels.iter().filter_map(|(name, value)| Some((name.as_ref(), value.as_deref()?)));
        self.client.labels = Arc::new(Labels::new(told));
        state.events.push(Event::ConnectionReady(ConnectionReady {
            connection: self.client.connection,
            connection_id: self.client.connection_id.to_string(),
            client_ip: self.client.client_ip().to_owned(),
            client_version: setup.client_version.unwrap_or_default().into_owned(),
            namespace: setup.tenant.unwrap_or_default().into_owned(),
            labels: labels
                .into_iter()
                .filter_map(|(name, value)| value.map(|value| (name.into_owned(), value.into_owned())))
                .collect(),
        }));
        if setup.ability_table.is_some() {
            let body = [b"{\"headers\":{},\"abilityTable\":", state.abilities.as_bytes(), b",\"module\":\"internal\"}"];
            self.engine.send_payload(call, "SetupAckRequest", &body);
        }
    }
}
