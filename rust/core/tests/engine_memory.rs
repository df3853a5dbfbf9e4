//! What a connection costs when it is idle, and at most, counted by the allocator itself.

use nacos_core::grpc::payload::encode;
use nacos_core::grpc::{Grpc, GrpcEvent, Method};
use nacos_core::http1::{Http1, Step};
use nacos_core::limits;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
    static PEAK_BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system allocator unchanged; the counter touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Signed, for a thread may free what another one has allocated.
        LIVE_BYTES.set(LIVE_BYTES.get() + layout.size() as isize);
        PEAK_BYTES.set(PEAK_BYTES.get().max(LIVE_BYTES.get()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.set(LIVE_BYTES.get() - layout.size() as isize);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that `make` leaves allocated in what it returns, the value itself included.
fn cost_bytes<T>(make: impl Fn() -> T) -> isize {
    // Once in vain, so that what is made once for all is there already.
    drop(make());
    let before = LIVE_BYTES.get();
    let made = make();
    let cost = LIVE_BYTES.get() - before + size_of::<T>() as isize;
    drop(made);
    cost
}

/// The most that was allocated at any time during `run`, beyond what was before it.
fn peak_bytes(run: impl FnOnce()) -> isize {
    let before = LIVE_BYTES.get();
    PEAK_BYTES.set(before);
    run();
    PEAK_BYTES.get() - before
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

/// What a client sends to open its stream, and then, `rounds` times, calls that are `in_flight` together.
fn conversation(rounds: u32, in_flight: u32) -> Vec<Vec<u8>> {
    let mut input = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(4, 0, 0, &[], &mut input);
    frame(4, 1, 0, &[], &mut input);
    // Window enough for all answers.
    frame(8, 0, 0, &(1u32 << 30).to_be_bytes(), &mut input);
    frame(1, 4, 1, &header_block("/BiRequestStream/requestBiStream"), &mut input);
    frame(0, 0, 1, &data(&encode("ConnectionSetupRequest", b"{}")), &mut input);
    let mut inputs = vec![input];
    for round in 0..rounds {
        let mut input = Vec::new();
        for call in 0..in_flight {
            let stream = 3 + 2 * (round * in_flight + call);
            frame(1, 4, stream, &header_block("/Request/request"), &mut input);
            frame(0, 1, stream, &data(&encode("HealthCheckRequest", b"{}")), &mut input);
        }
        inputs.push(input);
    }
    inputs
}

fn large_call(stream: u32, message_bytes: usize) -> Vec<u8> {
    let mut input = Vec::new();
    frame(1, 4, stream, &header_block("/Request/request"), &mut input);
    for piece in data(&vec![b'x'; message_bytes]).chunks(16_000) {
        frame(0, 0, stream, piece, &mut input);
    }
    frame(0, 1, stream, &[], &mut input);
    input
}

/// Answers all that it is fed, as a driver does that reads at most 64 KiB at once.
fn serve(inputs: &[Vec<u8>]) -> Grpc {
    let mut server = Grpc::new();
    let mut events = Vec::with_capacity(1000);
    for piece in inputs.iter().flat_map(|input| input.chunks(65_536)) {
        server.feed(piece);
        server.poll(&mut events);
        for event in events.drain(..) {
            if let GrpcEvent::Message { call, method: Method::Request, .. } = event {
                server.reply_payload(call, "HealthCheckResponse", &[b"{}"]);
            }
        }
        server.poll(&mut events);
        let written = server.output().len();
        server.wrote(written);
    }
    assert!(!server.is_closed());
    server
}

#[test]
fn grpc_connection_that_beats_now_and_then_is_small() {
    let inputs = conversation(100, 1);
    let cost = cost_bytes(|| serve(&inputs));
    println!("a gRPC connection with one call at a time, idle: {cost} bytes");
    assert!(cost < 3 * 1024, "{cost} bytes");
}

#[test]
fn grpc_connection_after_a_burst_is_below_12_kib() {
    let mut inputs = conversation(10, 500);
    inputs.push(large_call(20_001, 1_000_000));
    let cost = cost_bytes(|| serve(&inputs));
    println!("a gRPC connection after 500 calls in flight and a large message, idle: {cost} bytes");
    assert!(cost < 12 * 1024, "{cost} bytes");
}

#[test]
fn grpc_message_that_is_only_claimed_costs_nothing() {
    let mut inputs = conversation(0, 0);
    let claimed = [&[0][..], &(limits::GRPC_MESSAGE_BYTES_MAX as u32).to_be_bytes(), b"x"].concat();
    let mut claims = Vec::new();
    for call in 1..500 {
        frame(1, 4, call * 2 + 1, &header_block("/Request/request"), &mut claims);
        frame(0, 0, call * 2 + 1, &claimed, &mut claims);
    }
    inputs.push(claims);
    let peak = peak_bytes(|| drop(serve(&inputs)));
    println!("500 calls that claim 10 MiB each: {peak} bytes");
    assert!(peak < 256 * 1024, "{peak} bytes");
}

fn http1(request: &[u8]) -> Http1 {
    let mut connection = Http1::new();
    let mut out = Vec::new();
    for piece in request.chunks(65_536) {
        connection.feed(piece);
        while connection.poll(&mut out) == Step::Ready {
            connection.respond(&mut out, 200, &[], b"ok");
        }
    }
    connection
}

#[test]
fn http1_connection_idle_is_small() {
    let small = b"GET /nacos/v1/ns/instance/list?serviceName=demo HTTP/1.1\r\nHost: 127.0.0.1:8848\r\n\r\n".repeat(100);
    let head = "POST /nacos/v1/cs/configs HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";
    let large = [head.as_bytes(), &[b'x'; 1_000_000]].concat();
    for request in [small, large] {
        let cost = cost_bytes(|| http1(&request));
        println!("an HTTP/1.1 connection, idle: {cost} bytes");
        assert!(cost < 5 * 1024, "{cost} bytes");
    }
}

#[test]
fn http1_body_that_is_only_claimed_costs_nothing() {
    let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\nx", limits::BODY_BYTES_MAX);
    let peak = peak_bytes(|| drop(http1(head.as_bytes())));
    assert!(peak < 4 * 1024, "{peak} bytes");
}
