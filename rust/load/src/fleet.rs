//! A fleet of publishers that is only there: batches over gRPC connections, and addresses that beat over HTTP.

use crate::connection::ConnectionError;
use crate::expect::{Expect, shown};
use crate::grpc_connection::{GrpcConnection, open_all};
use crate::http_connection::{HttpConnection, Requests};
use crate::options::Options;
use crate::template::Template;
use serde_json::{Value, json};
use std::io::Read as _;
use std::time::{Duration, Instant};

/// Instances of one connection in one service: such a request fits one HTTP/2 frame.
const BATCH_COUNT: u64 = 60;
/// How often an address beats, as 1.x clients do.
const BEAT_INTERVAL: Duration = Duration::from_secs(5);
/// How often a connection asks whether it lives, as clients do.
const ALIVE_INTERVAL: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(20);

/// Runs `fleet`: prints a line when all is registered and keeps it alive until standard input ends or the time is over.
/// None for another name.
pub fn run(options: &Options) -> Result<Option<Value>, ConnectionError> {
    if options.operation != "fleet" {
        return Ok(None);
    }
    let mut connections = open_all(options.grpc, options.connections)?;
    for (at, connection) in connections.iter_mut().enumerate() {
        let each = share(options.count, options.connections as u64, at as u64);
        for batch in 0..each.div_ceil(BATCH_COUNT) {
            let count = BATCH_COUNT.min(each - batch * BATCH_COUNT);
            connection.call("BatchInstanceRequest", &batch_request(options, at as u64, batch, count))?;
        }
    }
    let mut beating = HttpConnection::open(options.http, Requests::once(Template::default(), Expect::Success))?;
    for number in 0..options.beats {
        ask(&mut beating, options, "POST", "/nacos/v1/ns/instance", number)?;
    }
    println!("{}", json!({"held": options.count + options.beats}));
    let kept = keep_alive(options, &mut connections, &mut beating);
    kept.map(|beats| Some(json!({"operation": "fleet", "errors": 0, "beats": beats})))
}

/// How many of all instances one connection has: all are given out, and the first ones have one more.
fn share(count: u64, connections: u64, at: u64) -> u64 {
    count / connections + u64::from(at < count % connections)
}

fn batch_request(options: &Options, connection: u64, batch: u64, count: u64) -> Template {
    let service = format!("fleet-{}-{connection:03}-{batch:03}", options.name);
    let instances: Vec<Value> = (0..count)
        .map(|number| {
            json!({
                "ip": format!("10.{}.{}.{}", 50 + options.name % 100, connection % 250, batch % 250),
                "port": 10_000 + number, "weight": 1.0, "healthy": true, "enabled": true, "ephemeral": true,
                "clusterName": "DEFAULT", "serviceName": service,
                "metadata": {"version": "2.4.1", "zone": "zone-a"},
            })
        })
        .collect();
    let request = json!({
        "headers": {}, "namespace": "public", "serviceName": service, "groupName": "DEFAULT_GROUP",
        "type": "batchRegisterInstance", "instances": instances, "module": "naming",
    });
    Template::new(&request.to_string())
}

/// Registers or beats for one address.
fn ask(
    connection: &mut HttpConnection,
    options: &Options,
    method: &str,
    path: &str,
    number: u64,
) -> Result<(), ConnectionError> {
    let (ip, port) = (format!("10.{}.{}.9", 150 + options.name % 100, number / 100 % 250), 10_000 + number % 100);
    let service = format!("fleet-{}-beats-{:03}", options.name, number / 10 % 1000);
    let query = format!("serviceName={service}&groupName=DEFAULT_GROUP&namespaceId=public&ip={ip}&port={port}");
    let request = format!(
        "{method} {path}?{query}&ephemeral=true HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n",
        options.http
    );
    let (status, body) = connection.ask(request.as_bytes())?;
    let is_known = !body.windows(5).any(|part| part == b"20404");
    if status == 200 && is_known {
        return Ok(());
    }
    Err(ConnectionError::Refused(format!("{method} of an address: HTTP status {status}: {}", shown(&body))))
}

/// Gives how many beats there were.
fn keep_alive(
    options: &Options,
    connections: &mut [GrpcConnection],
    beating: &mut HttpConnection,
) -> Result<u64, ConnectionError> {
    let (ended, has_ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    let begin = Instant::now();
    let (mut beats, mut alive) = (0u64, 0u32);
    while begin.elapsed() < options.measured && has_ended.recv_timeout(TICK).is_err() {
        let due = (begin.elapsed().as_secs_f64() / BEAT_INTERVAL.as_secs_f64() * options.beats as f64) as u64;
        while beats < due {
            ask(beating, options, "PUT", "/nacos/v1/ns/instance/beat", beats % options.beats)?;
            beats += 1;
        }
        if begin.elapsed() >= ALIVE_INTERVAL * (alive + 1) {
            alive += 1;
            for connection in connections.iter_mut() {
                connection.call("HealthCheckRequest", &Template::new("{}"))?;
            }
        }
    }
    Ok(beats)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instance_is_given_to_some_connection() {
        for (count, connections) in [(30_000, 34), (30_000, 33), (7, 7), (3, 5), (0, 2)] {
            let shares: Vec<_> = (0..connections).map(|at| share(count, connections, at)).collect();
            assert_eq!(shares.iter().sum::<u64>(), count);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }
}
