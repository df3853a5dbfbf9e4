//! A peer that writes frames by hand, right or wrong.

use crate::grpc::frame::{self, FrameHead, HEAD_BYTES, flag, kind};
use crate::grpc::{Grpc, GrpcEvent};

/// One frame that the server wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::grpc) struct Frame {
    pub(in crate::grpc) kind: u8,
    pub(in crate::grpc) flags: u8,
    pub(in crate::grpc) stream: u32,
    pub(in crate::grpc) payload: Vec<u8>,
}

pub(in crate::grpc) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::write_head(&mut out, payload.len(), kind, flags, stream);
    out.extend_from_slice(payload);
    out
}

/// What every client begins with.
pub(in crate::grpc) fn opening() -> Vec<u8> {
    [frame::PREFACE, &frame(kind::SETTINGS, 0, 0, &[])].concat()
}

/// A header block in literals that enter no table.
pub(in crate::grpc) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

pub(in crate::grpc) const REQUEST: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":path", "/Request/request"), ("content-type", "application/grpc")];

/// A whole unary call with a message of one byte.
pub(in crate::grpc) fn unary(stream: u32) -> Vec<u8> {
    let headers = frame(kind::HEADERS, flag::END_HEADERS, stream, &block(&REQUEST));
    [headers, frame(kind::DATA, flag::END_STREAM, stream, b"\0\0\0\0\x01x")].concat()
}

/// A stream that has been opened and has said one byte.
pub(in crate::grpc) fn stream(stream: u32) -> Vec<u8> {
    let mut headers = REQUEST;
    headers[2].1 = "/BiRequestStream/requestBiStream";
    let headers = frame(kind::HEADERS, flag::END_HEADERS, stream, &block(&headers));
    [headers, frame(kind::DATA, 0, stream, b"\0\0\0\0\x01x")].concat()
}

/// Opens such a stream; the answer's headers come at once.
pub(in crate::grpc) fn open_stream(server: &mut Grpc, id: u32) {
    let events = feed(server, &stream(id));
    assert!(matches!(events[..], [GrpcEvent::Message { call, .. }] if call == id), "{events:?}");
    let frames = written(server);
    assert!(matches!(frames[..], [Frame { kind: kind::HEADERS, flags: flag::END_HEADERS, .. }]), "{frames:?}");
}

pub(in crate::grpc) fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(kind::SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

pub(in crate::grpc) fn number(kind: u8, stream: u32, number: u32) -> Vec<u8> {
    frame(kind, 0, stream, &number.to_be_bytes())
}

/// A server that has met a well-behaved client so far.
pub(in crate::grpc) fn opened() -> Grpc {
    let mut server = Grpc::new();
    assert_eq!(feed(&mut server, &opening()), []);
    written(&mut server);
    server
}

pub(in crate::grpc) fn feed(server: &mut Grpc, bytes: &[u8]) -> Vec<GrpcEvent> {
    let mut events = Vec::new();
    server.feed(bytes);
    server.poll(&mut events);
    events
}

/// Takes the output, as frames.
pub(in crate::grpc) fn written(server: &mut Grpc) -> Vec<Frame> {
    let output = std::mem::take(server.output());
    let mut rest = output.as_slice();
    let mut frames = Vec::new();
    while let Some(head) = FrameHead::read(rest) {
        let payload = rest[HEAD_BYTES..HEAD_BYTES + head.len].to_vec();
        rest = &rest[HEAD_BYTES + head.len..];
        frames.push(Frame { kind: head.kind, flags: head.flags, stream: head.stream, payload });
    }
    assert!(rest.is_empty());
    frames
}

/// Data bytes that the server wrote on a stream.
pub(in crate::grpc) fn data_of(frames: &[Frame], stream: u32) -> Vec<u8> {
    frames
        .iter()
        .filter(|frame| frame.kind == kind::DATA && frame.stream == stream)
        .flat_map(|f| f.payload.clone())
        .collect()
}
