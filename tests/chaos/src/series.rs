//! A run in seconds: how many requests were answered, how fast, and how many were not.

use berth_checkers::{Operation, Outcome, Scope};

const SECOND: u64 = 1_000_000_000;

/// One second of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Second {
    /// Answered requests about the cluster's spaces.
    pub(crate) global: usize,
    /// Answered requests about hosts' own spaces.
    pub(crate) local: usize,
    /// Requests that ended without an answer.
    pub(crate) failed: usize,
    /// Milliseconds within which half, and 99 of 100, of the cluster's answers came.
    pub(crate) half_ms: f64,
    /// See `half_ms`.
    pub(crate) most_ms: f64,
}

/// All seconds of a run, by when requests ended.
pub(crate) fn series(operations: &[Operation]) -> Vec<Second> {
    let last = operations.iter().filter_map(|operation| operation.returned).max().unwrap_or(0);
    let length = usize::try_from(last / SECOND + 1).unwrap_or_default();
    let mut seconds = vec![Second::default(); length];
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); length];
    for operation in operations {
        let Some(returned) = operation.returned else { continue };
        let Ok(at) = usize::try_from(returned / SECOND) else { continue };
        let failed = matches!(operation.outcome, Outcome::Unknown | Outcome::NotDone);
        match operation.scope {
            _ if failed => seconds[at].failed += 1,
            Scope::Local => seconds[at].local += 1,
            Scope::Global => {
                seconds[at].global += 1;
                times[at].push(millis(returned - operation.invoked));
            }
        }
    }
    for (second, times) in seconds.iter_mut().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        (second.half_ms, second.most_ms) = (quantile(times, 50), quantile(times, 99));
    }
    seconds
}

/// Milliseconds within which so many of a hundred came; zero of none.
pub(crate) fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len().saturating_sub(1) * percent).div_ceil(100);
    sorted.get(at).copied().unwrap_or_default()
}

/// Nanoseconds as milliseconds.
pub(crate) fn millis(nanos: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a duration that is shown")]
    let nanos = nanos as f64;
    nanos / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_came() {
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        assert!((quantile(&ten, 50) - 6.0).abs() < f64::EPSILON);
        assert!((quantile(&ten, 99) - 10.0).abs() < f64::EPSILON);
        assert!(quantile(&[], 50).abs() < f64::EPSILON);
    }
}
