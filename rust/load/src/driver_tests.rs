use super::*;
use crate::expect::Expect;
use crate::http_connection::{HttpConnection, Requests};
use crate::template::Template;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

const REQUEST: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that handles each connection with this function in a thread of its own, until the client leaves.
fn server(handle: impl Fn(TcpStream) + Send + Copy + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || handle(socket));
        }
    });
    address
}

/// Answers every request with `answer` until the client leaves.
fn answer_all(mut socket: TcpStream, answer: &[u8]) {
    let mut request = [0; REQUEST.len()];
    while socket.read_exact(&mut request).is_ok() {
        if socket.write_all(answer).is_err() {
            return;
        }
    }
}

fn connections(address: SocketAddr, count: usize) -> Vec<HttpConnection> {
    let requests =
        Requests { template: Template::new(REQUEST), expect: Expect::Text("ok".into()), serial: 0, serial_step: 0 };
    (0..count).map(|_| HttpConnection::open(address, requests.clone()).expect("a listening server")).collect()
}

fn plan(measured_ms: u64) -> Plan {
    Plan { warm_up: Duration::from_millis(20), measured: Duration::from_millis(measured_ms), ..Plan::default() }
}

#[test]
fn a_closed_loop_answers_without_errors() {
    let address = server(|socket| answer_all(socket, GOOD));
    let plan = Plan { pid: Some(std::process::id()), ..plan(100) };
    let outcome = run(&mut connections(address, 4), &plan).expect("a load");
    assert_eq!((outcome.ledger.errors_count, &outcome.ledger.samples), (0, &vec![]));
    assert!(outcome.ledger.answers_count > 20);
    assert!((0.05..2.0).contains(&outcome.seconds));
    assert!(outcome.generator_cpu_seconds > 0.0 && outcome.generator_cpu_seconds <= outcome.seconds);
    assert!(outcome.server.is_some_and(|(before, after)| after.cpu_seconds >= before.cpu_seconds));
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let address = server(|socket| answer_all(socket, GOOD));
    let plan = Plan { rate_per_second: Some(500.0), ..plan(400) };
    let outcome = run(&mut connections(address, 4), &plan).expect("a load");
    let rate = outcome.ledger.answers_count as f64 / outcome.seconds;
    assert!((400.0..600.0).contains(&rate), "{rate}");
    assert_eq!(outcome.ledger.errors_count, 0);
}

#[test]
fn an_open_loop_counts_the_time_that_a_request_could_not_be_sent() {
    let address = server(|mut socket| {
        let mut request = [0; REQUEST.len()];
        let mut first = true;
        while socket.read_exact(&mut request).is_ok() {
            if std::mem::take(&mut first) {
                std::thread::sleep(Duration::from_millis(150));
            }
            if socket.write_all(GOOD).is_err() {
                return;
            }
        }
    });
    let plan = Plan { warm_up: Duration::ZERO, rate_per_second: Some(200.0), ..plan(300) };
    let outcome = run(&mut connections(address, 1), &plan).expect("a load");
    // About 30 requests fell due during the stop; only one was on the wire.
    assert!(outcome.ledger.latency_us(0.7) > 20_000.0, "{}", outcome.ledger.latency_us(0.7));
}

#[test]
fn a_quota_ends_the_load() {
    let address = server(|socket| answer_all(socket, GOOD));
    let plan = Plan { warm_up: Duration::ZERO, quota: Some(25), ..plan(5_000) };
    let outcome = run(&mut connections(address, 4), &plan).expect("a load");
    assert_eq!((outcome.ledger.answers_count, outcome.ledger.errors_count), (100, 0));
    assert!(outcome.seconds < 4.0);
}

#[test]
fn wrong_answers_are_errors() {
    let address = server(|socket| answer_all(socket, b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"));
    let outcome = run(&mut connections(address, 2), &plan(50)).expect("a load");
    assert_eq!(outcome.ledger.answers_count, 0);
    assert!(outcome.ledger.errors_count > 0);
    assert_eq!(outcome.ledger.samples, ["HTTP status 500: 0 bytes ``"]);
}

#[test]
fn a_server_that_leaves_ends_the_load_with_errors() {
    let address = server(|mut socket| {
        let mut request = [0; REQUEST.len()];
        let _ = socket.read_exact(&mut request);
    });
    let outcome = run(&mut connections(address, 3), &plan(5_000)).expect("a load");
    assert_eq!(outcome.ledger.errors_count, 3);
    assert!(outcome.ledger.samples[0].contains("closed"), "{:?}", outcome.ledger.samples);
}
