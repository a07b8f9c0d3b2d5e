//! All that was measured, as it is kept in `docs/benchmarks.json`.

use berth_node::bench::{ErrorCount, Summary};
use serde::{Deserialize, Serialize};

use crate::contender::Contender;
use crate::core::CoreFigure;

/// All that was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Of Berth.
    pub(crate) commit: String,
    pub(crate) machine: String,
    pub(crate) rounds: u32,
    /// Of each measurement.
    pub(crate) seconds: u64,
    pub(crate) runs: Vec<Run>,
    /// The disk's own times, before each run.
    pub(crate) syncs: Vec<Syncs>,
    pub(crate) core: Vec<CoreFigure>,
}

/// One contender with one number of clients, once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) contender: Contender,
    pub(crate) clients: usize,
    pub(crate) requests: Summary,
    pub(crate) errors: Vec<ErrorCount>,
    pub(crate) duplicates: u64,
}

/// Times of some appends of 4,096 bytes with their syncs, in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Syncs {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Run {
    /// Whether an address was given twice, or none at all.
    pub(crate) fn is_wrong(&self) -> bool {
        self.duplicates > 0 || self.requests.count == 0
    }
}

/// The middle one of several runs' values, and the least and the most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    /// Of these values, if there are any.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let (lower, upper) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: f64::midpoint(lower, upper), least, most })
    }
}

impl Figures {
    /// A value of all runs of a contender with so many clients.
    pub(crate) fn spread(
        &self,
        contender: Contender,
        clients: usize,
        value: impl Fn(&Summary) -> f64,
    ) -> Option<Spread> {
        let of = |run: &&Run| run.contender == contender && run.clients == clients;
        Spread::of(self.runs.iter().filter(of).map(|run| value(&run.requests)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let spread = Spread::of([9.0, 1.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, least: 1.0, most: 9.0 });
        assert_eq!(Spread::of([1.0, 2.0]), Some(Spread { median: 1.5, least: 1.0, most: 2.0 }));
        assert_eq!(Spread::of([]), None);
    }
}
