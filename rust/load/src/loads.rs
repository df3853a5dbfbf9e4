//! The operations that are measured by how many requests a second a server answers.

use crate::connection::ConnectionError;
use crate::driver::{self, Outcome, Plan};
use crate::expect::{Expect, shown};
use crate::grpc_connection::open_all;
use crate::http_connection::{HttpConnection, Requests};
use crate::options::Options;
use crate::requests::{self as make, KEYS_COUNT, Place};
use crate::template::Template;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a server may take until reads see what was written for them.
const VISIBLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs an HTTP or gRPC load, or returns None for a name that is none of them.
pub fn run(options: &Options) -> Result<Option<Outcome>, ConnectionError> {
    let outcome = match options.operation.as_str() {
        name if HTTP.contains(&name) => run_http(options)?,
        name if GRPC.contains(&name) => run_grpc(options)?,
        _ => return Ok(None),
    };
    Ok(Some(outcome))
}

const HTTP: [&str; 6] =
    ["http-list", "http-register", "http-beat", "http-config-get", "http-config-publish", "http-config-listen"];
const GRPC: [&str; 7] = [
    "grpc-query",
    "grpc-register",
    "grpc-beat",
    "grpc-subscribe",
    "grpc-config-get",
    "grpc-config-publish",
    "grpc-config-listen",
];

/// A serial number that no earlier run has used: runs take longer than they send requests in microseconds.
pub fn first_serial() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

fn plan(options: &Options) -> Plan {
    Plan {
        warm_up: options.warm_up,
        measured: options.measured,
        rate_per_second: options.rate_per_second,
        quota: None,
        pid: options.pid,
    }
}

fn places(options: &Options) -> impl Iterator<Item = Place> {
    let connections = options.connections as u64;
    (0..connections).map(move |connection| Place { connection, connections })
}

fn run_http(options: &Options) -> Result<Outcome, ConnectionError> {
    seed(options)?;
    let serial = first_serial();
    let mut connections = Vec::with_capacity(options.connections);
    for place in places(options) {
        let (template, expect) = http_requests(options, place);
        let requests = Requests { template, expect, serial: serial + place.connection, serial_step: place.connections };
        connections.push(HttpConnection::open(options.http, requests)?);
    }
    driver::run(&mut connections, &plan(options))
}

fn http_requests(options: &Options, place: Place) -> (Template, Expect) {
    let host = &options.http.to_string();
    match options.operation.as_str() {
        "http-list" => (make::http_list(host, options.instances), Expect::Hosts(options.instances as usize)),
        "http-register" => (make::http_register(host, place), Expect::Text("ok".to_owned())),
        "http-beat" => (make::http_beat(host, place), Expect::KnownBeat),
        "http-config-get" => (make::http_config_get(host), Expect::Text(make::content(0))),
        "http-config-publish" => (make::http_config_publish(host, place), Expect::Text("true".to_owned())),
        _ => (make::http_config_listen(host), Expect::Mention("load-config-".to_owned())),
    }
}

fn run_grpc(options: &Options) -> Result<Outcome, ConnectionError> {
    seed(options)?;
    let serial = first_serial();
    let mut connections = open_all(options.grpc, options.connections)?;
    for (connection, place) in connections.iter_mut().zip(places(options)) {
        let (kind, json, expect) = grpc_requests(options, place);
        let template = crate::payload::grpc_message(kind, &json);
        let requests = Requests { template, expect, serial: serial + place.connection, serial_step: place.connections };
        connection.prepare(requests, options.in_flight)?;
    }
    driver::run(&mut connections, &plan(options))
}

fn grpc_requests(options: &Options, place: Place) -> (&'static str, Template, Expect) {
    let hosts = Expect::Hosts(options.instances as usize);
    match options.operation.as_str() {
        "grpc-query" => ("ServiceQueryRequest", make::grpc_query(options.instances), hosts),
        "grpc-register" => {
            let json = make::grpc_register(place, "grpc-register", make::REGISTERED_COUNT);
            ("InstanceRequest", json, Expect::Success)
        }
        "grpc-beat" => ("HealthCheckRequest", Template::new(r#"{"headers":{},"module":"internal"}"#), Expect::Success),
        "grpc-subscribe" => ("SubscribeServiceRequest", make::grpc_subscribe(), Expect::Hosts(1)),
        "grpc-config-get" => ("ConfigQueryRequest", make::grpc_config_get(), Expect::Content(make::content(0))),
        "grpc-config-publish" => ("ConfigPublishRequest", make::grpc_config_publish(place), Expect::Success),
        _ => ("ConfigBatchListenRequest", make::grpc_config_listen(), Expect::NoChange),
    }
}

/// Writes what the load will read, over one HTTP connection, and waits until reads see it.
fn seed(options: &Options) -> Result<(), ConnectionError> {
    let host = &options.http.to_string();
    match options.operation.as_str() {
        "http-list" | "grpc-query" => seed_services(options, options.instances),
        "grpc-subscribe" => seed_services(options, 1),
        "http-beat" => {
            for place in places(options) {
                write(options, &make::http_beat_seed(host, place), make::BEATEN_COUNT, "ok")?;
            }
            Ok(())
        }
        "http-config-get" | "http-config-listen" | "grpc-config-get" | "grpc-config-listen" => {
            write(options, &make::http_config_seed(host), KEYS_COUNT, "true")?;
            wait_visible(options, &make::http_config_get(host), &Expect::Text(make::content(0)))
        }
        _ => Ok(()),
    }
}

fn seed_services(options: &Options, instances: u64) -> Result<(), ConnectionError> {
    let host = &options.http.to_string();
    write(options, &make::http_list_seed(host, instances), KEYS_COUNT * instances, "ok")?;
    wait_visible(options, &make::http_list(host, instances), &Expect::Hosts(instances as usize))
}

/// Sends `count` requests of a template one after the other; each must be answered with this text.
fn write(options: &Options, template: &Template, count: u64, answer: &str) -> Result<(), ConnectionError> {
    let expect = Expect::Text(answer.to_owned());
    let mut connection = asking(options)?;
    for number in 0..count {
        let (status, body) = connection.ask(&rendered(template, number))?;
        if status != 200 || expect.check(&body).is_err() {
            let message = format!("a preparing request was refused: HTTP status {status}: {}", shown(&body));
            return Err(ConnectionError::Refused(message));
        }
    }
    Ok(())
}

fn wait_visible(options: &Options, template: &Template, expect: &Expect) -> Result<(), ConnectionError> {
    let begin = Instant::now();
    let mut connection = asking(options)?;
    for number in 0..KEYS_COUNT {
        loop {
            let (status, body) = connection.ask(&rendered(template, number))?;
            match expect.check(&body) {
                Ok(()) if status == 200 => break,
                _ if begin.elapsed() < VISIBLE_TIMEOUT => std::thread::sleep(Duration::from_millis(20)),
                Ok(()) => return Err(ConnectionError::Refused(format!("HTTP status {status}"))),
                Err(error) => return Err(ConnectionError::Refused(format!("what was written is not seen: {error}"))),
            }
        }
    }
    Ok(())
}

/// A connection for requests of its own.
pub fn asking(options: &Options) -> Result<HttpConnection, ConnectionError> {
    HttpConnection::open(options.http, Requests::once(Template::default(), Expect::Success))
}

fn rendered(template: &Template, number: u64) -> Vec<u8> {
    let mut request = Vec::new();
    template.write(number, 0, &mut request);
    request
}
