//! What clients have sent that is not answered yet, over all connections: it is read before it is known who asks. And what
//! they do not take of their answers.

use super::tests::{hub, open, status, text};
use super::*;

const LARGE: &str = "POST /nacos/v1/cs/configs HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// A header block: method POST, scheme http, an authority, a path and a content type.
const CALL: &[u8] = b"\x83\x86\x01\x01a\x04\x10/Request/request\x00\x0ccontent-type\x10application/grpc";

fn small_hub() -> Hub {
    let mut hub = hub(true);
    hub.input_bytes_max = 4 * limits::INPUT_SMALL_BYTES;
    hub
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, 1]);
    frame.extend(payload);
    frame
}

/// Sends the beginning of a large request until it is refused, or so many bytes.
fn send(hub: &mut Hub, id: ConnectionId, bytes_count: usize) -> String {
    hub.feed(id, LARGE.as_bytes(), 2_000);
    for _ in 0..bytes_count / 1024 {
        hub.feed(id, &[b'x'; 1024], 2_000);
        if hub.wants_close(id) {
            break;
        }
    }
    text(hub, id)
}

#[test]
fn whoever_sends_more_than_there_is_room_for_has_to_come_again() {
    let mut hub = small_hub();
    let first = open(&mut hub);
    assert_eq!(send(&mut hub, first, 3 * limits::INPUT_SMALL_BYTES), "");
    let second = open(&mut hub);
    assert_eq!(status(&send(&mut hub, second, 2 * limits::INPUT_SMALL_BYTES)), "503");
    assert!(hub.wants_close(second) && !hub.wants_close(first));
    assert!(hub.input_bytes <= hub.input_bytes_max, "what is refused is forgotten at once");
    hub.closed(second, 2_000);
    let third = open(&mut hub);
    assert_eq!(send(&mut hub, third, limits::INPUT_SMALL_BYTES / 2), "", "a small request has room");
    hub.closed(first, 2_000);
    let fourth = open(&mut hub);
    assert_eq!(send(&mut hub, fourth, 3 * limits::INPUT_SMALL_BYTES), "", "what was let go makes room");
    hub.closed(third, 2_000);
    hub.closed(fourth, 2_000);
    assert_eq!(hub.input_bytes, 0);
}

#[test]
fn a_small_request_is_taken_however_much_the_others_send() {
    let mut hub = small_hub();
    for _ in 0..8 {
        let id = open(&mut hub);
        assert_eq!(send(&mut hub, id, limits::INPUT_SMALL_BYTES / 2 + 8 * 1024), "");
    }
    assert!(hub.input_bytes > hub.input_bytes_max);
    let id = open(&mut hub);
    hub.feed(id, b"GET /nacos/v1/console/health/liveness HTTP/1.1\r\nHost: h\r\n\r\n", 2_000);
    assert!(matches!(hub.take_events().as_slice(), [Event::Http(_)]));
}

#[test]
fn what_is_answered_counts_no_more() {
    let mut hub = small_hub();
    let id = open(&mut hub);
    for _ in 0..10 {
        let body = "x".repeat(limits::INPUT_SMALL_BYTES);
        let head = format!("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
        hub.feed(id, format!("{head}{body}").as_bytes(), 2_000);
        let events = hub.take_events();
        let [Event::Http(request)] = events.as_slice() else { panic!("{events:?}") };
        assert!(hub.input_bytes > body.len());
        hub.reply_http(id, request.call, 404, &[], b"");
        assert_eq!((status(&text(&mut hub, id)), hub.input_bytes), ("404", 0));
    }
}

#[test]
fn halves_of_grpc_messages_count_too() {
    let mut hub = small_hub();
    let half = |hub: &mut Hub| {
        let id = open(hub);
        hub.feed(id, PREFACE, 2_000);
        hub.feed(id, &frame(1, 4, CALL), 2_000);
        hub.feed(id, &frame(0, 0, b"\0\0\x90\0\0"), 2_000);
        for _ in 0..2 * limits::INPUT_SMALL_BYTES / 8192 {
            hub.feed(id, &frame(0, 0, &[b'x'; 8192]), 2_000);
        }
        id
    };
    let (first, second) = (half(&mut hub), half(&mut hub));
    assert!(!hub.wants_close(first) && hub.wants_close(second));
    hub.closed(first, 2_000);
    hub.closed(second, 2_000);
    assert_eq!(hub.input_bytes, 0);
}

#[test]
fn who_takes_nothing_of_an_answer_is_let_go_with_it() {
    let mut hub = hub(false);
    let ask = |hub: &mut Hub, now_ms| {
        let id = open(hub);
        hub.feed(id, b"GET /nacos/v1/ns/instance/list?serviceName=a HTTP/1.1\r\nHost: h\r\n\r\n", now_ms);
        assert!(!hub.output(id).expect("open").is_empty());
        id
    };
    let (stalled, closing, slow, late) =
        (ask(&mut hub, 1_000), ask(&mut hub, 1_000), ask(&mut hub, 1_000), ask(&mut hub, 5_000));
    let idle = open(&mut hub);
    hub.close(closing);
    hub.output(slow).expect("open").drain(..10);
    hub.some_output_taken(slow, 5_000);
    hub.take_dirty_streams();
    assert_eq!(hub.drop_stalled_connections(10_999, 10_000), 0);
    assert_eq!(hub.drop_stalled_connections(11_000, 10_000), 2);
    for id in [stalled, closing] {
        assert!(hub.wants_close(id) && hub.output(id).expect("open").is_empty());
    }
    assert!([slow, late, idle].iter().all(|id| !hub.wants_close(*id)));
    assert_eq!(hub.take_dirty_streams(), [stalled, closing], "its driver closes it");
    text(&mut hub, late);
    hub.output_taken(late);
    hub.feed(late, b"GET /nacos/v1/ns/instance/list?serviceName=a HTTP/1.1\r\nHost: h\r\n\r\n", 20_000);
    assert_eq!(hub.drop_stalled_connections(20_000, 10_000), 1, "the slow one, which has stopped");
    assert!(!hub.wants_close(late), "one that is asked again begins anew");
}
