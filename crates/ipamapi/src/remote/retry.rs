//! When and how an engine repeats a call whose connection failed.

use std::time::Duration;

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How calls are repeated after transport errors. Answers, errors included, never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// An attempt that would begin this long after the first is not made.
    pub give_up: Duration,
    /// Engines read a request's body once: what they repeat after it was sent is empty. Plugins
    /// must refuse that, and `true` shows whether they do.
    pub empty_body: bool,
}

impl RetryPolicy {
    /// The engine's own: for 30 s (which makes five attempts in 15 s), with empty bodies.
    pub const ENGINE: Self = Self { give_up: Duration::from_secs(30), empty_body: true };

    /// One attempt.
    pub const NEVER: Self = Self { give_up: Duration::ZERO, empty_body: false };

    /// How long to wait before repeating a call for the `retry`th time (from 1): 1, 2, 4, 8, 16,
    /// 30, 30 … seconds.
    pub fn pause(retry: u32) -> Duration {
        let seconds = 1_u64.checked_shl(retry.saturating_sub(1)).unwrap_or(u64::MAX);
        Duration::from_secs(seconds).min(PAUSE_MAX)
    }

    /// The pause before the `retry`th repetition of a call begun `elapsed` ago; `None` if there
    /// will be none.
    pub fn next(&self, retry: u32, elapsed: Duration) -> Option<Duration> {
        let pause = Self::pause(retry);
        (pause + elapsed < self.give_up).then_some(pause)
    }
}

impl Default for RetryPolicy {
    /// For 30 s as the engine does, but with the whole request each time.
    fn default() -> Self {
        Self { empty_body: false, ..Self::ENGINE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_tried_forever() {
        assert_eq!(RetryPolicy::NEVER.next(1, Duration::ZERO), None);
        assert_eq!(RetryPolicy::pause(200), Duration::from_secs(30));
    }
}
