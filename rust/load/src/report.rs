//! The line of JSON that a run prints.

use crate::driver::Outcome;
use crate::hold::Held;
use crate::ledger::Ledger;
use crate::options::Options;
use serde_json::{Map, Value, json};

/// Share of a core from which the generator's own core is what limits the run.
const BUSY_LIMIT: f64 = 0.95;
/// Share of an open loop's rate that must be reached, or it was not the load that was asked for.
const RATE_REACHED: f64 = 0.98;

/// A load's result.
pub fn of_load(options: &Options, outcome: &Outcome) -> Value {
    let ledger = &outcome.ledger;
    let rate = if outcome.seconds > 0.0 { ledger.answers_count as f64 / outcome.seconds } else { 0.0 };
    let busy = if outcome.seconds > 0.0 { outcome.generator_cpu_seconds / outcome.seconds } else { 0.0 };
    let mut report = head(options, ledger);
    report.insert("in_flight".into(), json!(options.in_flight));
    report.insert("instances".into(), json!(options.instances));
    report.insert("rate_wanted_per_second".into(), json!(options.rate_per_second));
    report.insert("seconds".into(), rounded(outcome.seconds));
    report.insert("requests".into(), json!(ledger.answers_count));
    report.insert("requests_per_second".into(), rounded(rate));
    report.insert("latency_us".into(), latencies(ledger));
    report.insert("generator_busy".into(), rounded(busy));
    report.insert("generator_is_limit".into(), json!(options.rate_per_second.is_none() && busy >= BUSY_LIMIT));
    if let Some(wanted) = options.rate_per_second {
        report.insert("rate_reached".into(), json!(rate >= wanted * RATE_REACHED));
    }
    if let Some((before, after)) = &outcome.server {
        let cpu_seconds = after.cpu_seconds - before.cpu_seconds;
        let per_cpu_second = if cpu_seconds > 0.0 { Some(ledger.answers_count as f64 / cpu_seconds) } else { None };
        report.insert("server_cpu_seconds".into(), rounded(cpu_seconds));
        report.insert("requests_per_server_cpu_second".into(), per_cpu_second.map_or(Value::Null, rounded));
        report.insert("server_rss_bytes".into(), json!(after.rss_bytes));
        report.insert("server_rss_peak_bytes".into(), json!(after.rss_peak_bytes));
    }
    Value::Object(report)
}

/// A push run's result: latencies from the change to each subscriber's push.
pub fn of_push(options: &Options, ledger: &Ledger) -> Value {
    let mut report = head(options, ledger);
    report.insert("pushes".into(), json!(ledger.answers_count));
    report.insert("latency_us".into(), latencies(ledger));
    Value::Object(report)
}

/// A hold run's result.
pub fn of_hold(options: &Options, held: &Held) -> Value {
    let mut report = head(options, &held.ledger);
    report.insert("held".into(), json!(held.count));
    report.insert("bytes_each".into(), rounded(held.bytes_each()));
    report.insert("server_rss_before_bytes".into(), json!(held.before.rss_bytes));
    report.insert("server_rss_bytes".into(), json!(held.after.rss_bytes));
    Value::Object(report)
}

fn head(options: &Options, ledger: &Ledger) -> Map<String, Value> {
    let mut report = Map::new();
    report.insert("operation".into(), json!(options.operation));
    report.insert("server".into(), json!(options.http.to_string()));
    report.insert("connections".into(), json!(options.connections));
    report.insert("errors".into(), json!(ledger.errors_count));
    report.insert("error_samples".into(), json!(ledger.samples));
    report
}

fn latencies(ledger: &Ledger) -> Value {
    json!({
        "p50": rounded(ledger.latency_us(0.5)),
        "p99": rounded(ledger.latency_us(0.99)),
        "p99.9": rounded(ledger.latency_us(0.999)),
        "max": rounded(ledger.latency_us(1.0)),
    })
}

fn rounded(number: f64) -> Value {
    json!((number * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Answer;
    use crate::usage::ProcessUsage;

    fn outcome(busy_seconds: f64) -> Outcome {
        let mut ledger = Ledger::new();
        for _ in 0..1000 {
            ledger.record(&Answer { started_ns: 0, failure: None }, 250_000, true);
        }
        let before = ProcessUsage { cpu_seconds: 1.0, ..ProcessUsage::default() };
        let after = ProcessUsage { cpu_seconds: 1.5, rss_bytes: 5, rss_peak_bytes: 9 };
        Outcome { ledger, seconds: 2.0, generator_cpu_seconds: busy_seconds, server: Some((before, after)) }
    }

    fn options(line: &str) -> Options {
        Options::parse(line.split(' ').map(str::to_owned)).expect("good")
    }

    #[test]
    fn rates_are_per_second_and_per_second_of_the_server() {
        let report = of_load(&options("http-list --http 127.0.0.1:1"), &outcome(1.0));
        assert_eq!(report["requests_per_second"], 500.0);
        assert_eq!(report["requests_per_server_cpu_second"], 2000.0);
        assert_eq!(report["latency_us"]["p99.9"], 250.111);
        assert_eq!((&report["generator_busy"], &report["generator_is_limit"]), (&json!(0.5), &json!(false)));
        assert_eq!((&report["server_rss_bytes"], &report["server_rss_peak_bytes"]), (&json!(5), &json!(9)));
    }

    #[test]
    fn a_busy_generator_is_told() {
        let closed = options("http-list --http 127.0.0.1:1");
        assert_eq!(of_load(&closed, &outcome(1.91))["generator_is_limit"], true);
        let open = options("http-list --http 127.0.0.1:1 --rate 600");
        let report = of_load(&open, &outcome(1.91));
        assert_eq!((&report["generator_is_limit"], &report["rate_reached"]), (&json!(false), &json!(false)));
    }

    #[test]
    fn memory_is_shared_out() {
        let before = ProcessUsage { rss_bytes: 1000, ..ProcessUsage::default() };
        let after = ProcessUsage { rss_bytes: 3000, ..ProcessUsage::default() };
        let held = Held { count: 4, before, after, ledger: Ledger::new() };
        let report = of_hold(&options("grpc-hold-connections --http 127.0.0.1:1"), &held);
        assert_eq!(report["bytes_each"], 500.0);
    }
}
