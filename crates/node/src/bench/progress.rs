//! How far a run is, for whoever watches it, and its end, for whoever does not want to wait.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

/// How often is looked whether a run is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Counters of a run, shared by all its clients.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU64,
    done: AtomicU64,
    errors: AtomicU64,
    stop: AtomicBool,
}

/// What clients are at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Pools are made.
    Preparing,
    /// They are filled.
    Filling,
    /// Clients are at work, and nothing is recorded yet.
    WarmingUp,
    /// What they do is recorded.
    Measuring,
    /// What was taken is given back.
    CleaningUp,
}

impl Phase {
    const ALL: [Self; 5] =
        [Self::Preparing, Self::Filling, Self::WarmingUp, Self::Measuring, Self::CleaningUp];

    /// In a word or two.
    pub fn says(self) -> &'static str {
        match self {
            Self::Preparing => "making pools",
            Self::Filling => "filling",
            Self::WarmingUp => "warming up",
            Self::Measuring => "measuring",
            Self::CleaningUp => "cleaning up",
        }
    }
}

impl Progress {
    /// What clients are at.
    pub fn phase(&self) -> Phase {
        let at = usize::try_from(self.phase.load(Ordering::Relaxed)).unwrap_or_default();
        Phase::ALL.get(at).copied().unwrap_or(Phase::Preparing)
    }

    /// Another phase begins, and counting with it.
    pub fn begin(&self, phase: Phase) {
        let at = Phase::ALL.iter().position(|other| *other == phase).unwrap_or_default();
        self.phase.store(at as u64, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
    }

    /// Addresses given in this phase.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Errors since the beginning.
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// The run is to end: what is under way is waited for, and nothing else begun.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether it is to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits until it is to end.
    pub(super) async fn stopped(&self) {
        while !self.is_stopped() {
            sleep(LOOK_EVERY).await;
        }
    }

    pub(super) fn given(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }
}
