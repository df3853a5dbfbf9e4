//! The HTTP router: which requests the core answers from what it holds, and which it hands up.
//!
//! Paths and answers: protocol/http.md sections 2, 3 and 6.1.

use bytes::Bytes;

use super::access::bearer;
use super::answers::{self, Head};
use super::event::{Event, HttpRequest};
use super::{CallId, ConnectionId, State, config_http, naming_http};
use crate::configs::Asker;
use crate::http1::{Params, Request};

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// Answer now, with this head and what is in `State::body`.
    Answer(Head),
    /// An event was noted; the answer comes later.
    HandedUp,
    /// As `HandedUp`, by a client that waits for something to change, however long.
    Hanging,
}

/// What was decided of a request before it is routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing yet.
    New,
    /// Its sender may.
    Authorized,
    /// So it may, and this node handles it, whoever is responsible for the address that it is about.
    Here,
}

/// One request with all that a route may need.
pub(super) struct Call<'a> {
    pub connection: ConnectionId,
    pub call: CallId,
    pub remote_ip: &'a str,
    pub request: &'a Request<'a>,
    pub parameters: &'a Params<'a>,
    pub standing: Standing,
}

impl<'a> Call<'a> {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).filter(|value| !value.is_empty())
    }

    /// What the rules of gray releases may look at. A tag that is asked for comes before the one that the client has.
    pub fn asker(&self) -> Asker<'_> {
        let tag = self.get("tag").or_else(|| self.request.header("vipserver-tag")).filter(|tag| !tag.is_empty());
        Asker { ip: self.client_ip(), tag, labels: None }
    }

    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |value| value.eq_ignore_ascii_case("true"))
    }

    /// Proxies name the client first (protocol/http.md section 1).
    pub fn client_ip(&self) -> &str {
        client_ip(self.request).unwrap_or(self.remote_ip)
    }
}

/// Answers the request or notes an event for it. The answer's body is left in `state.body`.
pub(super) fn route(
    state: &mut State,
    connection: ConnectionId,
    call: CallId,
    remote_ip: &str,
    request: &Request<'_>,
    standing: Standing,
) -> Outcome {
    state.body.clear();
    state.requests.http += u64::from(standing == Standing::New);
    let parameters = match request.params() {
        Ok(parameters) => parameters,
        Err(error) => {
            state.body.extend_from_slice(error.to_string().as_bytes());
            return Outcome::Answer(answers::BAD_REQUEST_TEXT);
        }
    };
    let call = Call { connection, call, remote_ip, request, parameters: &parameters, standing };
    let authorized = standing != Standing::New || passes(state, &call);
    if authorized && state.ready && !state.retired.has(request.method, request.path) {
        if let Some(outcome) = held(state, &call) {
            return outcome;
        }
        state.body.clear();
    }
    hand_up(state, &call, authorized);
    Outcome::HandedUp
}

/// The requests that the core answers itself; `None` if it has to go up after all.
fn held(state: &mut State, call: &Call<'_>) -> Option<Outcome> {
    let path = call.request.path.strip_prefix("/nacos/")?;
    match (call.request.method, path) {
        ("GET", "v1/ns/instance/list") => Some(naming_http::list_v1(state, call)),
        ("GET", "v1/ns/service/list") => Some(naming_http::service_list(state, call)),
        ("GET", "v2/ns/instance/list") => Some(naming_http::list_v2(state, call)),
        ("GET", "v3/client/ns/instance/list") => Some(naming_http::list_v3(state, call)),
        ("GET", "v1/cs/configs") => config_http::get_v1(state, call),
        ("POST", "v1/cs/configs/listener") => Some(config_http::listen(state, call)),
        ("GET", "v3/client/cs/config") => config_http::get_v3(state, call),
        _ => of_address(state, call),
    }
}

/// Those by which an address publishes itself; `None` if it is none of them.
pub(super) fn of_address(state: &mut State, call: &Call<'_>) -> Option<Outcome> {
    let path = call.request.path.strip_prefix("/nacos/")?;
    match (call.request.method, path) {
        ("PUT", "v1/ns/instance/beat" | "v2/ns/instance/beat") => Some(naming_http::beat(state, call)),
        ("POST", "v1/ns/instance") => Some(naming_http::register_v1(state, call)),
        ("DELETE", "v1/ns/instance") => Some(naming_http::deregister_v1(state, call)),
        ("POST", "v2/ns/instance") => Some(naming_http::register_v2(state, call)),
        ("DELETE", "v2/ns/instance") => Some(naming_http::deregister_v3(state, call)),
        // The administrator's differ by who may use them, not by what they do.
        ("POST", "v3/client/ns/instance" | "v3/admin/ns/instance") => Some(naming_http::register_v3(state, call)),
        ("DELETE", "v3/client/ns/instance" | "v3/admin/ns/instance") => Some(naming_http::deregister_v3(state, call)),
        _ => None,
    }
}

fn passes(state: &State, call: &Call<'_>) -> bool {
    if !state.access.required() {
        return true;
    }
    let token = call
        .request
        .header("accesstoken")
        .or_else(|| call.get("accessToken"))
        .or_else(|| call.request.header("authorization").and_then(bearer));
    state.access.passes(token, state.now_ms)
}

fn hand_up(state: &mut State, call: &Call<'_>, authorized: bool) {
    let request = call.request;
    state.events.push(Event::Http(HttpRequest {
        connection: call.connection,
        call: call.call,
        method: request.method.to_owned(),
        path: request.path.to_owned(),
        parameters: call.parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        headers: request
            .headers()
            .map(|(name, value)| (name.to_ascii_lowercase(), String::from_utf8_lossy(value).into_owned()))
            .collect(),
        body: if request.is_form() { Bytes::new() } else { Bytes::copy_from_slice(request.body) },
        client_ip: call.client_ip().to_owned(),
        remote_ip: call.remote_ip.to_owned(),
        authorized,
    }));
}

fn client_ip<'a>(request: &Request<'a>) -> Option<&'a str> {
    let forwarded = request.header("x-forwarded-for").and_then(|list| list.split(',').next());
    forwarded.or_else(|| request.header("x-real-ip")).map(str::trim).filter(|ip| !ip.is_empty())
}
