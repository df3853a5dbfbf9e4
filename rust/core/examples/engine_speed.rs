//! Requests per second through each wire engine in memory, without a socket: `cargo run --release --example
//! engine_speed`. The gRPC client is prepared bytes, so that nearly all of the time is the server's. On Linux it is
//! processor time that is counted, so that what else runs on the machine disturbs less.

use bytes::Bytes;
use nacos_core::grpc::payload::encode;
use nacos_core::grpc::{Grpc, GrpcEvent};
use nacos_core::http1::{Http1, Step};
use nacos_core::serve::{Hub, HubSettings, Owner};
use std::time::{Duration, Instant};

const RUN: Duration = Duration::from_millis(1500);

fn main() {
    http1();
    beats();
    for in_flight in [1, 32] {
        grpc(in_flight);
    }
}

/// Seconds that this program has run: on a processor if the system tells, else by the clock since `begun`.
fn seconds(begun: Instant) -> f64 {
    let on_processor = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        Some(text.split(' ').next()?.parse::<u64>().ok()? as f64 / 1e9)
    };
    on_processor().unwrap_or_else(|| begun.elapsed().as_secs_f64())
}

/// Runs `step`, which does `per_step` requests, for a while and prints the rate.
fn measure(name: &str, per_step: u32, mut step: impl FnMut()) {
    for _ in 0..1000 {
        step();
    }
    let begun = Instant::now();
    let before = seconds(begun);
    let mut count = 0u64;
    while begun.elapsed() < RUN {
        for _ in 0..100 {
            step();
        }
        count += 100 * u64::from(per_step);
    }
    let seconds = seconds(begun) - before;
    println!("{name:32} {:>10.0} /s {:>7.0} ns each", count as f64 / seconds, seconds * 1e9 / count as f64);
}

/// The whole way of a 1.x client's light beat through a node that stands alone.
fn beats() {
    let abilities = "{}".to_owned();
    let mut hub = Hub::new(HubSettings {
        digest_key: [7; 16],
        abilities,
        require_tokens: false,
        udp_push: true,
        retired: Vec::new(),
    });
    hub.set_ready(true);
    let connection = hub.open(Owner::Streams, ("10.0.0.9", 40_000), false, 0).expect("room");
    let ask = |method: &str, path: &str| {
        let head = format!("{method} {path}?serviceName=g%40%40demo&ip=10.0.0.1&port=80 HTTP/1.1\r\nHost: h\r\n\r\n");
        move |hub: &mut Hub| {
            hub.feed(connection, head.as_bytes(), 1);
            let out = hub.output(connection).expect("open");
            let length = out.len();
            out.clear();
            hub.output_taken(connection);
            hub.take_dirty_streams();
            length
        }
    };
    ask("POST", "/nacos/v1/ns/instance")(&mut hub);
    let beat = ask("PUT", "/nacos/v1/ns/instance/beat");
    measure("http beat through the hub", 1, || assert!(beat(&mut hub) > 100));
}

fn http1() {
    let request = b"GET /nacos/v1/ns/instance/list?serviceName=DEFAULT_GROUP%40%40demo&namespaceId=public HTTP/1.1\r\n\
        Host: 127.0.0.1:8848\r\nUser-Agent: Nacos-Java-Client:v1.4.6\r\nAccept-Encoding: gzip,deflate,sdch\r\n\
        Connection: Keep-Alive\r\nRequestId: 2a6f\r\n\r\n";
    let body = [b'x'; 300];
    let mut connection = Http1::new();
    let mut out = Vec::new();
    measure("http1 parse + respond", 1, || {
        out.clear();
        connection.feed(request);
        assert_eq!(connection.poll(&mut out), Step::Ready);
        connection.respond_raw(&mut out, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", &[&body]);
    });
    measure("http1 parse + params + respond", 1, || {
        out.clear();
        connection.feed(request);
        assert_eq!(connection.poll(&mut out), Step::Ready);
        let params = connection.request().params().expect("valid");
        assert_eq!(params.get("serviceName"), Some("DEFAULT_GROUP@@demo"));
        drop(params);
        connection.respond_raw(&mut out, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", &[&body]);
    });
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A header block as grpc-go and grpc-java send it from the second call on: everything indexed. The first one puts
/// the names and values into the dynamic table.
fn header_blocks() -> (Vec<u8>, Vec<u8>) {
    let mut first = vec![0x83, 0x86];
    let headers: [(&str, &str); 6] = [
        (":path", "/Request/request"),
        (":authority", "127.0.0.1:9848"),
        ("content-type", "application/grpc"),
        ("user-agent", "grpc-java-netty/1.64.0"),
        ("te", "trailers"),
        ("grpc-accept-encoding", "gzip"),
    ];
    for (name, value) in headers {
        first.push(0x40);
        for text in [name, value] {
            first.push(text.len() as u8);
            first.extend_from_slice(text.as_bytes());
        }
    }
    let next = vec![0x83, 0x86, 0xc3, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe];
    (first, next)
}

fn grpc(in_flight: u32) {
    let mut server = Grpc::new();
    let mut events = Vec::new();
    let mut input = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(4, 0, 0, &[], &mut input);
    frame(4, 1, 0, &[], &mut input);
    let (first, next) = header_blocks();
    let message = encode("HealthCheckRequest", br#"{"headers":{},"requestId":"17","module":"internal"}"#);
    let mut data = vec![0];
    data.extend_from_slice(&(message.len() as u32).to_be_bytes());
    data.extend_from_slice(&message);
    let mut stream = 1u32;
    let mut answered = 0u64;
    let reply = Bytes::from_static(br#"{"resultCode":200,"errorCode":0,"success":true}"#);
    let mut unacknowledged = 0u32;
    measure(&format!("grpc unary, {in_flight} in flight"), in_flight, || {
        for _ in 0..in_flight {
            frame(1, 4, stream, if stream == 1 { &first } else { &next }, &mut input);
            frame(0, 1, stream, &data, &mut input);
            stream += 2;
        }
        server.feed(&input);
        input.clear();
        server.poll(&mut events);
        for event in events.drain(..) {
            match event {
                GrpcEvent::Message { call, .. } => {
                    server.reply_payload(call, "HealthCheckResponse", &[&reply]);
                    answered += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        server.poll(&mut events);
        assert!(events.is_empty());
        unacknowledged += server.output().len() as u32;
        server.output().clear();
        if unacknowledged > 20_000 {
            frame(8, 0, 0, &unacknowledged.to_be_bytes(), &mut input);
            unacknowledged = 0;
        }
    });
    assert_eq!(answered, u64::from(stream / 2));
}
