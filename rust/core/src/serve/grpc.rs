//! The gRPC router: one unary request in, one answer out or an event up (protocol/grpc.md sections 1 to 3).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::access::bearer;
use super::answers::json_string;
use super::event::{Event, GrpcRequest, Watchable};
use super::text::Text;
use super::{CallId, Client, State, config_grpc, fuzzy_grpc, naming_grpc};
use crate::configs::Asker;
use crate::grpc::payload::Payload;

/// What became of a request. The answer's JSON is left in `State::body`.
#[derive(Debug)]
pub enum Outcome {
    /// The type of the answer.
    Answer(&'static str),
    HandedUp,
    /// To be routed again: there is more to be looked through than others may wait for.
    Unfinished,
}

/// Codes of protocol/grpc.md section 1.2.
pub const INVALID_SERVER_STATUS: u32 = 300;
pub const UNREGISTERED: u32 = 301;
pub const INVALID_PARAMETER: u32 = 400;
pub const BAD_PAYLOAD: u32 = 502;
const OK: u32 = 200;
const FAIL: u32 = 500;

/// One unary request of a connection.
pub(super) struct Call<'a> {
    pub client: &'a Client,
    pub call: CallId,
    pub payload: &'a Payload<'a>,
}

pub(super) fn route(state: &mut State, client: &Client, call: CallId, message: &Bytes, authorized: bool) -> Outcome {
    state.body.clear();
    let payload = match Payload::decode(message) {
        Ok(payload) => payload,
        Err(error) => return error_response(state, FAIL, BAD_PAYLOAD, &error.to_string()),
    };
    let call = Call { client, call, payload: &payload };
    if !state.ready {
        return error_response(state, FAIL, INVALID_SERVER_STATUS, "Server is starting, try again later.");
    }
    if payload.kind == "ServerCheckRequest" {
        return server_check(state, &call);
    }
    if !client.is_set_up {
        // A channel that has come back by itself, as after a restart, first asks whether it is alive. Go and Python take
        // every code from 300 to 399 for a server that is starting, and Python 2.x would then never set up again.
        let code = if payload.kind == "HealthCheckRequest" { FAIL } else { UNREGISTERED };
        return error_response(state, FAIL, code, "Connection is unregistered.");
    }
    if payload.kind == "HealthCheckRequest" {
        return health_check(state, &call);
    }
    let authorized = authorized || passes(state, &payload);
    if authorized {
        if let Some(outcome) = held(state, &call) {
            return outcome;
        }
        state.body.clear();
    }
    hand_up(state, &call, message, authorized);
    Outcome::HandedUp
}

/// The requests that the core answers itself; `None` if it has to go up after all.
fn held(state: &mut State, call: &Call<'_>) -> Option<Outcome> {
    match call.payload.kind {
        "InstanceRequest" => Some(naming_grpc::instance(state, call)),
        "BatchInstanceRequest" => Some(naming_grpc::batch_instance(state, call)),
        "PersistentInstanceRequest" => Some(naming_grpc::persistent_instance(state, call)),
        "SubscribeServiceRequest" => Some(naming_grpc::subscribe_service(state, call)),
        "ServiceQueryRequest" => Some(naming_grpc::service_query(state, call)),
        "ServiceListRequest" => Some(naming_grpc::service_list(state, call)),
        "NamingFuzzyWatchRequest" => Some(fuzzy_grpc::fuzzy_watch(state, call, Watchable::Services)),
        "ConfigFuzzyWatchRequest" => Some(fuzzy_grpc::fuzzy_watch(state, call, Watchable::Configs)),
        "ConfigQueryRequest" => config_grpc::query(state, call),
        "ConfigBatchListenRequest" => Some(config_grpc::batch_listen(state, call)),
        _ => None,
    }
}

fn passes(state: &State, payload: &Payload<'_>) -> bool {
    if !state.access.required() {
        return true;
    }
    let token = payload.header("accessToken").or_else(|| payload.header("Authorization").and_then(bearer));
    state.access.passes(token, state.now_ms)
}

fn hand_up(state: &mut State, call: &Call<'_>, message: &Bytes, authorized: bool) {
    let payload = call.payload;
    let client = call.client;
    state.events.push(Event::Grpc(GrpcRequest {
        connection: client.connection,
        call: call.call,
        connection_id: client.connection_id.to_string(),
        kind: payload.kind.to_owned(),
        headers: payload.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: message.slice_ref(payload.body),
        client_ip: if payload.client_ip.is_empty() { client.client_ip() } else { payload.client_ip }.to_owned(),
        remote_ip: client.remote_ip.to_string(),
        authorized,
    }));
}

/// The tag that a client has, in the headers of a request or in what it said of itself.
const TAG: &str = "Vipserver-Tag";

impl Call<'_> {
    /// What the rules of gray releases may look at.
    pub fn asker(&self) -> Asker<'_> {
        let tag = self.payload.header(TAG).or_else(|| self.client.labels.get(TAG)).filter(|tag| !tag.is_empty());
        Asker { ip: self.client.client_ip(), tag, labels: Some(&self.client.labels) }
    }
}

/// A request of which only the id matters.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Plain<'a> {
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
}

fn server_check(state: &mut State, call: &Call<'_>) -> Outcome {
    let request: Plain<'_> = serde_json::from_slice(call.payload.body).unwrap_or_default();
    open_ok(&mut state.body, request.request_id.as_deref(), None);
    state.body.extend_from_slice(b",\"connectionId\":");
    json_string(&mut state.body, &call.client.connection_id);
    state.body.extend_from_slice(b",\"supportAbilityNegotiation\":true");
    close_ok(&mut state.body);
    Outcome::Answer("ServerCheckResponse")
}

fn health_check(state: &mut State, call: &Call<'_>) -> Outcome {
    let request: Plain<'_> = serde_json::from_slice(call.payload.body).unwrap_or_default();
    open_ok(&mut state.body, request.request_id.as_deref(), None);
    close_ok(&mut state.body);
    Outcome::Answer("HealthCheckResponse")
}

/// What a client says of itself first on its stream (protocol/grpc.md section 2).
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ConnectionSetup<'a> {
    #[serde(borrow)]
    pub client_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub tenant: Option<Text<'a>>,
    #[serde(borrow)]
    pub labels: Option<BTreeMap<Text<'a>, Option<Text<'a>>>>,
    /// Only whether it is there matters: clients that send it wait for the server's.
    pub ability_table: Option<serde::de::IgnoredAny>,
}

/// An answer of a client to a push. Only the result code counts: Go's `success` is not set (section 2.2).
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Acknowledgement<'a> {
    #[serde(borrow)]
    pub request_id: Option<Text<'a>>,
    pub result_code: Option<u32>,
}

/// `{"resultCode":200,"errorCode":0[,"message":..][,"requestId":..]`; finish with `close_ok`.
pub(super) fn open_ok(body: &mut Vec<u8>, request_id: Option<&str>, message: Option<&str>) {
    body.extend_from_slice(b"{\"resultCode\":200,\"errorCode\":0");
    if let Some(message) = message {
        body.extend_from_slice(b",\"message\":");
        json_string(body, message);
    }
    if let Some(request_id) = request_id {
        body.extend_from_slice(b",\"requestId\":");
        json_string(body, request_id);
    }
}

pub(super) fn close_ok(body: &mut Vec<u8>) {
    body.extend_from_slice(b",\"success\":true}");
}

/// A failure in the answer type of the request itself.
pub(super) fn failure(state: &mut State, kind: &'static str, error_code: u32, message: &str) -> Outcome {
    write_failure(&mut state.body, FAIL, error_code, message);
    Outcome::Answer(kind)
}

/// A failure outside a handler (protocol/grpc.md section 1.2, last paragraph).
pub(super) fn error_response(state: &mut State, result_code: u32, error_code: u32, message: &str) -> Outcome {
    write_failure(&mut state.body, result_code, error_code, message);
    Outcome::Answer("ErrorResponse")
}

/// What a body that is no JSON of the request's type gets (protocol/answers, "malformed JSON").
/// Reads the body of a request; `None` if it is no JSON object of this shape.
pub(super) fn read<'a, T: Deserialize<'a>>(call: &Call<'a>) -> Option<T> {
    let body = call.payload.body;
    // serde takes an array for the fields in their order too, which the protocol does not know.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    // One look at the whole is cheaper than one at each text.
    serde_json::from_str(std::str::from_utf8(body).ok()?).ok()
}

pub(super) fn malformed(state: &mut State) -> Outcome {
    error_response(state, FAIL, BAD_PAYLOAD, "errCode: 101, errMsg: Nacos deserialize failed.  ")
}

fn write_failure(body: &mut Vec<u8>, result_code: u32, error_code: u32, message: &str) {
    debug_assert_ne!(result_code, OK);
    body.clear();
    body.extend_from_slice(b"{\"resultCode\":");
    body.extend_from_slice(itoa::Buffer::new().format(result_code).as_bytes());
    body.extend_from_slice(b",\"errorCode\":");
    body.extend_from_slice(itoa::Buffer::new().format(error_code).as_bytes());
    body.extend_from_slice(b",\"message\":");
    json_string(body, message);
    body.extend_from_slice(b",\"success\":false}");
}
