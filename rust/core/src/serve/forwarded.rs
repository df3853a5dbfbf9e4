//! Requests of addresses that another member of the cluster handles. They go there as the HTTP requests that they are,
//! with all parameters in a form, and the whole answer comes back.

use memchr::memmem;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use super::event::{Event, Misplaced};
use super::http::{self, Call, Outcome, Standing};
use super::{CallId, ConnectionId, Hub, State};
use crate::http1::{Http1, Refusal, Step};
use crate::limits;

/// Parameters that say who asks, which has been decided: they do not leave the node that they were given to.
const CREDENTIALS: [&str; 3] = ["accessToken", "username", "password"];
const LENGTH_LINE: &[u8] = b"\r\nContent-Length: ";

/// Why a forwarded request, or the answer to one, is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    #[error("a forwarded request cannot be read: {0}")]
    Refused(#[from] Refusal),
    #[error("a forwarded request must be one whole HTTP request of at most {} bytes", limits::FORWARDED_BYTES_MAX)]
    Length,
    #[error("only ephemeral registrations, beats and deregistrations over HTTP are forwarded")]
    Kind,
    #[error("the answer to a forwarded request is no HTTP answer as nodes give it")]
    Answer,
}

/// Notes that the request belongs to another member, and gives true; false if it is to be handled here.
pub(super) fn is_misplaced(state: &mut State, call: &Call<'_>, ip: &str, port: u16) -> bool {
    // What surrounds an address is no part of it, whichever way it came.
    let Some(node_id) = state.registry.responsible(ip.trim(), port) else { return false };
    if call.standing == Standing::Here {
        return false;
    }
    let Some(request) = encode(call) else { return false };
    state.events.push(Event::Misplaced(Misplaced {
        connection: call.connection,
        call: call.call,
        node_id: node_id.to_owned(),
        request,
        remote_ip: call.remote_ip.to_owned(),
    }));
    true
}

/// The request as another node takes it; `None` if it is too long to be worth the way.
fn encode(call: &Call<'_>) -> Option<Vec<u8>> {
    let mut form = String::new();
    for (name, value) in call.parameters.iter().filter(|(name, _)| !CREDENTIALS.contains(name)) {
        if !form.is_empty() {
            form.push('&');
        }
        form.extend(percent_encode(name.as_bytes(), NON_ALPHANUMERIC));
        form.push('=');
        form.extend(percent_encode(value.as_bytes(), NON_ALPHANUMERIC));
        if form.len() > limits::FORWARDED_BYTES_MAX {
            return None;
        }
    }
    let (method, path, length) = (call.request.method, call.request.path, form.len());
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: node\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n{form}"
    );
    (request.len() <= limits::FORWARDED_BYTES_MAX).then(|| request.into_bytes())
}

impl Hub {
    /// Handles a request that another node forwarded, here and now and whoever is responsible for its address; that
    /// node has authorized it. Gives the whole HTTP answer, as `reply_raw` takes it.
    ///
    /// # Errors
    /// It is none that nodes forward; nothing has changed then.
    pub fn serve_forwarded(&mut self, request: &[u8], remote_ip: &str, now_ms: u64) -> Result<Vec<u8>, ForwardError> {
        if request.len() > limits::FORWARDED_BYTES_MAX {
            return Err(ForwardError::Length);
        }
        let (mut engine, mut answer) = (Http1::new(), Vec::new());
        engine.feed(request);
        match engine.poll(&mut answer) {
            Step::Ready if engine.is_last() => {}
            Step::Ready | Step::NeedMore => return Err(ForwardError::Length),
            Step::Refused(refusal) => return Err(refusal.into()),
        }
        let state = &mut self.state;
        state.now_ms = now_ms;
        state.body.clear();
        let head = {
            let request = engine.request();
            let parameters = request.params().map_err(|_| ForwardError::Kind)?;
            // No connection has the id 0, so that nothing can be answered by it.
            let (connection, call, standing) = (0, 0, Standing::Here);
            let call = Call { connection, call, remote_ip, request: &request, parameters: &parameters, standing };
            let events_count = state.events.len();
            let outcome = http::of_address(state, &call).ok_or(ForwardError::Kind)?;
            let Outcome::Answer(head) = outcome else {
                state.events.truncate(events_count);
                return Err(ForwardError::Kind);
            };
            head
        };
        engine.respond_raw(&mut answer, head.as_bytes(), &[&state.body]);
        Ok(answer)
    }

    /// Handles a misplaced request here after all.
    pub fn handle_here(&mut self, id: ConnectionId, call: CallId, now_ms: u64) {
        self.state.now_ms = now_ms;
        self.with(id, |connection, state| connection.handle_here(state, call));
    }

    /// Gives a client what `serve_forwarded` answered at another node.
    ///
    /// # Errors
    /// It is no such answer; the client still waits.
    pub fn reply_raw(&mut self, id: ConnectionId, call: CallId, answer: &[u8]) -> Result<(), ForwardError> {
        let (head, body) = split(answer).ok_or(ForwardError::Answer)?;
        self.with(id, |connection, state| connection.reply_raw(state, call, head, body));
        Ok(())
    }
}

/// Head and body of an answer as nodes write it: Content-Length is the last line of the head, and left out of it here
/// because the client's own connection has its say in what follows.
fn split(answer: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memmem::find(answer, b"\r\n\r\n")?;
    let body = &answer[end + 4..];
    let head = &answer[..end];
    let length_at = memmem::rfind(head, LENGTH_LINE)?;
    let (head, length) = (&answer[..length_at + 2], &head[length_at + LENGTH_LINE.len()..]);
    let is_whole = length == itoa::Buffer::new().format(body.len()).as_bytes();
    (is_whole && is_head(std::str::from_utf8(head).ok()?)).then_some((head, body))
}

/// Whether these are a status line and headers that say nothing of the framing.
fn is_head(head: &str) -> bool {
    let Some(lines) = head.strip_suffix("\r\n") else { return false };
    let mut lines = lines.split("\r\n");
    let is_status = |line: &str| {
        let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split_once(' ')).map(|(code, _)| code);
        let code = code.filter(|code| code.len() == 3).and_then(|code| code.parse::<u16>().ok());
        code.is_some_and(|code| (200..600).contains(&code) && !matches!(code, 204 | 304))
    };
    let is_header = |line: &str| {
        line.split_once(": ").is_some_and(|(name, _)| {
            let framing = ["content-length", "transfer-encoding", "connection"];
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            is_name && !framing.iter().any(|other| name.eq_ignore_ascii_case(other))
        })
    };
    let has_control = |line: &str| line.bytes().any(|byte| byte.is_ascii_control());
    lines.next().is_some_and(|line| is_status(line) && !has_control(line))
        && lines.all(|line| is_header(line) && !has_control(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::KeyParts;
    use crate::serve::tests::{INSTANCE, ask, body, hub, open, post, status, text};
    use proptest::prelude::*;

    const BEAT: &str = "/nacos/v1/ns/instance/beat";
    const V3: &str = "/nacos/v3/client/ns/instance";
    const ADMIN: &str = "/nacos/v3/admin/ns/instance";
    const SERVICE: KeyParts<'_> = ("public", "DEFAULT_GROUP", "orders");

    /// The hubs of members a and b, and an address (as parameters) that b is responsible for.
    fn pair() -> (Hub, Hub, String) {
        let [a, b] = ["a", "b"].map(|id| {
            let mut hub = hub(false);
            hub.registry_mut().set_members(id, ["a", "b"]);
            hub
        });
        let port = (1..).find(|port| !a.registry().is_responsible("10.1.1.1", *port)).expect("half of them");
        assert!(b.registry().is_responsible("10.1.1.1", port));
        (a, b, format!("serviceName=orders&ip=10.1.1.1&port={port}"))
    }

    fn misplaced(hub: &mut Hub) -> Misplaced {
        match hub.take_events().pop() {
            Some(Event::Misplaced(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    /// Asks a, has b answer, and checks that the client gets what it would get from b itself.
    fn through(a: &mut Hub, b: &mut Hub, request: &str) -> String {
        let id = open(a);
        assert_eq!(ask(a, id, request), "", "it waits for the other node: {request}");
        let event = misplaced(a);
        assert_eq!((event.connection, event.node_id.as_str(), event.remote_ip.as_str()), (id, "b", "10.0.0.9"));
        let answer = b.serve_forwarded(&event.request, &event.remote_ip, 2_000).expect("served");
        assert!(b.take_events().is_empty());
        a.reply_raw(id, event.call, &answer).expect("an answer");
        let answer = text(a, id);
        let there = open(b);
        assert_eq!(ask(b, there, request), answer);
        answer
    }

    fn count(hub: &Hub) -> usize {
        hub.registry().counts().instances
    }

    #[test]
    fn what_an_address_says_goes_to_its_member_and_the_answer_is_the_same() {
        let (mut a, mut b, address) = pair();
        let light = post("PUT", &format!("{BEAT}?{address}"), "");
        assert!(body(&through(&mut a, &mut b, &light)).contains("20404"));
        assert!(
            body(&through(&mut a, &mut b, &post("POST", V3, &format!("{address}&heartBeat=true")))).contains("21003")
        );
        for (path, ok) in [(INSTANCE, "ok"), (V3, r#"{"code":0,"message":"success","data":"ok"}"#), (ADMIN, "success")]
        {
            assert!(body(&through(&mut a, &mut b, &post("POST", path, &address))).contains(ok));
            assert_eq!((count(&a), count(&b)), (0, 1), "{path}");
            assert!(body(&through(&mut a, &mut b, &light)).contains("10200"));
            assert!(body(&through(&mut a, &mut b, &post("DELETE", path, &address))).contains(ok));
            assert_eq!(count(&b), 0, "{path}");
        }
        let (_, port) = address.rsplit_once('=').expect("the port");
        let full = format!("serviceName=orders&beat=%7B%22ip%22%3A%2210.1.1.1%22%2C%22port%22%3A{port}%7D");
        assert!(body(&through(&mut a, &mut b, &post("PUT", BEAT, &full))).contains("10200"));
        assert_eq!((count(&a), count(&b)), (0, 1));
        let wrong = full.replace("%7D", "%2C%22weight%22%3A-1%7D").replace("orders", "others");
        assert_eq!(status(&through(&mut a, &mut b, &post("PUT", BEAT, &wrong))), "400");
    }

    #[test]
    fn what_is_wrong_and_what_is_persistent_and_what_is_ours_goes_nowhere() {
        let (mut a, _, address) = pair();
        let id = open(&mut a);
        for (method, path, more) in [
            ("POST", INSTANCE, "&weight=x"),
            ("POST", V3, "&clusterName=a%2Cb"),
            ("POST", V3, "&metadata=%7Bbad"),
            ("PUT", BEAT, "&beat=%7B"),
            ("DELETE", INSTANCE, "&namespaceId=a%2Fb"),
        ] {
            assert_eq!(
                status(&ask(&mut a, id, &post(method, path, &format!("{address}{more}")))),
                "400",
                "{path} {more}"
            );
        }
        assert!(a.take_events().is_empty());
        assert_eq!(ask(&mut a, id, &post("POST", INSTANCE, &format!("{address}&ephemeral=false"))), "");
        assert!(matches!(a.take_events().as_slice(), [Event::Persistent(_)]));
        let id = open(&mut a);
        let port = (1..).find(|port| a.registry().is_responsible("10.1.1.1", *port)).expect("half of them");
        let ours = format!("serviceName=orders&ip=10.1.1.1&port={port}");
        assert_eq!(body(&ask(&mut a, id, &post("POST", INSTANCE, &ours))), "ok");
    }

    #[test]
    fn a_misplaced_request_can_be_handled_here_after_all_and_the_next_one_follows() {
        let (mut a, _, address) = pair();
        let id = open(&mut a);
        let register = post("POST", INSTANCE, &address);
        assert_eq!(ask(&mut a, id, &format!("{register}{}", post("PUT", BEAT, &address))), "");
        let event = misplaced(&mut a);
        a.handle_here(id, event.call + 1, 2_000);
        assert_eq!(text(&mut a, id), "", "that is another call");
        a.handle_here(id, event.call, 2_000);
        assert_eq!(body(&text(&mut a, id)), "ok");
        assert_eq!(count(&a), 1);
        let event = misplaced(&mut a);
        a.handle_here(id, event.call, 2_000);
        assert!(body(&text(&mut a, id)).contains("10200"));
        a.handle_here(id, event.call, 2_000);
        assert!(a.take_events().is_empty() && text(&mut a, id).is_empty(), "it was answered");
    }

    #[test]
    fn an_address_is_the_same_one_in_whatever_shape_it_comes() {
        let (mut a, mut b, address) = pair();
        let spaced = address.replace("10.1.1.1", "+10.1.1.1+");
        assert_eq!(body(&through(&mut a, &mut b, &post("POST", INSTANCE, &spaced))), "ok");
        let (query, form) = (format!("{INSTANCE}?ip=10.1.1.1"), address.replace("10.1.1.1", "10.9.9.9"));
        assert_eq!(body(&through(&mut a, &mut b, &post("DELETE", &query, &form))), "ok");
        assert_eq!(count(&b), 0, "the query counts before the form");
        let more = format!("{address}&metadata=%7B%22k%26%3D%22%3A%22v+%2B%C3%A9%22%7D&groupName=g");
        through(&mut a, &mut b, &post("POST", INSTANCE, &more));
        let listed = |hub: &mut Hub| {
            let id = open(hub);
            ask(hub, id, "GET /nacos/v1/ns/instance/list?serviceName=g%40%40orders HTTP/1.1\r\nHost: h\r\n\r\n")
        };
        assert!(listed(&mut b).contains(r#""k&=":"v +é""#), "{}", listed(&mut b));
    }

    #[test]
    fn who_asks_is_decided_where_it_is_asked() {
        let (mut a, mut b, address) = (hub(true), hub(true), pair().2);
        a.registry_mut().set_members("a", ["b"]);
        a.allow_token("good", 5_000);
        let id = open(&mut a);
        assert_eq!(ask(&mut a, id, &post("POST", INSTANCE, &address)), "");
        let events = a.take_events();
        let [Event::Http(request)] = events.as_slice() else { panic!("{events:?}") };
        a.proceed(id, request.call, 2_000);
        assert_eq!(misplaced(&mut a).node_id, "b");
        let id = open(&mut a);
        let secrets = "accessToken=good&username=nacos&password=secret";
        assert_eq!(ask(&mut a, id, &post("POST", INSTANCE, &format!("{secrets}&{address}"))), "");
        let event = misplaced(&mut a);
        let sent = String::from_utf8(event.request.clone()).expect("text");
        assert!(["good", "nacos&", "secret"].iter().all(|text| !sent.contains(text)), "{sent}");
        assert_eq!(body(&text_of(b.serve_forwarded(&event.request, "10.0.0.9", 2_000))), "ok");
        assert_eq!(count(&b), 1);
    }

    #[test]
    fn a_padded_request_is_handled_where_it_is() {
        let (mut a, _, address) = pair();
        let id = open(&mut a);
        for (pad, is_here) in [(30_000, false), (limits::FORWARDED_BYTES_MAX, true)] {
            let answer = ask(&mut a, id, &post("POST", INSTANCE, &format!("{address}&pad={}", "x".repeat(pad))));
            assert_eq!(body(&answer) == "ok", is_here);
            a.take_events().iter().for_each(|_| a.handle_here(id, 1, 2_000));
            text(&mut a, id);
        }
    }

    fn text_of(answer: Result<Vec<u8>, ForwardError>) -> String {
        String::from_utf8(answer.expect("served")).expect("text")
    }

    #[test]
    fn nothing_but_whole_requests_of_addresses_is_served() {
        let mut hub = hub(false);
        let address = "serviceName=orders&ip=10.1.1.1&port=80";
        let good = post("POST", INSTANCE, address);
        let list = good.replace("POST /nacos/v1/ns/instance", "GET /nacos/v1/ns/instance/list");
        let config = post("POST", "/nacos/v1/cs/configs", "dataId=a&group=b&content=c");
        for bad in [
            String::new(),
            "nonsense\r\n\r\n".to_owned(),
            good[..good.len() - 1].to_owned(),
            format!("{good}\r\n"),
            format!("{good}{good}"),
            format!("{good}&{}", "x".repeat(limits::FORWARDED_BYTES_MAX)),
            list,
            config,
            good.replace("/v1/", "/v4/"),
            good.replace("ip=", "i%zz="),
            post("PUT", INSTANCE, address),
            post("POST", INSTANCE, &format!("{address}&ephemeral=false")),
            post("DELETE", V3, &format!("{address}&ephemeral=false")),
        ] {
            assert!(hub.serve_forwarded(bad.as_bytes(), "10.0.0.9", 2_000).is_err(), "{bad}");
        }
        assert!(hub.take_events().is_empty());
        assert_eq!((count(&hub), hub.registry().service_digest(SERVICE)), (0, None));
        hub.registry_mut().set_members("a", ["b", "c", "d", "e", "f", "g", "h"]);
        assert_eq!(body(&text_of(hub.serve_forwarded(good.as_bytes(), "10.0.0.9", 2_000))), "ok");
        assert_eq!((count(&hub), hub.take_events().len()), (1, 0), "whoever is responsible");
        let wrong = post("POST", INSTANCE, &format!("{address}&weight=x"));
        assert_eq!(status(&text_of(hub.serve_forwarded(wrong.as_bytes(), "10.0.0.9", 2_000))), "400");
    }

    #[test]
    fn only_what_nodes_answer_is_given_to_a_client() {
        let (mut a, mut b, address) = pair();
        let id = open(&mut a);
        assert_eq!(ask(&mut a, id, &post("POST", INSTANCE, &address)), "");
        let event = misplaced(&mut a);
        let good = text_of(b.serve_forwarded(&event.request, "10.0.0.9", 2_000));
        for bad in [
            String::new(),
            good.replace("HTTP/1.1 200", "HTTP/1.1 2000"),
            good.replace("HTTP/1.1 200", "HTTP/1.1 204"),
            good.replace("HTTP/1.1 ", "ICY "),
            good.replace("Length: 2", "Length: 3"),
            good.replace("Length: 2", "Length: +2"),
            format!("{good}more"),
            good[..good.len() - 1].to_owned(),
            good.replace("Pragma: ", "Transfer-Encoding: "),
            good.replace("Pragma: ", "connection: "),
            good.replace("Pragma: ", "Pragma : "),
            good.replace("Pragma: ", "Pragma: \n"),
            good.replace("Content-Length", "Content-Longth"),
        ] {
            assert_ne!(bad, good);
            assert!(a.reply_raw(id, event.call, bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(text(&mut a, id), "", "the client still waits");
        a.reply_raw(id, event.call + 1, good.as_bytes()).expect("an answer, to nothing");
        assert_eq!(text(&mut a, id), "");
        a.reply_raw(id, event.call, good.as_bytes()).expect("an answer");
        assert_eq!(text(&mut a, id), good);
    }

    #[test]
    fn the_connection_of_the_client_ends_as_the_client_asked() {
        let (mut a, mut b, address) = pair();
        let id = open(&mut a);
        let request = post("POST", INSTANCE, &address).replace("Host: h", "Host: h\r\nConnection: close");
        assert_eq!(ask(&mut a, id, &request), "");
        let event = misplaced(&mut a);
        let answer = b.serve_forwarded(&event.request, "10.0.0.9", 2_000).expect("served");
        a.reply_raw(id, event.call, &answer).expect("an answer");
        assert!(text(&mut a, id).contains("\r\nConnection: close\r\n") && a.wants_close(id));
    }

    proptest! {
        #[test]
        fn nonsense_changes_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..200) {
            let good = post("POST", INSTANCE, "serviceName=orders&ip=10.1.1.1&port=80");
            let mut hub = hub(false);
            let mut request = good.as_bytes()[..cut.min(good.len() - 1)].to_vec();
            request.extend(bytes);
            let is_served = hub.serve_forwarded(&request, "10.0.0.9", 2_000).is_ok();
            prop_assert!(is_served || count(&hub) == 0);
            prop_assert!(hub.reply_raw(1, 1, &request).is_err());
        }
    }
}
