//! Known sins, each of which tests must catch: a test that passes with one of them tests nothing.
//!
//! Only with the feature `canary`, which no release has, and only the one that [`sin`] names.

use core::sync::atomic::{AtomicU8, Ordering};

/// A sin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Canary {
    /// The log is written, and said to be synced.
    SkipSync = 1,
    /// A command is answered before its entry is committed.
    EarlyAnswer,
    /// A vote is given, and not kept.
    ForgetVote,
    /// A command that comes again is executed again.
    NoDedup,
    /// A claim is adopted whether or not its session is over.
    BlindAdoption,
    /// A release ends whatever claim stands.
    StaleRelease,
    /// An explicit claim that nobody heard of is released.
    UndoneAdoption,
    /// A command is executed at the time of whoever executes it.
    LocalClock,
}

impl Canary {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 8] = [
        ("skip-sync", Self::SkipSync),
        ("early-answer", Self::EarlyAnswer),
        ("forget-vote", Self::ForgetVote),
        ("no-dedup", Self::NoDedup),
        ("blind-adoption", Self::BlindAdoption),
        ("stale-release", Self::StaleRelease),
        ("undone-adoption", Self::UndoneAdoption),
        ("local-clock", Self::LocalClock),
    ];
}

static SIN: AtomicU8 = AtomicU8::new(0);

/// This process commits this sin from now on.
pub fn sin(canary: Canary) {
    SIN.store(canary as u8, Ordering::Relaxed);
}

/// Whether this process commits it.
pub fn sins(canary: Canary) -> bool {
    SIN.load(Ordering::Relaxed) == canary as u8
}
