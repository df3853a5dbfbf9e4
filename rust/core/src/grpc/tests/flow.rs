//! Flow control both ways, and the compressed headers under a changing table.

use super::client::Client;
use super::raw::{data_of, feed, frame, number, open_stream, opened, setting, unary, written};
use super::{UNARY, echo, ok};
use crate::grpc::frame::{WINDOW_INITIAL, flag, kind, setting as id};
use crate::grpc::{Grpc, GrpcEvent, Status};
use crate::limits::{GRPC_CONNECTION_WINDOW_BYTES, GRPC_STREAM_WINDOW_BYTES};
use bytes::Bytes;

fn open_stream_after_settings(server: &mut Grpc) {
    written(server);
    open_stream(server, 1);
}

#[test]
fn answer_waits_for_the_windows_of_a_small_client() {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(10).initial_connection_window_size(70_000);
    let mut client = Client::with(builder);
    let messages: Vec<Vec<u8>> = (0..20).map(|n| vec![n; 5000]).collect();
    let calls: Vec<_> = messages.iter().map(|message| client.call(UNARY, message)).collect();
    client.run(echo);
    for (call, message) in calls.into_iter().zip(&messages) {
        assert_eq!(client.outcome(call), ok(&[message]));
    }
    assert_eq!(client.server.queued_bytes(), 0);
}

#[test]
fn answer_is_held_until_the_window_opens_and_no_longer() {
    let mut server = opened();
    feed(&mut server, &[setting(id::INITIAL_WINDOW_SIZE, 4), unary(1)].concat());
    server.reply(1, Bytes::from_static(b"0123456789"));
    assert_eq!(data_of(&written(&mut server), 1), b"\0\0\0\0");
    assert_eq!(server.queued_bytes(), 11);
    // A smaller initial window takes back what was granted: the window is negative now (RFC 9113 section 6.9.2).
    feed(&mut server, &[setting(id::INITIAL_WINDOW_SIZE, 0), number(kind::WINDOW_UPDATE, 1, 4)].concat());
    assert_eq!(data_of(&written(&mut server), 1), b"");
    feed(&mut server, &number(kind::WINDOW_UPDATE, 1, 2));
    assert_eq!(data_of(&written(&mut server), 1), b"\x0a0");
    feed(&mut server, &setting(id::INITIAL_WINDOW_SIZE, 100));
    let frames = written(&mut server);
    assert_eq!(data_of(&frames, 1), b"123456789");
    assert_eq!(frames.last().map(|frame| frame.flags), Some(flag::END_HEADERS | flag::END_STREAM));
    assert_eq!((server.queued_bytes(), server.calls_count()), (0, 0));
}

#[test]
fn messages_use_up_the_window_of_their_call() {
    let mut server = opened();
    feed(&mut server, &setting(id::INITIAL_WINDOW_SIZE, 16));
    open_stream_after_settings(&mut server);
    for message in [&b"one"[..], b"two", b"three"] {
        server.send(1, Bytes::copy_from_slice(message));
    }
    assert_eq!(data_of(&written(&mut server), 1), b"\0\0\0\0\x03one\0\0\0\0\x03two");
    assert_eq!(server.queued_bytes(), 10);
}

#[test]
fn answers_that_wait_for_the_connection_go_out_in_order() {
    let mut server = opened();
    feed(&mut server, &[setting(id::INITIAL_WINDOW_SIZE, 1 << 20), unary(1), unary(3), unary(5)].concat());
    server.reply(1, vec![1; WINDOW_INITIAL as usize - 5].into());
    written(&mut server);
    server.reply(3, vec![3; 100].into());
    server.reply(5, vec![5; 100].into());
    assert_eq!(data_of(&written(&mut server), 3), b"");
    feed(&mut server, &number(kind::WINDOW_UPDATE, 0, 50));
    let frames = written(&mut server);
    assert_eq!((data_of(&frames, 3).len(), data_of(&frames, 5).len()), (50, 0));
    feed(&mut server, &number(kind::RST_STREAM, 3, 8));
    feed(&mut server, &number(kind::WINDOW_UPDATE, 0, 105));
    assert_eq!(data_of(&written(&mut server), 5).len(), 105);
    assert_eq!((server.queued_bytes(), server.calls_count(), server.windows.waiting_count()), (0, 0, 0));
}

#[test]
fn messages_behind_a_waiting_one_keep_their_order_and_the_status_comes_last() {
    let mut server = opened();
    feed(&mut server, &setting(id::INITIAL_WINDOW_SIZE, 0));
    open_stream_after_settings(&mut server);
    server.send(1, Bytes::from_static(b"one"));
    server.send(1, Bytes::from_static(b"two"));
    server.finish(1, Status::OK);
    server.finish(1, Status::new(Status::INTERNAL, "too late"));
    server.send(1, Bytes::from_static(b"too late"));
    assert_eq!(server.queued_bytes(), 16);
    written(&mut server);
    feed(&mut server, &number(kind::WINDOW_UPDATE, 1, 100));
    let frames = written(&mut server);
    assert_eq!(data_of(&frames, 1), b"\0\0\0\0\x03one\0\0\0\0\x03two");
    assert_eq!(frames[2].payload.len(), b"\x40\x0bgrpc-status\x010".len());
}

#[test]
fn call_reset_while_its_answer_waits_is_not_reported_again() {
    let mut server = opened();
    feed(&mut server, &[setting(id::INITIAL_WINDOW_SIZE, 0), unary(1)].concat());
    server.reply(1, Bytes::from_static(b"answer"));
    assert_eq!(feed(&mut server, &number(kind::RST_STREAM, 1, 8)), []);
    assert_eq!((server.queued_bytes(), server.calls_count()), (0, 0));
}

#[test]
fn window_of_a_call_beyond_the_largest_resets_it() {
    let mut server = opened();
    open_stream(&mut server, 1);
    let events = feed(&mut server, &number(kind::WINDOW_UPDATE, 1, 0x7fff_ffff));
    assert_eq!(events, [GrpcEvent::Gone { call: 1 }]);
    assert_eq!(written(&mut server)[0].kind, kind::RST_STREAM);
}

#[test]
fn client_is_granted_what_it_has_used() {
    let mut server = opened();
    open_stream(&mut server, 1);
    let data = frame(kind::DATA, 0, 1, &[&[0, 0, 0, 0x3f, 0xfb][..], &[0; 16_379]].concat());
    let mut granted = [0, 0];
    for _ in 0..100 {
        feed(&mut server, &data);
        for frame in written(&mut server) {
            assert_eq!(frame.kind, kind::WINDOW_UPDATE);
            granted[frame.stream as usize] += u32::from_be_bytes(frame.payload.try_into().unwrap());
        }
    }
    let used = 6 + 100 * 16_384;
    for (granted, window) in granted.into_iter().zip([GRPC_CONNECTION_WINDOW_BYTES, GRPC_STREAM_WINDOW_BYTES]) {
        assert!(granted <= used && used - granted <= window / 2 + 16_384, "{granted} of {used}");
    }
}

#[test]
fn client_without_a_header_table_is_sent_plain_headers() {
    let mut builder = h2::client::Builder::new();
    builder.header_table_size(0);
    let mut client = Client::with(builder);
    for _ in 0..3 {
        let call = client.call(UNARY, b"x");
        client.run(echo);
        assert_eq!(client.outcome(call), ok(&[b"x"]));
    }
}

#[test]
fn header_table_taken_away_in_mid_connection_is_followed() {
    let mut server = opened();
    feed(&mut server, &unary(1));
    server.reply(1, Bytes::new());
    assert_eq!(written(&mut server)[2].payload, b"\x40\x0bgrpc-status\x010");
    feed(&mut server, &[setting(id::HEADER_TABLE_SIZE, 100), unary(3), unary(5)].concat());
    written(&mut server);
    server.reply(3, Bytes::new());
    server.reply(5, Bytes::new());
    let frames = written(&mut server);
    assert_eq!(frames[0].payload, b"\x20\x88\x0f\x10\x10application/grpc");
    assert_eq!(frames[2].payload, b"\x00\x0bgrpc-status\x010");
    assert_eq!(frames[3].payload, b"\x88\x0f\x10\x10application/grpc");
}

#[test]
fn header_table_evicts_as_the_client_expects() {
    let mut client = Client::new();
    for round in 0..200usize {
        let extra: Vec<_> = (0..round % 7)
            .map(|n| (format!("x-{}", (round + n) % 23), "v".repeat((round * 37 + n * 101) % 900)))
            .collect();
        let call = client.request_with("POST", UNARY, "application/grpc", &extra);
        client.send(call, b"x", true);
        client.run(echo);
        assert_eq!(client.outcome(call), ok(&[b"x"]), "round {round}");
    }
}
