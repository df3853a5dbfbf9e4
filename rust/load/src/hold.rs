//! What a server's memory costs: connections or instances that are only there.

use crate::connection::ConnectionError;
use crate::driver::{self, Plan};
use crate::expect::Expect;
use crate::grpc_connection::open_all;
use crate::http_connection::Requests;
use crate::ledger::Ledger;
use crate::loads::first_serial;
use crate::options::Options;
use crate::payload::grpc_message;
use crate::requests::{self as make, Place};
use crate::usage::{self, ProcessUsage};
use std::time::Duration;

/// How long the server may tidy up before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);
/// Longest time that registering everything may take.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests under way on each connection that registers.
const IN_FLIGHT: usize = 16;

/// Memory before and with what is held.
#[derive(Debug)]
pub struct Held {
    /// How many connections or instances.
    pub count: u64,
    /// Before them.
    pub before: ProcessUsage,
    /// With them.
    pub after: ProcessUsage,
    /// What went wrong.
    pub ledger: Ledger,
}

impl Held {
    /// Resident memory that one of them added.
    pub fn bytes_each(&self) -> f64 {
        (self.after.rss_bytes as f64 - self.before.rss_bytes as f64) / self.count as f64
    }
}

/// Runs a hold operation, or returns None for a name that is none.
pub fn run(options: &Options) -> Result<Option<Held>, ConnectionError> {
    match options.operation.as_str() {
        "grpc-hold-connections" => hold_connections(options).map(Some),
        "grpc-hold-instances" => hold_instances(options).map(Some),
        _ => Ok(None),
    }
}

fn usage_of_server(options: &Options) -> Result<ProcessUsage, ConnectionError> {
    let pid = options.pid.ok_or_else(|| ConnectionError::Refused("hold operations need --pid".to_owned()))?;
    Ok(usage::of_process(pid)?)
}

/// Connections as clients hold them: set up, with an open stream for pushes, and silent.
fn hold_connections(options: &Options) -> Result<Held, ConnectionError> {
    let before = usage_of_server(options)?;
    let connections = open_all(options.grpc, options.count as usize)?;
    std::thread::sleep(SETTLE);
    let after = usage_of_server(options)?;
    Ok(Held { count: connections.len() as u64, before, after, ledger: Ledger::new() })
}

/// Ephemeral instances with two metadata pairs, ten a service, registered over the given connections.
fn hold_instances(options: &Options) -> Result<Held, ConnectionError> {
    let mut connections = open_all(options.grpc, options.connections)?;
    let each = options.count.div_ceil(options.connections as u64);
    let places = options.connections as u64;
    for (index, connection) in connections.iter_mut().enumerate() {
        let place = Place { connection: index as u64, connections: places };
        let template = grpc_message("InstanceRequest", &make::grpc_register(place, "held", each));
        let serial = first_serial() + index as u64;
        connection.prepare(Requests { template, expect: Expect::Success, serial, serial_step: places }, IN_FLIGHT)?;
    }
    std::thread::sleep(SETTLE);
    let before = usage_of_server(options)?;
    let plan = Plan { measured: REGISTER_TIMEOUT, quota: Some(each), ..Plan::default() };
    let outcome = driver::run(&mut connections, &plan)?;
    std::thread::sleep(SETTLE);
    let after = usage_of_server(options)?;
    let mut ledger = outcome.ledger;
    let missing = (each * places).saturating_sub(ledger.answers_count);
    if missing > 0 {
        ledger.fail(missing, &format!("{missing} instances were not registered"));
    }
    Ok(Held { count: each * places, before, after, ledger })
}
