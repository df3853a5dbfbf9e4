//! What an idle connection costs, counted by the allocator itself.

use nacos_core::grpc::payload::encode;
use nacos_core::grpc::{Grpc, GrpcEvent};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE_BYTES: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system allocator unchanged; the counter touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.with(|live| live.set(live.get().wrapping_add(layout.size())));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.with(|live| live.set(live.get().wrapping_sub(layout.size())));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn live_bytes() -> usize {
    LIVE_BYTES.with(Cell::get)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn header_block(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    for (name, value) in [(":path", path), (":authority", "127.0.0.1:9848"), ("content-type", "application/grpc")] {
        block.push(0x40);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

fn data(message: &[u8]) -> Vec<u8> {
    let mut data = vec![0];
    data.extend_from_slice(&(message.len() as u32).to_be_bytes());
    data.extend_from_slice(message);
    data
}

/// A client that registered, opened its stream, made one large call and some small ones, and then fell silent.
fn idle_connection(events: &mut Vec<GrpcEvent>) -> Grpc {
    let mut server = Grpc::new();
    let mut input = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(4, 0, 0, &[], &mut input);
    frame(4, 1, 0, &[], &mut input);
    frame(1, 4, 1, &header_block("/BiRequestStream/requestBiStream"), &mut input);
    frame(0, 0, 1, &data(&encode("ConnectionSetupRequest", b"{}")), &mut input);
    let large = data(&encode("ConfigPublishRequest", &vec![b'x'; 100_000]));
    for stream in (3..100).step_by(2) {
        frame(1, 4, stream, &header_block("/Request/request"), &mut input);
        if stream == 3 {
            for piece in large.chunks(16_000) {
                frame(0, 0, stream, piece, &mut input);
            }
            frame(0, 1, stream, &[], &mut input);
        } else {
            frame(0, 1, stream, &data(&encode("HealthCheckRequest", b"{}")), &mut input);
        }
    }
    for piece in input.chunks(65_536) {
        server.feed(piece);
        server.poll(events);
        for event in events.drain(..) {
            match event {
                GrpcEvent::Message { call: 1, .. } => {}
                GrpcEvent::Message { call, .. } => server.reply_payload(call, "HealthCheckResponse", &[b"{}"]),
                other => panic!("{other:?}"),
            }
        }
        server.poll(events);
        server.output().clear();
    }
    server
}

#[test]
fn grpc_connection_idle_takes_less_than_12_kib() {
    let mut events = Vec::with_capacity(1000);
    drop(idle_connection(&mut events));
    let before = live_bytes();
    let server = idle_connection(&mut events);
    let idle_bytes = live_bytes() - before + size_of::<Grpc>();
    println!("an idle gRPC connection takes {idle_bytes} bytes");
    assert!(idle_bytes < 12 * 1024, "{idle_bytes} bytes");
    drop(server);
}
