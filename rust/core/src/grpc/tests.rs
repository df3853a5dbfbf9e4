//! The engine against the `h2` crate's client, in memory: what one side writes the other reads, whole or in pieces.

mod client;
mod flow;
mod limits;
mod payload;
mod random;
pub(in crate::grpc) mod raw;

use super::{Grpc, GrpcEvent, Method, Status};
use bytes::Bytes;
use client::{Client, Outcome};

const UNARY: &str = "/Request/request";
const STREAM: &str = "/BiRequestStream/requestBiStream";

/// Answers every message with itself.
fn echo(server: &mut Grpc, event: &GrpcEvent) {
    match event {
        GrpcEvent::Message { call, method: Method::Request, message } => server.reply(*call, message.clone()),
        GrpcEvent::Message { call, message, .. } => server.send(*call, message.clone()),
        GrpcEvent::HalfClosed { call } => server.finish(*call, Status::OK),
        GrpcEvent::Gone { .. } | GrpcEvent::Closed { .. } => {}
    }
}

fn ok(messages: &[&[u8]]) -> Outcome {
    Outcome { http_status: 200, grpc_status: Some(0), grpc_message: None, messages: messages.concat().to_vec() }
}

#[test]
fn unary_calls_are_answered_again_and_again() {
    let mut client = Client::new();
    for round in 0..5 {
        let message = format!("message {round}");
        let call = client.call(UNARY, message.as_bytes());
        client.run(echo);
        assert_eq!(client.outcome(call), ok(&[message.as_bytes()]), "round {round}");
    }
    assert_eq!(client.server.calls_count(), 0);
}

#[test]
fn unary_calls_in_flight_together_are_answered_in_any_order() {
    let mut client = Client::new();
    let calls: Vec<_> = (0..50).map(|n| client.call(UNARY, format!("call {n}").as_bytes())).collect();
    let mut held = Vec::new();
    client.run(|_, event| held.push(event.clone()));
    for event in held.iter().rev() {
        echo(&mut client.server, event);
    }
    client.run(echo);
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(client.outcome(call), ok(&[format!("call {n}").as_bytes()]));
    }
}

#[test]
fn message_larger_than_every_window_passes_both_ways() {
    let large: Vec<u8> = (0..5_000_000u32).map(|n| n as u8).collect();
    let mut client = Client::new();
    let call = client.call(UNARY, &large);
    client.run(echo);
    assert_eq!(client.outcome(call), ok(&[&large]));
    assert_eq!(client.server.queued_bytes(), 0);
}

#[test]
fn stream_is_answered_before_there_is_a_message_to_send() {
    let mut client = Client::new();
    let stream = client.open(STREAM);
    let unary = client.open(UNARY);
    client.run(|_, event| panic!("{event:?}"));
    assert_eq!((client.http_status(stream), client.http_status(unary)), (200, 0));
}

#[test]
fn stream_carries_messages_both_ways_until_the_client_ends_it() {
    let mut client = Client::new();
    let call = client.open(STREAM);
    client.send(call, b"one", false);
    client.run(echo);
    assert_eq!(client.received(call), b"one");
    client.send(call, b"two", false);
    let unary = client.call(UNARY, b"beside it");
    client.run(echo);
    assert_eq!(client.outcome(unary), ok(&[b"beside it"]));
    client.send(call, b"three", true);
    client.run(echo);
    assert_eq!(client.outcome(call), ok(&[b"one", b"two", b"three"]));
}

#[test]
fn stream_ended_by_the_server_ends_for_the_client() {
    let mut client = Client::new();
    let call = client.open(STREAM);
    client.send(call, b"set-up", false);
    client.run(|server, event| {
        if let GrpcEvent::Message { call, .. } = event {
            server.send(*call, Bytes::from_static(b"last"));
            server.finish(*call, Status::new(Status::UNAVAILABLE, "go elsewhere: 100 % Grüße"));
        }
    });
    let outcome = client.outcome(call);
    assert_eq!((outcome.grpc_status, outcome.messages.as_slice()), (Some(14), &b"last"[..]));
    assert_eq!(outcome.grpc_message.as_deref(), Some("go elsewhere: 100 %25 Gr%C3%BC%C3%9Fe"));
    assert_eq!(client.server.calls_count(), 0);
}

#[test]
fn status_alone_ends_a_call_without_a_message() {
    let mut client = Client::new();
    let call = client.call(UNARY, b"x");
    let long = "long ".repeat(1000);
    client.run(|server, event| {
        if let GrpcEvent::Message { call, .. } = event {
            server.finish(*call, Status { code: Status::INTERNAL, message: long.clone().into() });
        }
    });
    let outcome = client.outcome(call);
    assert_eq!((outcome.grpc_status, outcome.messages.len()), (Some(13), 0));
    assert_eq!(outcome.grpc_message.unwrap(), long[..1024]);
}

#[test]
fn unknown_method_is_unimplemented() {
    let mut client = Client::new();
    let call = client.call("/Request/other", b"x");
    client.run(|_, event| panic!("{event:?}"));
    assert_eq!(client.outcome(call).grpc_status, Some(12));
    assert_eq!(client.server.calls_count(), 0);
}

#[test]
fn what_is_no_grpc_is_answered_with_an_http_status() {
    let mut client = Client::new();
    let get = client.request("GET", UNARY, "application/grpc");
    let json = client.request("POST", UNARY, "application/json");
    client.run(|_, event| panic!("{event:?}"));
    assert_eq!((client.outcome(get).http_status, client.outcome(json).http_status), (405, 415));
}

#[test]
fn compressed_message_is_unimplemented() {
    let mut client = Client::new();
    let call = client.open(UNARY);
    client.send_raw(call, b"\x01\0\0\0\x01x", true);
    client.run(|_, event| panic!("{event:?}"));
    assert_eq!(client.outcome(call).grpc_status, Some(12));
}

#[test]
fn call_without_a_whole_message_is_an_internal_error() {
    for sent in [&b""[..], b"\0\0\0", b"\0\0\0\0\x05half"] {
        let mut client = Client::new();
        let call = client.open(UNARY);
        client.send_raw(call, sent, true);
        client.run(|_, event| panic!("{event:?}"));
        assert_eq!(client.outcome(call).grpc_status, Some(13), "{sent:?}");
    }
}

#[test]
fn second_message_on_a_unary_call_is_an_internal_error() {
    let mut client = Client::new();
    let call = client.open(UNARY);
    client.send(call, b"one", false);
    client.send(call, b"two", true);
    client.run(|_, event| panic!("{event:?}"));
    assert_eq!(client.outcome(call).grpc_status, Some(13));
}

#[test]
fn call_reset_by_the_client_is_gone_once() {
    let mut client = Client::new();
    let stream = client.open(STREAM);
    client.send(stream, b"set-up", false);
    let unary = client.call(UNARY, b"x");
    client.run(|_, _| {});
    client.reset(stream);
    client.reset(unary);
    let mut events = Vec::new();
    client.run(|_, event| events.push(event.clone()));
    assert_eq!(events, [GrpcEvent::Gone { call: 1 }, GrpcEvent::Gone { call: 3 }]);
    client.server.reply(3, Bytes::new());
    client.server.send(1, Bytes::new());
    client.server.finish(1, Status::OK);
    assert!(client.server.output().is_empty());
}

#[test]
fn connection_ended_by_the_peer_is_closed_with_its_calls() {
    let mut client = Client::new();
    let call = client.open(STREAM);
    client.send(call, b"set-up", false);
    client.run(|_, _| {});
    client.server.closed_by_peer();
    client.server.closed_by_peer();
    let mut events = Vec::new();
    client.server.poll(&mut events);
    client.server.poll(&mut events);
    assert_eq!(events, [GrpcEvent::Closed { reason: None }]);
    assert!(client.server.is_closed());
}

#[test]
fn go_away_lets_open_calls_end_and_takes_no_new_ones() {
    let mut client = Client::new();
    let open = client.call(UNARY, b"open");
    let mut held = Vec::new();
    client.run(|_, event| held.push(event.clone()));
    client.server.go_away();
    client.run(|_, event| panic!("{event:?}"));
    assert!(!client.server.is_closed());
    echo(&mut client.server, &held[0]);
    let mut events = Vec::new();
    client.run(|_, event| events.push(event.clone()));
    assert_eq!(client.outcome(open), ok(&[b"open"]));
    assert_eq!(events, [GrpcEvent::Closed { reason: None }]);
}
