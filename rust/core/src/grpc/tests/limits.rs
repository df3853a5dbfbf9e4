//! What ends a connection or a call: every rule, every limit, and what the peer is told.

use super::raw::{
    Frame, REQUEST, block, feed, frame, number, open_stream, opened, opening, setting, stream, unary, written,
};
use super::{STREAM, UNARY, client::Client};
use crate::grpc::frame::{self, Code, flag, kind, setting as id};
use crate::grpc::{Grpc, GrpcEvent, Status};
use crate::limits::{
    GRPC_HEADERS_BYTES_MAX, GRPC_HEADERS_FRAMES_COUNT_MAX, GRPC_MESSAGE_BYTES_MAX, GRPC_PARTIAL_BYTES_MAX,
    GRPC_RESETS_COUNT_MAX, GRPC_STREAMS_COUNT_MAX,
};
use bytes::Bytes;

/// The connection ends with that code, is told why, and takes nothing more.
fn assert_fails(mut server: Grpc, input: &[u8], code: Code) {
    let events = feed(&mut server, input);
    let Some(GrpcEvent::Closed { reason: Some(reason) }) = events.last() else { panic!("{events:?}") };
    let last = written(&mut server).pop().unwrap();
    assert_eq!((last.kind, &last.payload[4..8]), (kind::GOAWAY, &(code as u32).to_be_bytes()[..]), "{reason}");
    assert_eq!(&last.payload[8..], reason.as_bytes());
    assert!(server.is_closed());
    assert_eq!(feed(&mut server, &unary(1001)), []);
    assert!(server.output().is_empty());
}

fn reset(stream: u32, code: Code) -> Frame {
    Frame { kind: kind::RST_STREAM, flags: 0, stream, payload: (code as u32).to_be_bytes().to_vec() }
}

#[test]
fn peer_of_another_protocol_is_turned_away_at_its_first_bytes() {
    assert_fails(Grpc::new(), b"GET / HTT", Code::Protocol);
    assert_fails(Grpc::new(), &[frame::PREFACE, &unary(1)].concat(), Code::Protocol);
    assert_fails(Grpc::new(), &[frame::PREFACE, &frame(kind::SETTINGS, flag::ACK, 0, &[])].concat(), Code::Protocol);
}

#[test]
fn frames_against_the_protocol_end_the_connection() {
    let headers = |flags: u8, stream, block: &[u8]| frame(kind::HEADERS, flags, stream, block);
    let cases = [
        (vec![0, 0x40, 1, kind::DATA, 0, 0, 0, 0, 1], Code::FrameSize),
        (frame(kind::DATA, 0, 0, b""), Code::Protocol),
        (frame(kind::DATA, 0, 1, b""), Code::Protocol),
        (frame(kind::PING, 0, 0, b"short"), Code::FrameSize),
        (frame(kind::PING, 0, 1, b"8 bytes!"), Code::FrameSize),
        (frame(kind::SETTINGS, 0, 1, b""), Code::FrameSize),
        (frame(kind::SETTINGS, 0, 0, b"12345"), Code::FrameSize),
        (frame(kind::SETTINGS, flag::ACK, 0, b"123456"), Code::FrameSize),
        (setting(id::INITIAL_WINDOW_SIZE, 1 << 31), Code::FlowControl),
        (setting(id::MAX_FRAME_SIZE, 16_383), Code::Protocol),
        (setting(id::MAX_FRAME_SIZE, 1 << 24), Code::Protocol),
        (setting(id::ENABLE_PUSH, 2), Code::Protocol),
        (number(kind::WINDOW_UPDATE, 0, 0), Code::Protocol),
        (number(kind::WINDOW_UPDATE, 0, 0x7fff_ffff), Code::FlowControl),
        (number(kind::WINDOW_UPDATE, 1, 1), Code::Protocol),
        (frame(kind::WINDOW_UPDATE, 0, 0, b"12345"), Code::FrameSize),
        (number(kind::RST_STREAM, 1, 8), Code::Protocol),
        (number(kind::RST_STREAM, 0, 8), Code::Protocol),
        (frame(kind::PRIORITY, 0, 1, b""), Code::FrameSize),
        (frame(kind::PUSH_PROMISE, 0, 1, b""), Code::Protocol),
        (frame(kind::CONTINUATION, 0, 1, b""), Code::Protocol),
        (headers(flag::END_HEADERS, 2, &block(&REQUEST)), Code::Protocol),
        (headers(flag::END_HEADERS | flag::PADDED, 1, &[]), Code::Protocol),
        (headers(flag::END_HEADERS | flag::PADDED, 1, &[2, 0]), Code::Protocol),
        (headers(flag::END_HEADERS | flag::PRIORITY, 1, &[0; 4]), Code::FrameSize),
        (headers(flag::END_HEADERS, 1, &[0xff; 20]), Code::Compression),
        ([headers(0, 1, b""), frame(kind::PING, 0, 0, b"8 bytes!")].concat(), Code::Protocol),
        ([headers(0, 1, b""), frame(kind::CONTINUATION, flag::END_HEADERS, 3, b"")].concat(), Code::Protocol),
    ];
    for (input, code) in cases {
        println!("{input:x?}");
        assert_fails(opened(), &input, code);
    }
}

#[test]
fn request_headers_against_the_protocol_reset_the_call_alone() {
    let without = |left_out: usize| {
        let kept: Vec<_> =
            REQUEST.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, pair)| *pair).collect();
        block(&kept)
    };
    let with = |pair| [block(&REQUEST), block(&[pair])].concat();
    let cases = [
        without(0),
        without(1),
        without(2),
        with((":path", "/Request/request")),
        with((":authority", "behind a regular header")),
        with((":status", "200")),
        with(("connection", "close")),
        with(("te", "gzip")),
        with(("Upper", "case")),
        with(("", "nameless")),
    ];
    let mut server = opened();
    for (count, block) in cases.into_iter().enumerate() {
        let id = count as u32 * 4 + 1;
        let input = [frame(kind::HEADERS, flag::END_HEADERS, id, &block), unary(id + 2)].concat();
        let events = feed(&mut server, &input);
        assert!(matches!(events[..], [GrpcEvent::Message { call, .. }] if call == id + 2), "{count}: {events:?}");
        assert_eq!(written(&mut server), [reset(id, Code::Protocol)], "case {count}");
    }
}

#[test]
fn header_block_without_end_is_cut_by_bytes_and_by_frames() {
    let begin = frame(kind::HEADERS, 0, 1, b"");
    let piece = frame(kind::CONTINUATION, 0, 1, &[b'x'; 4096]);
    assert_eq!(feed(&mut opened(), &[begin.clone(), piece.repeat(GRPC_HEADERS_BYTES_MAX / 4096)].concat()), []);
    let too_long = [begin.clone(), piece.repeat(GRPC_HEADERS_BYTES_MAX / 4096 + 1)].concat();
    assert_fails(opened(), &too_long, Code::EnhanceYourCalm);
    let empty = frame(kind::CONTINUATION, 0, 1, b"");
    assert_fails(opened(), &[begin, empty.repeat(GRPC_HEADERS_FRAMES_COUNT_MAX)].concat(), Code::EnhanceYourCalm);
}

#[test]
fn header_block_in_pieces_with_padding_and_priority_opens_a_call() {
    let block = block(&REQUEST);
    let (first, second) = block.split_at(30);
    let padded = [&[3][..], &[0; 5], first, &[0; 3]].concat();
    let input = [
        frame(kind::HEADERS, flag::PADDED | flag::PRIORITY, 1, &padded),
        frame(kind::CONTINUATION, flag::END_HEADERS, 1, second),
        frame(kind::DATA, flag::PADDED | flag::END_STREAM, 1, b"\x02\0\0\0\0\x01x\0\0"),
    ];
    let events = feed(&mut opened(), &input.concat());
    assert!(matches!(&events[..], [GrpcEvent::Message { call: 1, message, .. }] if *message == "x"), "{events:?}");
}

#[test]
fn calls_beyond_the_limit_are_refused_and_the_others_go_on() {
    let mut server = opened();
    let most = GRPC_STREAMS_COUNT_MAX;
    let opened: Vec<u8> = (0..most).flat_map(|n| stream(n * 2 + 1)).collect();
    assert_eq!(feed(&mut server, &opened).len(), most as usize);
    assert_eq!(written(&mut server).len(), most as usize);
    assert_eq!(feed(&mut server, &unary(most * 2 + 1)), []);
    assert_eq!(written(&mut server), [reset(most * 2 + 1, Code::RefusedStream)]);
    server.finish(1, Status::OK);
    assert_eq!(feed(&mut server, &unary(most * 2 + 3)).len(), 1);
}

#[test]
fn calls_reset_without_end_cost_the_connection_and_answered_ones_make_up_for_them() {
    let opened_and_reset = |n: u32| [unary(n * 2 + 1), number(kind::RST_STREAM, n * 2 + 1, 8)].concat();
    let mut server = opened();
    for n in 0..GRPC_RESETS_COUNT_MAX {
        assert_eq!(feed(&mut server, &opened_and_reset(n)).len(), 2);
    }
    let mut next = GRPC_RESETS_COUNT_MAX;
    for _ in 0..10 {
        feed(&mut server, &unary(next * 2 + 1));
        server.reply(next * 2 + 1, Bytes::new());
        feed(&mut server, &opened_and_reset(next + 1));
        next += 2;
    }
    assert!(!server.is_closed());
    assert_fails(server, &opened_and_reset(next), Code::EnhanceYourCalm);
}

#[test]
fn calls_that_the_server_must_reset_count_as_well() {
    let malformed: Vec<u8> = (0..=GRPC_RESETS_COUNT_MAX)
        .flat_map(|n| frame(kind::HEADERS, flag::END_HEADERS, n * 2 + 1, &block(&REQUEST[..2])))
        .collect();
    assert_fails(opened(), &malformed, Code::EnhanceYourCalm);
}

#[test]
fn calls_that_fail_by_the_rules_are_answered_without_end() {
    let mut server = opened();
    let mut headers = REQUEST;
    headers[2].1 = "/grpc.health.v1.Health/Check";
    for n in 0..GRPC_RESETS_COUNT_MAX * 2 {
        let flags = flag::END_HEADERS | flag::END_STREAM;
        let unknown = frame(kind::HEADERS, flags, n * 4 + 1, &block(&headers));
        let without_message = frame(kind::HEADERS, flags, n * 4 + 3, &block(&REQUEST));
        assert_eq!(feed(&mut server, &[unknown, without_message].concat()), []);
        assert_eq!(written(&mut server).len(), 2);
    }
}

#[test]
fn call_refused_while_the_client_still_sends_is_stopped() {
    let mut server = opened();
    feed(&mut server, &frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&REQUEST[..3])));
    let frames = written(&mut server);
    assert_eq!((frames.len(), frames[0].payload.as_slice(), &frames[1]), (2, &b"\x08\x03415"[..], &reset(1, Code::No)));
    assert_eq!(feed(&mut server, &frame(kind::DATA, flag::END_STREAM, 1, b"the rest")), []);
}

#[test]
fn message_over_the_limit_is_refused_at_its_prefix() {
    let mut client = Client::new();
    let call = client.open(UNARY);
    let claimed = (GRPC_MESSAGE_BYTES_MAX as u32 + 1).to_be_bytes();
    client.send_raw(call, &[&[0][..], &claimed, b"beginning"].concat(), false);
    client.run(|_, event| panic!("{event:?}"));
    assert_eq!(client.outcome(call).grpc_status, Some(8));
    assert_eq!((client.server.calls_count(), client.server.partial_bytes), (0, 0));
}

#[test]
fn message_of_the_largest_size_is_taken() {
    let mut client = Client::new();
    let call = client.call(UNARY, &vec![1; GRPC_MESSAGE_BYTES_MAX]);
    let mut len = 0;
    client.run(|server, event| {
        if let GrpcEvent::Message { call, message, .. } = event {
            len = message.len();
            server.reply(*call, Bytes::new());
        }
    });
    assert_eq!((len, client.outcome(call).grpc_status), (GRPC_MESSAGE_BYTES_MAX, Some(0)));
}

#[test]
fn unfinished_messages_of_many_calls_are_bounded_together() {
    let mut client = Client::new();
    let calls: Vec<_> = (0..4).map(|_| client.open(STREAM)).collect();
    let claimed = (GRPC_MESSAGE_BYTES_MAX as u32).to_be_bytes();
    for call in &calls {
        client.send_raw(*call, &[&[0][..], &claimed, &vec![0; GRPC_MESSAGE_BYTES_MAX - 1]].concat(), false);
        client.run(|_, event| panic!("{event:?}"));
        assert!(client.server.partial_bytes <= GRPC_PARTIAL_BYTES_MAX);
    }
    assert_eq!(client.outcome(calls[3]).grpc_status, Some(8));
    client.reset(calls[0]);
    client.run(|_, event| panic!("{event:?}"));
    assert_eq!(client.server.partial_bytes, 2 * (GRPC_MESSAGE_BYTES_MAX + 4));
}

#[test]
fn frames_that_come_late_for_an_ended_call_are_ignored() {
    let mut server = opened();
    open_stream(&mut server, 1);
    server.finish(1, Status::OK);
    let frames = written(&mut server);
    assert_eq!(frames.last(), Some(&reset(1, Code::No)));
    let late = [
        frame(kind::DATA, 0, 1, b"late"),
        number(kind::WINDOW_UPDATE, 1, 5),
        frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &block(&[("x", "y")])),
        number(kind::RST_STREAM, 1, 0),
        frame(kind::PRIORITY, 0, 1, b"12345"),
        frame(kind::GOAWAY, 0, 0, b"12345678"),
        frame(77, 0xff, 99, b"unknown"),
    ];
    assert_eq!(feed(&mut server, &late.concat()), []);
    assert!(server.output().is_empty());
}

#[test]
fn call_broken_after_its_end_or_by_its_trailers_is_reset() {
    let data = frame(kind::DATA, 0, 1, b"more");
    let mut server = opened();
    feed(&mut server, &unary(1));
    assert_eq!(feed(&mut server, &data), [GrpcEvent::Gone { call: 1 }]);
    assert_eq!(written(&mut server), [reset(1, Code::StreamClosed)]);
    for trailers in [
        frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&[("x", "y")])),
        frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &block(&REQUEST)),
    ] {
        let mut server = opened();
        open_stream(&mut server, 1);
        assert_eq!(feed(&mut server, &trailers), [GrpcEvent::Gone { call: 1 }]);
        assert_eq!(written(&mut server), [reset(1, Code::Protocol)]);
    }
}

#[test]
fn trailers_of_the_client_end_its_side() {
    let mut server = opened();
    open_stream(&mut server, 1);
    let trailers = frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &block(&[("x", "y")]));
    assert_eq!(feed(&mut server, &trailers), [GrpcEvent::HalfClosed { call: 1 }]);
}

#[test]
fn stream_broken_by_its_message_is_gone_and_told_why() {
    let mut server = opened();
    open_stream(&mut server, 1);
    assert_eq!(feed(&mut server, &frame(kind::DATA, 0, 1, b"\x01\0\0\0\0")), [GrpcEvent::Gone { call: 1 }]);
    let frames = written(&mut server);
    let flags = flag::END_HEADERS | flag::END_STREAM;
    assert_eq!((frames[0].flags, frames[1].clone()), (flags, reset(1, Code::No)));
}

#[test]
fn ping_and_settings_are_acknowledged() {
    let mut server = Grpc::new();
    let input = [opening(), frame(kind::PING, 0, 0, b"12345678"), frame(kind::PING, flag::ACK, 0, b"ignored!")];
    assert_eq!(feed(&mut server, &input.concat()), []);
    let acknowledged: Vec<_> = written(&mut server).into_iter().filter(|frame| frame.flags == flag::ACK).collect();
    assert_eq!(acknowledged.iter().map(|frame| frame.kind).collect::<Vec<_>>(), [kind::SETTINGS, kind::PING]);
    assert_eq!(acknowledged[1].payload, b"12345678");
}

#[test]
fn connection_cut_inside_a_frame_says_so() {
    let mut server = opened();
    feed(&mut server, &unary(1)[..20]);
    server.closed_by_peer();
    let reason = Some("the connection ended inside a frame".to_owned());
    assert_eq!(feed(&mut server, b""), [GrpcEvent::Closed { reason }]);
}

#[test]
fn call_after_go_away_is_not_looked_at() {
    let mut server = opened();
    open_stream(&mut server, 1);
    server.go_away();
    server.go_away();
    let frames = written(&mut server);
    assert_eq!((frames.len(), frames[0].kind, &frames[0].payload[..4]), (1, kind::GOAWAY, &[0, 0, 0, 1][..]));
    assert_eq!(feed(&mut server, &unary(3)), []);
    server.finish(1, Status::OK);
    assert_eq!(feed(&mut server, b""), [GrpcEvent::Closed { reason: None }]);
}

#[test]
fn go_away_without_calls_closes_at_once() {
    let mut server = opened();
    server.go_away();
    assert!(server.is_closed());
    assert_eq!(feed(&mut server, &unary(1)), [GrpcEvent::Closed { reason: None }]);
}
