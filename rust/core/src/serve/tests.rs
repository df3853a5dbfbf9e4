//! The hub as clients meet it over HTTP/1.1: bytes in, bytes and events out.

use proptest::prelude::*;

use super::*;
use crate::configs::Config;

pub(super) fn hub(require_tokens: bool) -> Hub {
    hub_without(Vec::new(), require_tokens)
}

fn hub_without(retired: Vec<(String, String)>, require_tokens: bool) -> Hub {
    let abilities = "{}".to_owned();
    let mut hub = Hub::new(HubSettings { digest_key: [7; 16], abilities, require_tokens, udp_push: true, retired });
    hub.set_ready(true);
    hub
}

pub(super) fn open(hub: &mut Hub) -> ConnectionId {
    hub.open(Owner::Streams, ("10.0.0.9", 40_000), false, 1_000).expect("room")
}

pub(super) fn text(hub: &mut Hub, id: ConnectionId) -> String {
    String::from_utf8(std::mem::take(hub.output(id).expect("open"))).expect("text")
}

pub(super) fn ask(hub: &mut Hub, id: ConnectionId, request: &str) -> String {
    hub.feed(id, request.as_bytes(), 2_000);
    text(hub, id)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

pub(super) fn post(method: &str, path: &str, form: &str) -> String {
    let length = form.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    )
}

pub(super) fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("")
}

pub(super) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

pub(super) const INSTANCE: &str = "/nacos/v1/ns/instance";

#[test]
fn a_route_that_is_retired_goes_up_and_the_others_under_its_path_do_not() {
    let mut hub = hub_without(vec![("POST".to_owned(), INSTANCE.to_owned())], false);
    let id = open(&mut hub);
    let form = "serviceName=orders&ip=10.1.1.1&port=80";
    assert_eq!(ask(&mut hub, id, &post("POST", INSTANCE, form)), "", "it is for Python to say");
    let events = hub.take_events();
    let [Event::Http(request)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((request.method.as_str(), request.path.as_str(), request.authorized), ("POST", INSTANCE, true));
    let id = open(&mut hub);
    assert_eq!(body(&ask(&mut hub, id, &post("DELETE", INSTANCE, form))), "ok");
    // What another member forwards was taken by that member.
    let served = hub.serve_forwarded(post("POST", INSTANCE, form).as_bytes(), "10.0.0.9", 2_000).expect("served");
    assert_eq!(body(&String::from_utf8(served).expect("text")), "ok");
}

#[test]
fn what_is_registered_is_listed_until_it_is_removed() {
    let mut hub = hub(false);
    let id = open(&mut hub);
    let form = "serviceName=orders&ip=10.1.1.1&port=80&clusterName=c1";
    assert_eq!(body(&ask(&mut hub, id, &post("POST", INSTANCE, form))), "ok");
    let listed = ask(&mut hub, id, &get("/nacos/v1/ns/instance/list?serviceName=orders&clusters=c1"));
    assert!(body(&listed).contains("\"ip\":\"10.1.1.1\",\"port\":80"), "{listed}");
    let other = ask(&mut hub, id, &get("/nacos/v1/ns/instance/list?serviceName=orders&clusters=c2"));
    assert!(body(&other).contains("\"hosts\":[]"), "the cluster filter counts: {other}");
    assert_eq!(body(&ask(&mut hub, id, &post("DELETE", INSTANCE, form))), "ok");
    let listed = ask(&mut hub, id, &get("/nacos/v1/ns/instance/list?serviceName=orders"));
    assert!(body(&listed).contains("\"hosts\":[]"), "{listed}");
    assert!(hub.take_events().is_empty(), "nothing of this needed a decision");
}

#[test]
fn a_light_beat_of_an_unknown_instance_asks_for_registration() {
    let mut hub = hub(false);
    let id = open(&mut hub);
    let beat = "/nacos/v1/ns/instance/beat?serviceName=orders&ip=10.1.1.1&port=80";
    assert!(body(&ask(&mut hub, id, &post("PUT", beat, ""))).contains("\"code\":20404"));
    let full = "serviceName=orders&beat=%7B%22ip%22%3A%2210.1.1.1%22%2C%22port%22%3A80%7D";
    let answer = ask(&mut hub, id, &post("PUT", "/nacos/v1/ns/instance/beat", full));
    assert!(body(&answer).contains("\"code\":10200"), "{answer}");
    assert!(body(&ask(&mut hub, id, &post("PUT", beat, ""))).contains("\"code\":10200"));
}

#[test]
fn a_list_request_with_a_udp_port_subscribes_clients_of_a_known_kind() {
    let mut hub = hub(false);
    let id = open(&mut hub);
    let mut list = |headers: &str| {
        let path = "/nacos/v1/ns/instance/list?serviceName=orders&udpPort=4000";
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        assert_eq!(status(&ask(&mut hub, id, &request)), "200");
        hub.take_events()
    };
    let java = "Client-Version: 1.4.8\r\nUser-Agent: Nacos-Java-Client:v1.4.8\r\n";
    let [Event::UdpSubscribed(event)] = &list(java)[..] else { panic!("the Java client is told by UDP") };
    assert_eq!((event.service.as_str(), event.port), ("orders", 4000));
    assert_eq!(list("Client-Version: Nacos-Java-Client:v1.0.0\r\n").len(), 1);
    assert!(list("User-Agent: curl/8.0\r\n").is_empty());
}

#[test]
fn a_persistent_instance_goes_up_and_is_applied_by_the_log() {
    let mut hub = hub(false);
    let id = open(&mut hub);
    let form = "serviceName=pers&ip=10.1.1.4&port=7&ephemeral=false";
    assert_eq!(ask(&mut hub, id, &post("POST", INSTANCE, form)), "");
    let events = hub.take_events();
    let [Event::Persistent(event)] = events.as_slice() else { panic!("{events:?}") };
    let service = ServiceName::new(&event.namespace, &event.group, &event.service).expect("valid");
    hub.apply_persistent(true, &service, &event.instance, 3_000).expect("applied");
    hub.reply_http(id, event.call, 200, &[], b"ok");
    assert_eq!(body(&text(&mut hub, id)), "ok");
    let listed = ask(&mut hub, id, &get("/nacos/v1/ns/instance/list?serviceName=pers"));
    assert!(body(&listed).contains("10.1.1.4#7#DEFAULT#DEFAULT_GROUP@@pers"), "{listed}");
    let conflict = ask(&mut hub, id, &post("POST", INSTANCE, "serviceName=pers&ip=10.1.1.5&port=7"));
    assert_eq!(status(&conflict), "400");
    assert!(body(&conflict).contains("is persistent service, can't register ephemeral instance."), "{conflict}");
}

#[test]
fn a_config_is_answered_from_the_store_and_its_absence_goes_up() {
    let mut hub = hub(false);
    let id = open(&mut hub);
    let path = "/nacos/v1/cs/configs?dataId=a.yaml&group=G";
    assert_eq!(ask(&mut hub, id, &get(path)), "");
    let events = hub.take_events();
    let [Event::Http(request)] = events.as_slice() else { panic!("{events:?}") };
    hub.reply_http(id, request.call, 404, &[("Content-Type", "text/plain")], b"config data not exist\n");
    assert_eq!(status(&text(&mut hub, id)), "404");
    let config = Config { content: "a: 1".into(), kind: "yaml".into(), ..Config::default() };
    hub.configs_mut().put(("public", "G", "a.yaml"), config);
    let answer = ask(&mut hub, id, &get(path));
    assert!(answer.contains("Content-MD5: 270f9e65a80226eccd82c99cdd0dd2fb"), "{answer}");
    assert_eq!(body(&answer), "a: 1");
}

#[test]
fn a_listener_is_answered_at_once_if_anything_differs_and_goes_up_otherwise() {
    let mut hub = hub(false);
    let id = open(&mut hub);
    let listen = |md5: &str| format!("Listening-Configs=a%02G%02{md5}%01");
    let request = |form: &str| {
        post("POST", "/nacos/v1/cs/configs/listener", form)
            .replace("Host: h\r\n", "Host: h\r\nLong-Pulling-Timeout: 30000\r\n")
    };
    assert_eq!(body(&ask(&mut hub, id, &request(&listen("old")))), "a%02G%01\n");
    assert_eq!(ask(&mut hub, id, &request(&listen(""))), "");
    let events = hub.take_events();
    let [Event::LongPoll(poll)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(poll.hang_ms, 29_500);
    hub.reply_long_poll(id, poll.call, &[poll.keys[0].0.clone()]);
    assert_eq!(body(&text(&mut hub, id)), "a%02G%01\n");
}

#[test]
fn who_hangs_and_will_send_no_more_is_gone() {
    let mut hub = hub(false);
    let id = open(&mut hub);
    let listen = post("POST", "/nacos/v1/cs/configs/listener", "Listening-Configs=a%02G%02%01");
    assert_eq!(ask(&mut hub, id, &listen.replace("Host: h", "Host: h\r\nLong-Pulling-Timeout: 30000")), "");
    assert_eq!(hub.take_events().len(), 1);
    assert!(hub.is_hanging(id) && !hub.wants_close(id));
    hub.end_of_input(id, 3_000);
    assert!(hub.wants_close(id));
    hub.closed(id, 3_000);
    let events = hub.take_events();
    assert!(matches!(events.as_slice(), [Event::ConnectionGone(gone)] if *gone == id), "{events:?}");
}

#[test]
fn an_answer_that_is_being_worked_on_is_given_to_who_will_send_no_more() {
    let mut hub = hub(false);
    let id = open(&mut hub);
    assert_eq!(ask(&mut hub, id, &post("POST", "/nacos/v1/cs/configs", "dataId=a&group=G&content=1")), "");
    let events = hub.take_events();
    let [Event::Http(request)] = events.as_slice() else { panic!("{events:?}") };
    hub.end_of_input(id, 3_000);
    assert!(!hub.is_hanging(id) && !hub.wants_close(id));
    hub.reply_http(id, request.call, 200, &[], b"true");
    assert_eq!(body(&text(&mut hub, id)), "true");
    assert!(hub.wants_close(id));
}

#[test]
fn without_an_allowed_token_every_request_goes_up() {
    let mut hub = hub(true);
    let id = open(&mut hub);
    let path = "/nacos/v1/ns/instance/list?serviceName=orders";
    assert_eq!(ask(&mut hub, id, &get(path).replace("Host: h", "Host: h\r\nUser-Agent: Nacos-Server")), "");
    let events = hub.take_events();
    let [Event::Http(request)] = events.as_slice() else { panic!("{events:?}") };
    assert!(!request.authorized);
    hub.proceed(id, request.call, 2_000);
    assert_eq!(status(&text(&mut hub, id)), "200");
    hub.allow_token("good", 5_000);
    assert_eq!(status(&ask(&mut hub, id, &get(&format!("{path}&accessToken=good")))), "200");
    let bearer = get(path).replace("Host: h", "Host: h\r\nAuthorization: Bearer good");
    assert_eq!(status(&ask(&mut hub, id, &bearer)), "200");
    assert_eq!(ask(&mut hub, id, &get(&format!("{path}&accessToken=bad"))), "");
}

/// What a transport without a set-up is told, by kind of request.
fn error_before_set_up(kind: &str) -> String {
    let mut hub = hub(false);
    let client = connection::Client {
        connection: open(&mut hub),
        connection_id: "1_10.0.0.9_40000".into(),
        is_set_up: false,
        remote_ip: "10.0.0.9".into(),
        remote_port: 40_000,
        said_ip: Box::default(),
        version: Box::default(),
        app: Box::default(),
        labels: Default::default(),
    };
    let message = crate::grpc::payload::encode(kind, b"{}");
    let outcome = grpc::route(&mut hub.state, &client, 1, &message, true);
    assert!(matches!(outcome, grpc::Outcome::Answer("ErrorResponse")));
    String::from_utf8(hub.state.body.clone()).expect("JSON")
}

#[test]
fn a_health_check_before_the_set_up_fails_with_no_code_that_means_wait() {
    assert!(error_before_set_up("ConfigQueryRequest").contains("\"errorCode\":301"));
    assert!(error_before_set_up("HealthCheckRequest").contains("\"errorCode\":500"));
}

#[test]
fn http_on_the_grpc_port_is_told_where_it_belongs() {
    let mut hub = hub(false);
    let id = hub.open(Owner::Streams, ("10.0.0.9", 40_000), true, 1_000).expect("room");
    let answer = ask(&mut hub, id, &get("/"));
    assert_eq!(status(&answer), "400");
    assert_eq!(body(&answer).len(), 86, "as the head says");
    assert!(hub.wants_close(id));
}

#[test]
fn an_answer_to_another_call_is_dropped() {
    let mut hub = hub(false);
    let id = open(&mut hub);
    ask(&mut hub, id, &get("/nacos/elsewhere"));
    hub.reply_http(id, 99, 200, &[], b"wrong");
    assert_eq!(text(&mut hub, id), "");
    hub.reply_http(id, 1, 200, &[], b"right");
    assert_eq!(body(&text(&mut hub, id)), "right");
}

#[test]
fn an_answer_may_come_in_parts() {
    let mut hub = hub(false);
    for (request, head, whole) in [
        (
            get("/nacos/elsewhere"),
            "Transfer-Encoding: chunked\r\n\r\n",
            "3\r\nabc\r\n11\r\n01234567890123456\r\n0\r\n\r\n",
        ),
        (get("/nacos/elsewhere").replace("GET", "HEAD"), "Transfer-Encoding: chunked\r\n\r\n", ""),
        (get("/nacos/elsewhere").replace("1.1", "1.0"), "Connection: close\r\n\r\n", "abc01234567890123456"),
    ] {
        let id = open(&mut hub);
        ask(&mut hub, id, &request);
        assert!(!hub.begin_http(id, 9, 200, &[]), "nobody asked that");
        assert!(hub.begin_http(id, 1, 200, &[("A", "b")]));
        for part in ["abc", "", "01234567890123456"] {
            hub.continue_http(id, 1, Some(part.as_bytes()));
        }
        assert_eq!(hub.continue_http(id, 1, None), hub.output(id).map(|output| output.len()));
        assert_eq!(hub.continue_http(id, 1, None), None, "that was all");
        let answer = text(&mut hub, id);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\nA: b\r\n"));
        assert_eq!(answer.split_once(head).map(|(_, body)| body), Some(whole));
        assert_eq!(hub.wants_close(id), request.contains("1.0"));
    }
}

#[test]
fn the_next_request_waits_for_the_last_part() {
    let mut hub = hub(false);
    let id = open(&mut hub);
    ask(&mut hub, id, &[get("/nacos/elsewhere"), get("/nacos/v1/ns/service/list?pageNo=1&pageSize=10")].concat());
    hub.begin_http(id, 1, 200, &[]);
    hub.continue_http(id, 1, Some(b"part"));
    assert!(text(&mut hub, id).ends_with("4\r\npart\r\n"));
    hub.continue_http(id, 1, None);
    let rest = text(&mut hub, id);
    assert_eq!(body(&rest[rest.find("HTTP").expect("an answer")..]), r#"{"count":0,"doms":[]}"#);
    hub.closed(id, 2_000);
    assert_eq!(hub.continue_http(id, 1, None), None);
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_gives_the_same_answers(cuts in prop::collection::vec(1_usize..40, 1..60)) {
        let requests = [
            post("POST", INSTANCE, "serviceName=orders&ip=10.1.1.1&port=80&metadata=a%3D1"),
            get("/nacos/v1/ns/instance/list?serviceName=orders"),
            post("POST", INSTANCE, "serviceName=orders&ip=10.1.1.1&port=x"),
            get("/nacos/v1/ns/service/list?pageNo=1&pageSize=10"),
        ]
        .concat();
        let mut whole = hub(false);
        let id = open(&mut whole);
        let expected = ask(&mut whole, id, &requests);
        let mut pieces = hub(false);
        let id = open(&mut pieces);
        let mut rest = requests.as_bytes();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, left) = rest.split_at((*cut).min(rest.len()));
            pieces.feed(id, piece, 2_000);
            rest = left;
        }
        prop_assert_eq!(text(&mut pieces, id), expected);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000), grpc in any::<bool>()) {
        let mut hub = hub(false);
        let id = hub.open(Owner::Streams, ("10.0.0.9", 1), grpc, 0).expect("room");
        let preface: &[u8] = if grpc { b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" } else { b"" };
        hub.feed(id, preface, 1);
        for piece in bytes.chunks(97) {
            hub.feed(id, piece, 1);
        }
        hub.end_of_input(id, 2);
        hub.closed(id, 2);
        prop_assert_eq!(hub.connection_count(), 0);
    }
}
