//! Push latency: one connection changes a service or a config, all others hear of it.
//!
//! Rounds follow each other: a change is only made when every subscriber has heard of the one before, because servers
//! merge changes that come close together.

use crate::connection::{Answer, Connection, ConnectionError, SCRATCH_BYTES};
use crate::grpc_connection::{GrpcConnection, Push, open_all};
use crate::ledger::Ledger;
use crate::loads::first_serial;
use crate::options::Options;
use crate::requests::{WATCHED_CONFIG, WATCHED_SERVICE, grpc_watched_publish};
use crate::template::Template;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use serde_json::Value;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// How long a push may take; one that has not come by then is an error.
pub const PUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// Quiet time before each change, so that pushes of the subscription itself have gone.
pub const PAUSE: Duration = Duration::from_millis(50);
/// Rounds that are made however long they take.
pub const ROUNDS_COUNT_MIN: u64 = 3;

/// What is changed and watched.
trait Watch {
    /// Makes a connection a subscriber, or renews that before a round.
    fn subscribe(&mut self, connection: &mut GrpcConnection, round: u64) -> Result<(), ConnectionError>;
    /// The request that changes it in this round.
    fn change(&self, round: u64) -> (&'static str, Template);
    /// Whether a push tells of this round's change.
    fn is_told(&self, push: &Push, round: u64) -> bool;
}

/// Runs a push operation, or returns None for a name that is none.
pub fn run(options: &Options) -> Result<Option<Ledger>, ConnectionError> {
    match options.operation.as_str() {
        "grpc-push" => rounds(options, &mut WatchService { first_port: 10_000 + first_serial() % 50_000 }).map(Some),
        "grpc-config-push" => {
            rounds(options, &mut WatchConfig { serial: first_serial(), md5: String::new(), round: u64::MAX }).map(Some)
        }
        _ => Ok(None),
    }
}

/// Each round registers another port: every server takes that for a change, whatever it thinks of metadata.
struct WatchService {
    first_port: u64,
}

impl WatchService {
    fn port(&self, round: u64) -> u64 {
        self.first_port + round
    }
}

impl Watch for WatchService {
    fn subscribe(&mut self, connection: &mut GrpcConnection, round: u64) -> Result<(), ConnectionError> {
        if round > 0 {
            return Ok(());
        }
        let json = [
            r#"{"headers":{},"namespace":"public","serviceName":""#,
            WATCHED_SERVICE,
            r#"","groupName":"DEFAULT_GROUP","subscribe":true,"clusters":"","module":"naming"}"#,
        ];
        connection.call("SubscribeServiceRequest", &Template::new(&json.concat()))?;
        Ok(())
    }

    fn change(&self, round: u64) -> (&'static str, Template) {
        let json = [
            r#"{"headers":{},"namespace":"public","serviceName":""#,
            WATCHED_SERVICE,
            r#"","groupName":"DEFAULT_GROUP","type":"registerInstance","instance":{"ip":"10.3.0.1","port":"#,
            &self.port(round).to_string(),
            r#","weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":""#,
            WATCHED_SERVICE,
            r#"","metadata":{"version":"2.4.1","zone":"zone-a"}},"module":"naming"}"#,
        ];
        ("InstanceRequest", Template::new(&json.concat()))
    }

    fn is_told(&self, push: &Push, round: u64) -> bool {
        let json: Value = serde_json::from_slice(&push.body).unwrap_or_default();
        let hosts = json["serviceInfo"]["hosts"].as_array();
        push.kind == "NotifySubscriberRequest"
            && hosts.is_some_and(|hosts| hosts.iter().any(|host| host["port"] == self.port(round)))
    }
}

struct WatchConfig {
    serial: u64,
    md5: String,
    round: u64,
}

impl Watch for WatchConfig {
    fn subscribe(&mut self, connection: &mut GrpcConnection, round: u64) -> Result<(), ConnectionError> {
        let key = format!(r#""dataId":"{WATCHED_CONFIG}","group":"DEFAULT_GROUP","tenant":"""#);
        if self.round != round {
            let query = Template::new(&format!(r#"{{"headers":{{}},{key},"module":"config"}}"#));
            // In the first round there may be no config yet; then its md5 is the empty one.
            self.md5 = match connection.call("ConfigQueryRequest", &query) {
                Ok(answer) => answer["md5"].as_str().unwrap_or_default().to_owned(),
                Err(ConnectionError::Refused(_)) if round == 0 => String::new(),
                Err(error) => return Err(error),
            };
            self.round = round;
        }
        let md5 = &self.md5;
        let listen = format!(
            r#"{{"headers":{{}},"listen":true,"configListenContexts":[{{{key},"md5":"{md5}"}}],"module":"config"}}"#
        );
        connection.call("ConfigBatchListenRequest", &Template::new(&listen))?;
        Ok(())
    }

    fn change(&self, round: u64) -> (&'static str, Template) {
        let mut json = Vec::new();
        grpc_watched_publish().write(0, self.serial + round, &mut json);
        ("ConfigPublishRequest", Template::new(&String::from_utf8_lossy(&json)))
    }

    fn is_told(&self, push: &Push, _round: u64) -> bool {
        let json: Value = serde_json::from_slice(&push.body).unwrap_or_default();
        push.kind == "ConfigChangeNotifyRequest" && json["dataId"] == WATCHED_CONFIG
    }
}

fn rounds(options: &Options, watch: &mut dyn Watch) -> Result<Ledger, ConnectionError> {
    let mut connections = open_all(options.grpc, options.connections + 1)?;
    let mut publisher = connections.pop().ok_or(ConnectionError::Closed)?;
    connections.iter_mut().for_each(GrpcConnection::keep_pushes);
    let mut ledger = Ledger::new();
    let begin = Instant::now();
    let mut round = 0;
    while round < ROUNDS_COUNT_MIN || begin.elapsed() < options.warm_up + options.measured {
        for connection in &mut connections {
            watch.subscribe(connection, round)?;
        }
        std::thread::sleep(PAUSE);
        one_round(&mut connections, &mut publisher, watch, round, &mut ledger)?;
        if ledger.errors_count > 0 {
            break;
        }
        round += 1;
    }
    Ok(ledger)
}

fn one_round(
    connections: &mut [GrpcConnection],
    publisher: &mut GrpcConnection,
    watch: &dyn Watch,
    round: u64,
    ledger: &mut Ledger,
) -> Result<(), ConnectionError> {
    let mut poll = Poll::new()?;
    for (index, connection) in connections.iter_mut().enumerate() {
        connection.socket().set_nonblocking(true)?;
        let descriptor = connection.socket().as_raw_fd();
        poll.registry().register(&mut SourceFd(&descriptor), Token(index), Interest::READABLE)?;
        connection.receive(&mut vec![0; SCRATCH_BYTES], &mut Vec::new())?;
        connection.take_pushes();
    }
    let (kind, change) = watch.change(round);
    let begin = Instant::now();
    publisher.call(kind, &change)?;

    let mut waiting = vec![true; connections.len()];
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; SCRATCH_BYTES];
    while waiting.contains(&true) && begin.elapsed() < PUSH_TIMEOUT {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let index = event.token().0;
            connections[index].receive(&mut scratch, &mut Vec::new())?;
            let now_ns = begin.elapsed().as_nanos() as u64;
            let heard = connections[index].take_pushes().iter().any(|push| watch.is_told(push, round));
            if heard && std::mem::take(&mut waiting[index]) {
                ledger.record(&Answer { started_ns: 0, failure: None }, now_ns, true);
            }
        }
    }
    count_missing(ledger, &waiting);
    Ok(())
}

/// Counts subscribers that still wait as errors.
pub fn count_missing(ledger: &mut Ledger, waiting: &[bool]) {
    let missing = waiting.iter().filter(|waiting| **waiting).count() as u64;
    if missing > 0 {
        let seconds = PUSH_TIMEOUT.as_secs();
        ledger.fail(missing, &format!("{missing} of {} subscribers heard nothing in {seconds} s", waiting.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(kind: &str, body: &str) -> Push {
        Push { kind: kind.to_owned(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn a_service_push_is_told_by_its_round() {
        let watch = WatchService { first_port: 10_000 };
        let json = r#"{"serviceInfo":{"hosts":[{"port":10000},{"port":10002}]}}"#;
        assert!(watch.is_told(&push("NotifySubscriberRequest", json), 2));
        assert!(!watch.is_told(&push("NotifySubscriberRequest", json), 1));
        assert!(!watch.is_told(&push("OtherRequest", json), 2));
        assert!(!watch.is_told(&push("NotifySubscriberRequest", "no json"), 0));
    }

    #[test]
    fn a_config_push_is_told_by_its_key() {
        let watch = WatchConfig { serial: 0, md5: String::new(), round: 0 };
        let json = format!(r#"{{"dataId":"{WATCHED_CONFIG}"}}"#);
        assert!(watch.is_told(&push("ConfigChangeNotifyRequest", &json), 0));
        assert!(!watch.is_told(&push("ConfigChangeNotifyRequest", r#"{"dataId":"other"}"#), 0));
    }

    #[test]
    fn who_heard_nothing_is_counted() {
        let mut ledger = Ledger::new();
        count_missing(&mut ledger, &[false, false]);
        assert_eq!(ledger.errors_count, 0);
        count_missing(&mut ledger, &[true, false, true]);
        assert_eq!(ledger.errors_count, 2);
        assert_eq!(ledger.samples, ["2 of 3 subscribers heard nothing in 10 s"]);
    }

    #[test]
    fn changes_are_json() {
        for (_, template) in [
            WatchService { first_port: 10_000 }.change(1),
            WatchConfig { serial: 5, md5: String::new(), round: 0 }.change(1),
        ] {
            let mut json = Vec::new();
            template.write(0, 0, &mut json);
            let value: Value = serde_json::from_slice(&json).expect("JSON");
            assert!(value["instance"]["port"] == 10_001 || value["content"] == crate::requests::content(6));
        }
    }
}
