//! The count of answers: how many, how late, and what was wrong.

use crate::connection::Answer;
use hdrhistogram::Histogram;

/// Longest latency that is told apart, in nanoseconds: one minute.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
/// Decimal digits that latencies keep.
const LATENCY_DIGITS: u8 = 3;
/// How many different failures are kept as text.
const SAMPLES_COUNT_MAX: usize = 5;

/// Answers of one run.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// Latencies of the measured answers, in nanoseconds.
    pub latencies: Histogram<u64>,
    /// Measured answers that were right.
    pub answers_count: u64,
    /// Everything that went wrong, measured or not.
    pub errors_count: u64,
    /// Some of it in words.
    pub samples: Vec<String>,
}

impl Ledger {
    /// An empty one.
    pub fn new() -> Self {
        let latencies =
            Histogram::new_with_bounds(1, LATENCY_NS_MAX, LATENCY_DIGITS).expect("the bounds are in their order");
        Self { latencies, answers_count: 0, errors_count: 0, samples: Vec::new() }
    }

    /// Counts an answer that came at `now_ns`; right answers only count in the measured part.
    pub fn record(&mut self, answer: &Answer, now_ns: u64, measured: bool) {
        match &answer.failure {
            Some(failure) => self.fail(1, failure),
            None if measured => {
                self.answers_count += 1;
                self.latencies.saturating_record(now_ns.saturating_sub(answer.started_ns).max(1));
            }
            None => {}
        }
    }

    /// Counts `count` failures of one kind.
    pub fn fail(&mut self, count: u64, failure: &str) {
        self.errors_count += count;
        self.note(failure);
    }

    /// Keeps a text without counting it.
    pub fn note(&mut self, text: &str) {
        if self.samples.len() < SAMPLES_COUNT_MAX && !self.samples.iter().any(|sample| sample == text) {
            self.samples.push(text.to_owned());
        }
    }

    /// The latency that this share (0..1) of the answers did not exceed, in microseconds.
    pub fn latency_us(&self, share: f64) -> f64 {
        self.latencies.value_at_quantile(share) as f64 / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(started_ns: u64) -> Answer {
        Answer { started_ns, failure: None }
    }

    #[test]
    fn quantiles_are_those_of_the_answers() {
        let mut ledger = Ledger::new();
        for latency_us in 1..=1000 {
            ledger.record(&answer(500), 500 + latency_us * 1000, true);
        }
        assert_eq!(ledger.answers_count, 1000);
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let latency = ledger.latency_us(share);
            assert!((latency / expected - 1.0f64).abs() < 0.002, "{share}: {latency} instead of {expected}");
        }
    }

    #[test]
    fn only_measured_answers_count_but_every_error() {
        let mut ledger = Ledger::new();
        ledger.record(&answer(0), 5, false);
        assert_eq!((ledger.answers_count, ledger.latencies.len()), (0, 0));
        ledger.record(&Answer { started_ns: 0, failure: Some("no".into()) }, 5, false);
        ledger.record(&Answer { started_ns: 0, failure: Some("no".into()) }, 5, true);
        ledger.fail(7, "gone");
        assert_eq!(ledger.errors_count, 9);
        assert_eq!(ledger.samples, ["no", "gone"]);
        assert_eq!(ledger.answers_count, 0);
    }

    #[test]
    fn a_latency_beyond_the_scale_is_kept_at_its_end() {
        let mut ledger = Ledger::new();
        ledger.record(&answer(0), 10 * LATENCY_NS_MAX, true);
        assert!(ledger.latency_us(1.0) >= 6e7);
    }
}
