//! The command line.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// What `--help` prints.
pub const HELP: &str = "\
nacos-load: a load generator for any server that speaks the Nacos wire protocols

usage: nacos-load OPERATION --http HOST:PORT [options]

HTTP:  http-list http-register http-beat http-config-get http-config-publish http-config-listen
gRPC:  grpc-query grpc-register grpc-beat grpc-subscribe grpc-config-get grpc-config-publish grpc-config-listen
push:  grpc-push grpc-config-push http-config-push
       time from a change until each subscriber hears of it; over HTTP by a long poll
       grpc-push-across: --count services change once a second (--rate), and are heard of at another node (--watch)
fleet: --count instances in batches over gRPC, and --beats addresses that beat over HTTP, until standard input ends
hold:  grpc-hold-connections grpc-hold-instances
       memory of --count idle connections or ephemeral instances (needs --pid)

  --http HOST:PORT         the server; also as http://HOST:PORT
  --grpc HOST:PORT         its gRPC port (the HTTP port + 1000)
  --pid N                  the server's process: its processor time and memory are measured too
  --connections N          connections (64)
  --in-flight N            requests under way on each gRPC connection (1)
  --instances N            instances of each service that http-list and grpc-query ask for (1)
  --seconds S              how long is measured (3)
  --warm-up-seconds S      load before that (0.5)
  --rate R                 open loop with R requests a second in total; without it a closed loop
  --count N                what the hold operations hold (2000)
  --watch HOST:PORT        the gRPC port at which grpc-push-across subscribes
  --beats N                addresses of a fleet that beat over HTTP (0)
  --name N                 tells the services of fleets apart (0)

Prints one line of JSON. The exit code is 0 only if there was no error.";

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Name of the operation.
    pub operation: String,
    /// The server's HTTP address.
    pub http: SocketAddr,
    /// Its gRPC address.
    pub grpc: SocketAddr,
    /// Its process.
    pub pid: Option<u32>,
    /// Connections.
    pub connections: usize,
    /// Requests under way on each gRPC connection.
    pub in_flight: usize,
    /// Instances of each queried service.
    pub instances: u64,
    /// How long is measured.
    pub measured: Duration,
    /// Load before that.
    pub warm_up: Duration,
    /// Requests a second of an open loop.
    pub rate_per_second: Option<f64>,
    /// What the hold operations hold.
    pub count: u64,
    /// Where changes are heard of that are made elsewhere.
    pub watch: SocketAddr,
    /// Addresses of a fleet that beat over HTTP.
    pub beats: u64,
    /// Tells the services of fleets apart.
    pub name: u64,
}

/// Why the command line makes no sense.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OptionsError {
    /// `--help`.
    #[error("{HELP}")]
    Help,
    /// No operation, or more than one.
    #[error("give one operation; --help lists them")]
    Operation,
    /// No server.
    #[error("--http HOST:PORT is missing")]
    Server,
    /// An option that does not exist.
    #[error("unknown option {0}")]
    Unknown(String),
    /// An option without its value, or with one that cannot be.
    #[error("{option} cannot be `{value}`")]
    Value { option: String, value: String },
}

impl Options {
    /// Reads the arguments after the program's name.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, OptionsError> {
        let mut arguments = arguments.into_iter();
        let mut operation = None;
        let mut http = None;
        let mut grpc = None;
        let mut options = Self::defaults();
        while let Some(argument) = arguments.next() {
            if argument == "--help" || argument == "-h" {
                return Err(OptionsError::Help);
            }
            if !argument.starts_with('-') {
                if operation.replace(argument).is_some() {
                    return Err(OptionsError::Operation);
                }
                continue;
            }
            let value = Given { value: arguments.next().unwrap_or_default(), option: argument };
            match value.option.as_str() {
                "--http" => http = Some(value.address()?),
                "--grpc" => grpc = Some(value.address()?),
                "--pid" => options.pid = Some(value.number(1.0)? as u32),
                "--connections" => options.connections = value.number(1.0)? as usize,
                "--in-flight" => options.in_flight = value.number(1.0)? as usize,
                "--instances" => options.instances = value.number(1.0)? as u64,
                "--seconds" => options.measured = Duration::from_secs_f64(value.number(0.001)?),
                "--warm-up-seconds" => options.warm_up = Duration::from_secs_f64(value.number(0.0)?),
                "--rate" => options.rate_per_second = Some(value.number(0.001)?),
                "--count" => options.count = value.number(1.0)? as u64,
                "--watch" => options.watch = value.address()?,
                "--beats" => options.beats = value.number(0.0)? as u64,
                "--name" => options.name = value.number(0.0)? as u64,
                _ => return Err(OptionsError::Unknown(value.option)),
            }
        }
        options.operation = operation.ok_or(OptionsError::Operation)?;
        options.http = http.ok_or(OptionsError::Server)?;
        let beside = SocketAddr::new(options.http.ip(), options.http.port().wrapping_add(1000));
        options.grpc = grpc.unwrap_or(beside);
        Ok(options)
    }

    fn defaults() -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            operation: String::new(),
            http: nowhere,
            grpc: nowhere,
            pid: None,
            connections: 64,
            in_flight: 1,
            instances: 1,
            measured: Duration::from_secs(3),
            warm_up: Duration::from_millis(500),
            rate_per_second: None,
            count: 2000,
            watch: nowhere,
            beats: 0,
            name: 0,
        }
    }
}

/// An option and the argument after it.
struct Given {
    option: String,
    value: String,
}

impl Given {
    fn bad(&self) -> OptionsError {
        OptionsError::Value { option: self.option.clone(), value: self.value.clone() }
    }

    fn address(&self) -> Result<SocketAddr, OptionsError> {
        let text = self.value.trim_start_matches("http://").trim_end_matches('/');
        let mut addresses = text.to_socket_addrs().map_err(|_| self.bad())?;
        addresses.next().ok_or_else(|| self.bad())
    }

    fn number(&self, smallest: f64) -> Result<f64, OptionsError> {
        match self.value.parse::<f64>() {
            Ok(number) if (smallest..=1e9).contains(&number) => Ok(number),
            _ => Err(self.bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, OptionsError> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_defaults_are_those_of_the_help() {
        let options = parsed("http-list --http http://127.0.0.1:8848/").expect("good");
        assert_eq!(options.operation, "http-list");
        assert_eq!(options.grpc, SocketAddr::from(([127, 0, 0, 1], 9848)));
        assert_eq!((options.connections, options.in_flight, options.instances), (64, 1, 1));
        assert_eq!((options.measured.as_millis(), options.warm_up.as_millis()), (3000, 500));
        assert_eq!((options.rate_per_second, options.pid, options.count), (None, None, 2000));
    }

    #[test]
    fn options_are_read_in_any_order() {
        let line =
            "--rate 2000.5 --pid 12 --http 127.0.0.1:1 --grpc 127.0.0.1:2 grpc-query --in-flight 32 --seconds 0.5";
        let options = parsed(line).expect("good");
        assert_eq!((options.rate_per_second, options.pid, options.in_flight), (Some(2000.5), Some(12), 32));
        assert_eq!((options.grpc.port(), options.measured.as_millis()), (2, 500));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert_eq!(parsed("--http 127.0.0.1:1"), Err(OptionsError::Operation));
        assert_eq!(parsed("a b --http 127.0.0.1:1"), Err(OptionsError::Operation));
        assert_eq!(parsed("http-list"), Err(OptionsError::Server));
        assert_eq!(parsed("a --speed 1"), Err(OptionsError::Unknown("--speed".into())));
        assert_eq!(parsed("a --help"), Err(OptionsError::Help));
        for line in ["a --seconds", "a --in-flight 0", "a --rate fast", "a --http nowhere"] {
            assert!(matches!(parsed(line), Err(OptionsError::Value { .. })), "{line}");
        }
    }
}
