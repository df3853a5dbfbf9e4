//! Push latency between two servers of a cluster: services change at one of them, subscribers wait at the other.
//!
//! Unlike the rounds of `push`, changes come at a steady rate and do not wait for each other.

use crate::connection::{Answer, Connection, ConnectionError, SCRATCH_BYTES};
use crate::grpc_connection::{GrpcConnection, open_all};
use crate::ledger::Ledger;
use crate::loads::first_serial;
use crate::options::Options;
use crate::push::{PUSH_TIMEOUT, count_missing};
use crate::template::Template;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The port of each service's only instance before its first change.
const PORT_FIRST: u64 = 10_000;
/// Quiet time before the changes begin, so that pushes of the subscriptions themselves have gone.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs `grpc-push-across`, or returns None for another name.
pub fn run(options: &Options) -> Result<Option<Ledger>, ConnectionError> {
    if options.operation != "grpc-push-across" { Ok(None) } else { measure(options).map(Some) }
}

/// What is changed: `count` services, the port of whose instance is the number of its changes.
struct Services {
    prefix: String,
    count: u64,
    /// When each change was sent, in nanoseconds since the beginning; 0: not yet.
    sent_ns: Vec<AtomicU64>,
}

impl Services {
    fn name(&self, service: u64) -> String {
        format!("{}-{service:05}", self.prefix)
    }

    fn registration(&self, service: u64, change: u64) -> Template {
        let name = self.name(service);
        let instance = json!({
            "ip": "10.4.0.1", "port": PORT_FIRST + change, "weight": 1.0, "healthy": true, "enabled": true,
            "ephemeral": true, "clusterName": "DEFAULT", "serviceName": name, "metadata": {"version": "2.4.1"},
        });
        let request = json!({
            "headers": {}, "namespace": "public", "serviceName": name, "groupName": "DEFAULT_GROUP",
            "type": "registerInstance", "instance": instance, "module": "naming",
        });
        Template::new(&request.to_string())
    }

    fn subscription(&self, service: u64) -> Template {
        let request = json!({
            "headers": {}, "namespace": "public", "serviceName": self.name(service), "groupName": "DEFAULT_GROUP",
            "subscribe": true, "clusters": "", "module": "naming",
        });
        Template::new(&request.to_string())
    }

    /// Which change of which service a push tells of; None for the instance before the first change.
    fn told(&self, body: &[u8]) -> Option<usize> {
        let json: Value = serde_json::from_slice(body).ok()?;
        let info = &json["serviceInfo"];
        let service: u64 = info["name"].as_str()?.strip_prefix(&self.prefix)?.trim_start_matches('-').parse().ok()?;
        let change = info["hosts"][0]["port"].as_u64()?.checked_sub(PORT_FIRST + 1)?;
        Some((change * self.count + service) as usize)
    }
}

fn measure(options: &Options) -> Result<Ledger, ConnectionError> {
    let rate = options.rate_per_second.unwrap_or(options.count as f64);
    let changes = (rate * options.measured.as_secs_f64()) as u64;
    let services = Services {
        prefix: format!("across-{}", first_serial() % 1_000_000),
        count: options.count,
        sent_ns: (0..changes).map(|_| AtomicU64::new(0)).collect(),
    };
    let mut publishers = open_all(options.grpc, options.connections)?;
    let mut subscribers = open_all(options.watch, options.connections)?;
    for service in 0..services.count {
        let at = service as usize % options.connections;
        publishers[at].call("InstanceRequest", &services.registration(service, 0))?;
    }
    for service in 0..services.count {
        let at = service as usize % options.connections;
        subscribers[at].call("SubscribeServiceRequest", &services.subscription(service))?;
    }
    subscribers.iter_mut().for_each(GrpcConnection::keep_pushes);
    std::thread::sleep(PAUSE);

    let begin = Instant::now();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let listening = scope.spawn(|| listen(&mut subscribers, &services, begin, &is_over));
        let published = publish(&mut publishers, &services, begin, rate);
        is_over.store(true, Relaxed);
        let ledger = listening.join().expect("the listening thread does not panic")?;
        published.map(|()| ledger)
    })
}

/// Makes each change at its time.
fn publish(
    publishers: &mut [GrpcConnection],
    services: &Services,
    begin: Instant,
    rate: f64,
) -> Result<(), ConnectionError> {
    for (number, sent_ns) in services.sent_ns.iter().enumerate() {
        let due = Duration::from_secs_f64(number as f64 / rate);
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
        let (service, change) = (number as u64 % services.count, number as u64 / services.count);
        sent_ns.store((begin.elapsed().as_nanos() as u64).max(1), Relaxed);
        let at = service as usize % publishers.len();
        publishers[at].call("InstanceRequest", &services.registration(service, change + 1))?;
    }
    Ok(())
}

/// Hears of changes until the last one was made and heard of, or nothing came for long.
fn listen(
    subscribers: &mut [GrpcConnection],
    services: &Services,
    begin: Instant,
    is_over: &AtomicBool,
) -> Result<Ledger, ConnectionError> {
    let mut poll = Poll::new()?;
    for (index, connection) in subscribers.iter_mut().enumerate() {
        connection.socket().set_nonblocking(true)?;
        let descriptor = connection.socket().as_raw_fd();
        poll.registry().register(&mut SourceFd(&descriptor), Token(index), Interest::READABLE)?;
        connection.receive(&mut vec![0; SCRATCH_BYTES], &mut Vec::new())?;
        connection.take_pushes();
    }
    let mut ledger = Ledger::new();
    let mut waiting = vec![true; services.sent_ns.len()];
    let (mut events, mut scratch) = (Events::with_capacity(1024), vec![0; SCRATCH_BYTES]);
    let mut heard_at = Instant::now();
    while waiting.contains(&true) && (!is_over.load(Relaxed) || heard_at.elapsed() < PUSH_TIMEOUT) {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let connection = &mut subscribers[event.token().0];
            connection.receive(&mut scratch, &mut Vec::new())?;
            let now_ns = begin.elapsed().as_nanos() as u64;
            for push in connection.take_pushes() {
                let told = services.told(&push.body).filter(|number| waiting.get(*number) == Some(&true));
                if let Some(number) = told {
                    waiting[number] = false;
                    heard_at = Instant::now();
                    let started_ns = services.sent_ns[number].load(Relaxed);
                    ledger.record(&Answer { started_ns, failure: None }, now_ns, true);
                }
            }
        }
    }
    count_missing(&mut ledger, &waiting);
    Ok(ledger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_names_its_change() {
        let services = Services { prefix: "across-1".into(), count: 10, sent_ns: Vec::new() };
        let push = |port: u64| json!({"serviceInfo": {"name": "across-1-00003", "hosts": [{"port": port}]}});
        let told = |port| services.told(push(port).to_string().as_bytes());
        assert_eq!((told(10_000), told(10_001), told(10_003)), (None, Some(3), Some(23)));
        assert_eq!(services.told(b"{}"), None);
        let mut json = Vec::new();
        services.registration(3, 2).write(0, 0, &mut json);
        let json: Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!((&json["serviceName"], &json["instance"]["port"]), (&json!("across-1-00003"), &json!(10_002)));
    }
}
