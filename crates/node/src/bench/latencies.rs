//! How long answers took.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Digits to which a time is kept: a thousandth of it is lost at most.
const DIGITS: u8 = 3;

/// Times of answers. Takes the same room however many there are.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u32>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new(DIGITS).expect("three digits are few enough"))
    }
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.record(nanos).expect("it grows by itself");
    }

    /// Adds those of another client.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("it grows by itself");
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// What there is to say about them, if they began within so long.
    pub fn summary(&self, within: Duration) -> Summary {
        let micros = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64() * 1e6;
        let at = |quantile: f64| micros(self.0.value_at_quantile(quantile).min(self.0.max()));
        // Whole numbers up to 2^53 stay what they are.
        let count = Duration::from_secs(self.count()).as_secs_f64();
        let seconds = within.as_secs_f64();
        Summary {
            count: self.count(),
            per_second: if seconds > 0.0 { count / seconds } else { 0.0 },
            p50_us: at(0.5),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: micros(self.0.max()),
        }
    }
}

/// How many answers there were, and how long they took, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Answers that were no error.
    pub count: u64,
    /// The same, a second.
    pub per_second: f64,
    /// Half of them took no longer.
    pub p50_us: f64,
    /// 99 of 100 took no longer.
    pub p99_us: f64,
    /// 999 of 1,000 took no longer.
    pub p999_us: f64,
    /// None took longer.
    pub max_us: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_all_clients_together() {
        let (mut one, mut other) = (Latencies::default(), Latencies::default());
        for millis in 1..=500 {
            one.record(Duration::from_millis(millis));
            other.record(Duration::from_millis(500 + millis));
        }
        one.add(&other);
        let summary = one.summary(Duration::from_secs(10));
        assert_eq!(summary.count, 1_000);
        let near = |found: f64, millis: f64| (found / millis / 1_000.0 - 1.0).abs() < 0.002;
        assert!(near(summary.per_second * 1_000.0, 100.0), "{summary:?}");
        assert!(near(summary.p50_us, 500.0) && near(summary.p99_us, 990.0), "{summary:?}");
        assert!(near(summary.p999_us, 999.0) && near(summary.max_us, 1_000.0), "{summary:?}");
    }

    #[test]
    fn of_nothing_there_is_nothing_to_say() {
        assert_eq!(Latencies::default().summary(Duration::ZERO), Summary::default());
    }
}
