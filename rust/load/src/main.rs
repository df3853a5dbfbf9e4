//! `nacos-load`: a load generator for any server that speaks the Nacos wire protocols.

mod across;
mod alarm;
mod connection;
mod driver;
mod expect;
mod fleet;
mod grpc_connection;
mod hold;
mod http1;
mod http2;
mod http_connection;
mod ledger;
mod loads;
mod long_poll;
mod options;
mod payload;
mod push;
mod report;
mod requests;
mod template;
mod usage;

use connection::ConnectionError;
use options::{Options, OptionsError};
use serde_json::Value;
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(OptionsError::Help) => {
            println!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("nacos-load: {error}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(Some(report)) => {
            println!("{report}");
            if report["errors"] == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Ok(None) => {
            eprintln!("nacos-load: there is no operation {}; --help lists them", options.operation);
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("nacos-load: {} on {}: {error}", options.operation, options.http);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<Option<Value>, ConnectionError> {
    usage::raise_descriptor_limit()?;
    if let Some(outcome) = loads::run(options)? {
        return Ok(Some(report::of_load(options, &outcome)));
    }
    if let Some(ledger) = push::run(options)? {
        return Ok(Some(report::of_push(options, &ledger)));
    }
    if let Some(ledger) = across::run(options)? {
        return Ok(Some(report::of_push(options, &ledger)));
    }
    if let Some(report) = fleet::run(options)? {
        return Ok(Some(report));
    }
    if let Some(ledger) = long_poll::run(options)? {
        return Ok(Some(report::of_push(options, &ledger)));
    }
    Ok(hold::run(options)?.map(|held| report::of_hold(options, &held)))
}
