//! The client's engine against the server's and against the `h2` crate's server, in memory, whole or in pieces.

use super::super::tests::raw;
use super::{ClientEvent, GrpcClient};
use crate::grpc::frame::{self, FrameHead, HEAD_BYTES, PREFACE, flag, kind, setting};
use crate::grpc::payload::{self, Payload};
use crate::grpc::{CallId, Grpc, GrpcEvent, Method, Status};
use bytes::Bytes;
use proptest::prelude::*;

/// A client and a server; what one writes the other reads.
struct Pair {
    client: GrpcClient,
    server: Grpc,
    piece_bytes: usize,
    /// Everything that the client was fed.
    recorded: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        Self {
            client: GrpcClient::new("127.0.0.1:9848"),
            server: Grpc::new(),
            piece_bytes: 1 << 20,
            recorded: Vec::new(),
        }
    }

    /// Moves bytes both ways until neither side has any left. What the client saw.
    fn run(&mut self, mut on_event: impl FnMut(&mut Grpc, &GrpcEvent)) -> Vec<ClientEvent> {
        let (mut seen, mut events) = (Vec::new(), Vec::new());
        loop {
            let sent = self.client.take_output();
            for piece in sent.chunks(self.piece_bytes) {
                self.server.feed(piece);
                self.server.poll(&mut events);
                events.drain(..).for_each(|event| on_event(&mut self.server, &event));
            }
            let answered = std::mem::take(self.server.output());
            self.recorded.extend_from_slice(&answered);
            for piece in answered.chunks(self.piece_bytes) {
                self.client.feed(piece);
                self.client.poll(&mut seen);
            }
            if sent.is_empty() && answered.is_empty() {
                return seen;
            }
        }
    }
}

/// Answers every message with itself.
fn echo(server: &mut Grpc, event: &GrpcEvent) {
    match event {
        GrpcEvent::Message { call, method: Method::Request, message } => server.reply(*call, message.clone()),
        GrpcEvent::Message { call, message, .. } => server.send(*call, message.clone()),
        _ => {}
    }
}

fn message(call: CallId, text: &[u8]) -> ClientEvent {
    ClientEvent::Message { call, message: Bytes::copy_from_slice(text) }
}

fn ok(call: CallId) -> ClientEvent {
    ClientEvent::Ended { call, status: Status::OK }
}

fn ended(call: CallId, code: u8, text: &'static str) -> ClientEvent {
    ClientEvent::Ended { call, status: Status::new(code, text) }
}

/// A client that has met a server, which is written by hand from here on.
fn met() -> GrpcClient {
    let mut client = GrpcClient::new("a:1");
    client.feed(&raw::frame(kind::SETTINGS, 0, 0, &[]));
    client.take_output();
    client
}

fn fed(client: &mut GrpcClient, bytes: &[u8]) -> Vec<ClientEvent> {
    let mut events = Vec::new();
    client.feed(bytes);
    client.poll(&mut events);
    events
}

fn head(call: CallId, flags: u8, headers: &[(&str, &str)]) -> Vec<u8> {
    raw::frame(kind::HEADERS, flags | flag::END_HEADERS, call, &raw::block(headers))
}

const ANSWERED: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];

fn closed(reason: &str) -> ClientEvent {
    ClientEvent::Closed { reason: Some(reason.to_owned()) }
}

#[test]
fn calls_are_answered_while_the_stream_stays_open() {
    let mut pair = Pair::new();
    let stream = pair.client.open_stream().unwrap();
    pair.client.send(stream, Bytes::from_static(b"set-up"));
    let first = pair.client.call(Bytes::from_static(b"one")).unwrap();
    let second = pair.client.call(Bytes::new()).unwrap();
    let seen = pair.run(echo);
    assert_eq!(seen, [message(stream, b"set-up"), message(first, b"one"), ok(first), message(second, b""), ok(second)]);
    assert_eq!(pair.client.calls_count(), 1);
}

/// How much of what a client sends first is payload of DATA frames, which windows are about.
fn data_bytes(output: &[u8]) -> usize {
    let mut rest = output.strip_prefix(PREFACE).unwrap();
    let mut sum = 0;
    while let Some(head) = FrameHead::read(rest) {
        sum += if head.kind == kind::DATA { head.len } else { 0 };
        rest = &rest[HEAD_BYTES + head.len..];
    }
    sum
}

#[test]
fn large_messages_wait_for_windows_both_ways_and_arrive_whole() {
    let mut pair = Pair::new();
    let large: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    let stream = pair.client.open_stream().unwrap();
    pair.client.send(stream, Bytes::from(large.clone()));
    let calls: Vec<_> = (0..3).map(|_| pair.client.call(Bytes::from(large.clone())).unwrap()).collect();
    let at_once = pair.client.take_output();
    assert_eq!(data_bytes(&at_once), 65_535, "the window that every server begins with, and no byte more");
    pair.server.feed(&at_once);
    let seen = pair.run(echo);
    let whole = seen.iter().filter(|event| matches!(event, ClientEvent::Message { message, .. } if *message == large));
    assert_eq!(whole.count(), 4);
    for call in calls {
        assert!(seen.contains(&ok(call)));
    }
}

#[test]
fn payload_with_headers_is_what_the_server_reads() {
    let encoded = payload::encode_request("ConfigQueryRequest", [("accessToken", "abc"), ("app", "x")], b"{}");
    let read = Payload::decode(&encoded).unwrap();
    assert_eq!((read.kind, read.body), ("ConfigQueryRequest", &b"{}"[..]));
    assert_eq!(read.headers, [("accessToken", "abc"), ("app", "x")]);
}

#[test]
fn statuses_of_the_server_are_told_with_their_text() {
    let mut pair = Pair::new();
    let call = pair.client.call(Bytes::from_static(b"x")).unwrap();
    let stream = pair.client.open_stream().unwrap();
    pair.client.send(stream, Bytes::from_static(b"x"));
    let seen = pair.run(|server, event| {
        if let GrpcEvent::Message { call, .. } = event {
            server.finish(*call, Status::new(Status::UNAVAILABLE, "go elsewhere: 100 % Grüße"));
        }
    });
    let text = "go elsewhere: 100 % Grüße";
    assert_eq!(seen, [ended(call, 14, text), ended(stream, 14, text)]);
    assert_eq!((pair.client.calls_count(), pair.server.calls_count()), (0, 0));
}

#[test]
fn a_server_that_goes_away_answers_what_it_has_and_takes_nothing_new() {
    let mut pair = Pair::new();
    let call = pair.client.call(Bytes::from_static(b"x")).unwrap();
    let mut held = Vec::new();
    assert_eq!(pair.run(|_, event| held.push(event.clone())), []);
    pair.server.go_away();
    assert_eq!(pair.run(echo), [ClientEvent::GoingAway { reason: String::new() }]);
    assert_eq!(pair.client.call(Bytes::new()), None);
    assert_eq!(pair.client.open_stream(), None);
    echo(&mut pair.server, &held[0]);
    assert_eq!(pair.run(echo), [message(call, b"x"), ok(call)]);
}

#[test]
fn calls_that_a_leaving_server_has_not_seen_are_told_apart() {
    let mut client = met();
    for _ in 0..3 {
        client.call(Bytes::new());
    }
    let payload = [&3u32.to_be_bytes()[..], &11u32.to_be_bytes(), b"too many pings"].concat();
    let seen = fed(&mut client, &raw::frame(kind::GOAWAY, 0, 0, &payload));
    let reason = "too many pings".to_owned();
    assert_eq!(seen, [ended(5, 14, "the server is going away"), ClientEvent::GoingAway { reason }]);
    assert_eq!(client.calls_count(), 2);
}

#[test]
fn no_more_calls_are_open_than_the_server_allows() {
    let mut client = GrpcClient::new("a:1");
    client.feed(&raw::setting(setting::MAX_CONCURRENT_STREAMS, 2));
    client.take_output();
    let calls: Vec<_> = (0..4).map(|_| client.call(Bytes::new()).unwrap()).collect();
    let opened = |client: &mut GrpcClient| frames(client).iter().filter(|frame| frame.0 == kind::HEADERS).count();
    assert_eq!(opened(&mut client), 2);
    client.cancel(calls[2]);
    let trailers = [&ANSWERED[..], &[("grpc-status", "0")]].concat();
    assert_eq!(fed(&mut client, &head(1, flag::END_STREAM, &trailers)), [ok(1)]);
    assert_eq!(opened(&mut client), 1);
    assert_eq!(client.calls_count(), 2);
    // What the server was never told of cannot be answered.
    let call = client.call(Bytes::new()).unwrap();
    assert!(matches!(fed(&mut client, &head(call, 0, &ANSWERED))[..], [ClientEvent::Closed { .. }]));
}

fn frames(client: &mut GrpcClient) -> Vec<(u8, u32)> {
    let output = client.take_output();
    let mut rest = output.as_slice();
    let mut found = Vec::new();
    while let Some(head) = frame::FrameHead::read(rest) {
        found.push((head.kind, head.stream));
        rest = &rest[frame::HEAD_BYTES + head.len..];
    }
    found
}

#[test]
fn a_cancelled_call_is_reset_and_its_late_answer_ignored() {
    let mut client = met();
    let call = client.call(Bytes::new()).unwrap();
    client.take_output();
    client.cancel(call);
    assert_eq!(frames(&mut client), [(kind::RST_STREAM, call)]);
    assert_eq!(fed(&mut client, &head(call, 0, &ANSWERED)), []);
    assert_eq!(fed(&mut client, &raw::frame(kind::DATA, 0, call, b"\0\0\0\0\x01x")), []);
}

#[test]
fn pings_are_answered() {
    let mut client = met();
    client.feed(&raw::frame(kind::PING, 0, 0, b"12345678"));
    assert_eq!(client.take_output(), raw::frame(kind::PING, flag::ACK, 0, b"12345678"));
    client.feed(&raw::frame(kind::PING, flag::ACK, 0, b"12345678"));
    assert_eq!(client.take_output(), b"");
}

#[test]
fn what_is_no_grpc_is_told_with_what_it_is() {
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[(":status", "404")], "the server answers with HTTP status 404"),
        (&[(":status", "200"), ("content-type", "text/html")], "the server answers something else than gRPC"),
        (&[("content-type", "application/grpc")], "the server answers without an HTTP status"),
        (&[(":status", "503"), ("grpc-status", "0")], "the server answers with HTTP status 503"),
    ];
    for (headers, text) in cases {
        let mut client = met();
        let call = client.call(Bytes::new()).unwrap();
        assert_eq!(fed(&mut client, &head(call, flag::END_STREAM, headers)), [ended(call, 14, text)]);
    }
    for greeting in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"SSH-2.0-OpenSSH_9.6"] {
        let reason = "the server does not speak HTTP/2";
        assert_eq!(fed(&mut GrpcClient::new("a:1"), greeting), [closed(reason)]);
    }
}

#[test]
fn broken_answers_end_their_call_and_no_other() {
    let cut = [head(1, 0, &ANSWERED), raw::frame(kind::DATA, 0, 1, b"\0\0\0\0\x05ha")].concat();
    let done = head(1, flag::END_STREAM, &[("grpc-status", "0")]);
    let cases: [(Vec<u8>, u8, &str); 6] = [
        ([cut.as_slice(), &done].concat(), 13, "the answer ended inside a message"),
        (head(1, flag::END_STREAM, &ANSWERED), 13, "the answer ended without a status"),
        (
            [head(1, 0, &ANSWERED), raw::frame(kind::DATA, flag::END_STREAM, 1, b"")].concat(),
            13,
            "the answer ended without a status",
        ),
        (raw::frame(kind::DATA, 0, 1, b"x"), 13, "a message came before the headers of the answer"),
        (raw::number(kind::RST_STREAM, 1, 7), 14, "the server refused the call"),
        (raw::number(kind::RST_STREAM, 1, 2), 13, "the server reset the call with HTTP/2 error code 2"),
    ];
    for (bytes, code, text) in cases {
        let mut client = met();
        let (call, other) = (client.call(Bytes::new()).unwrap(), client.call(Bytes::new()).unwrap());
        assert_eq!(fed(&mut client, &bytes), [ended(call, code, text)]);
        let answer = [&ANSWERED[..], &[("grpc-status", "0")]].concat();
        assert_eq!(fed(&mut client, &head(other, flag::END_STREAM, &answer)), [ok(other)]);
    }
}

#[test]
fn broken_frames_end_the_connection_with_a_reason() {
    let cases: [(Vec<u8>, &str); 6] = [
        (raw::frame(kind::PUSH_PROMISE, 0, 1, b""), "the server may not push"),
        (raw::frame(kind::DATA, 0, 9, b""), "a frame for a call that was never made"),
        (raw::number(kind::WINDOW_UPDATE, 0, 0), "a window update of nothing"),
        (raw::number(kind::WINDOW_UPDATE, 0, 0x7fff_ffff), "the connection's window is too large"),
        (raw::frame(kind::HEADERS, flag::END_HEADERS, 1, &[0xff]), "the response headers cannot be decoded"),
        (raw::frame(kind::CONTINUATION, 0, 1, b""), "CONTINUATION of nothing"),
    ];
    for (bytes, reason) in cases {
        let mut client = met();
        client.call(Bytes::new());
        assert_eq!(fed(&mut client, &bytes), [closed(reason)]);
        assert!(client.is_closed());
        assert_eq!(fed(&mut client, &bytes), []);
    }
}

#[test]
fn the_end_of_a_connection_is_told_once() {
    let mut client = met();
    client.feed(b"\0");
    client.closed_by_peer();
    client.closed_by_peer();
    assert_eq!(fed(&mut client, b"x"), [closed("the connection ended inside a frame")]);
    let mut silent = GrpcClient::new("a:1");
    silent.closed_by_peer();
    assert_eq!(fed(&mut silent, b""), [closed("the server closed the connection before it had said anything")]);
}

#[test]
fn long_authorities_are_spelled_with_a_longer_length() {
    let mut pair = Pair::new();
    pair.client = GrpcClient::new(&format!("{}:9848", "a".repeat(250)));
    let call = pair.client.call(Bytes::from_static(b"x")).unwrap();
    assert_eq!(pair.run(echo), [message(call, b"x"), ok(call)]);
}

/// What a server said in a conversation with a stream, large and small messages, and refusals.
fn conversation(piece_bytes: usize) -> (Vec<u8>, Vec<ClientEvent>) {
    let mut pair = Pair::new();
    pair.piece_bytes = piece_bytes;
    let seen = talk(&mut pair.client);
    assert_eq!(seen, 8);
    let events = pair.run(|server, event| match event {
        GrpcEvent::Message { call: 5, .. } => server.finish(5, Status::new(3, "no")),
        _ => echo(server, event),
    });
    (pair.recorded, events)
}

fn talk(client: &mut GrpcClient) -> usize {
    let stream = client.open_stream().unwrap();
    client.send(stream, Bytes::from_static(b"set-up"));
    (0..7).filter_map(|n| client.call(Bytes::from(vec![n; 1 << (n * 2)]))).count() + 1
}

#[test]
fn an_answer_byte_by_byte_gives_the_same_events() {
    let (recorded, whole) = conversation(1 << 20);
    assert_eq!(whole.len(), 1 + 7 * 2 - 1);
    let mut client = GrpcClient::new("a:1");
    talk(&mut client);
    let mut seen = Vec::new();
    for byte in &recorded {
        client.feed(std::slice::from_ref(byte));
        client.poll(&mut seen);
    }
    assert_eq!(seen, whole);
    assert_eq!(conversation(7).1, whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_answer_in_any_pieces_gives_the_same_events(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let (recorded, whole) = conversation(1 << 20);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(recorded.len() + 1)).collect();
        at.extend([0, recorded.len()]);
        at.sort_unstable();
        let mut client = GrpcClient::new("a:1");
        talk(&mut client);
        let mut seen = Vec::new();
        for pair in at.windows(2) {
            client.feed(&recorded[pair[0]..pair[1]]);
            client.poll(&mut seen);
        }
        prop_assert_eq!(seen, whole);
    }

    #[test]
    fn an_answer_damaged_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        piece_bytes in 1usize..2000,
    ) {
        let (mut damaged, _) = conversation(1 << 20);
        let len = damaged.len().min(3000);
        for (at, byte) in changes {
            damaged[at.index(len)] = byte;
        }
        let mut client = GrpcClient::new("a:1");
        talk(&mut client);
        for piece in damaged.chunks(piece_bytes) {
            client.feed(piece);
            prop_assert!(client.input.len() < frame::HEAD_BYTES + frame::PAYLOAD_BYTES_MAX);
        }
    }

    #[test]
    fn frames_of_random_content_never_panic(
        frames in prop::collection::vec(
            (0u8..11, any::<u8>(), 0u32..20, prop::collection::vec(any::<u8>(), 0..40)), 0..60),
    ) {
        let mut client = met();
        talk(&mut client);
        for (kind, flags, call, payload) in frames {
            client.feed(&raw::frame(kind, flags, call, &payload));
            client.call(Bytes::from_static(b"x"));
        }
        prop_assert_eq!(client.open_count as usize, client.calls.values().filter(|call| call.is_open).count());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fed(&mut GrpcClient::new("a:1"), &bytes);
        fed(&mut met(), &bytes);
    }
}

/// The general implementation, as a server: an independent reader of what this client writes.
mod h2_server {
    use super::*;
    use std::future::Future;
    use std::io;
    use std::pin::{Pin, pin};
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll, Waker};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<(Vec<u8>, Vec<u8>)>>);

    impl AsyncRead for Memory {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let waiting = &mut self.0.lock().unwrap().0;
            if waiting.is_empty() {
                return Poll::Pending;
            }
            let len = waiting.len().min(buffer.remaining());
            buffer.put_slice(&waiting[..len]);
            waiting.drain(..len);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Memory {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().1.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn reads_the_calls_and_its_answers_are_read() {
        let memory = Memory::default();
        let mut client = GrpcClient::new("127.0.0.1:9848");
        let mut context = Context::from_waker(Waker::noop());
        let mut handshake = pin!(h2::server::handshake(memory.clone()));
        memory.0.lock().unwrap().0.extend(client.take_output());
        let Poll::Ready(Ok(mut server)) = handshake.as_mut().poll(&mut context) else { panic!("no handshake") };
        let calls = [client.call(Bytes::from_static(b"one")), client.call(Bytes::from_static(b"two"))];
        let mut seen = Vec::new();
        for _ in 0..8 {
            memory.0.lock().unwrap().0.extend(client.take_output());
            if let Poll::Ready(Some(Ok((request, mut respond)))) = server.poll_accept(&mut context) {
                assert_eq!(request.uri(), "http://127.0.0.1:9848/Request/request");
                assert_eq!((request.headers()["te"].as_bytes(), request.method().as_str()), (&b"trailers"[..], "POST"));
                let answer = http::Response::builder().header("content-type", "application/grpc+proto");
                let mut body = respond.send_response(answer.body(()).unwrap(), false).unwrap();
                body.send_data(Bytes::from_static(b"\0\0\0\0\x04echo"), false).unwrap();
                let mut trailers = http::HeaderMap::new();
                trailers.insert("grpc-status", "5".parse().unwrap());
                trailers.insert("grpc-message", "not%20here".parse().unwrap());
                body.send_trailers(trailers).unwrap();
            }
            let _ = server.poll_closed(&mut context);
            client.feed(&std::mem::take(&mut memory.0.lock().unwrap().1));
            client.poll(&mut seen);
        }
        let expected = calls.iter().flat_map(|call| {
            let call = call.unwrap();
            [message(call, b"echo"), ended(call, 5, "not here")]
        });
        assert_eq!(seen, expected.collect::<Vec<_>>());
    }
}
