//! Which faults strike when: all of it follows from a seed. What happens to a node that a fault picks
//! by its role is decided when it strikes.

use std::time::Duration;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A host's process is killed, as by a power failure, and starts again later.
    Kill,
    /// All hosts are killed at once.
    KillAll,
    /// A host is stopped in good order, and starts again.
    Restart,
    /// A host does nothing, and later goes on as if no time had passed.
    Pause,
    /// A host reaches nobody, and nobody reaches it.
    Isolate,
    /// A host sends, and receives nothing.
    Deaf,
    /// A host receives, and what it sends is lost.
    Mute,
    /// Two nodes do not reach each other; both reach the third.
    Bridge,
    /// Nobody can call the leader; it still calls the others.
    Calls,
    /// A host loses a third of the packets that it is sent.
    Lossy,
    /// A host's network is slow.
    SlowLink,
    /// A host has a twentieth of a processor.
    Starve,
    /// A host's disk is full.
    FullDisk,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 13] = [
        Self::Kill,
        Self::KillAll,
        Self::Restart,
        Self::Pause,
        Self::Isolate,
        Self::Deaf,
        Self::Mute,
        Self::Bridge,
        Self::Calls,
        Self::Lossy,
        Self::SlowLink,
        Self::Starve,
        Self::FullDisk,
    ];

    /// What an operator would say.
    pub(crate) const fn says(self) -> &'static str {
        match self {
            Self::Kill => "killed, and started",
            Self::KillAll => "all hosts killed at once",
            Self::Restart => "stopped in good order, and started",
            Self::Pause => "paused",
            Self::Isolate => "cut off",
            Self::Deaf => "receives nothing",
            Self::Mute => "sends nothing",
            Self::Bridge => "two nodes cut from each other",
            Self::Calls => "nobody can call the leader",
            Self::Lossy => "loses a third of what it is sent",
            Self::SlowLink => "slow network",
            Self::Starve => "hardly any processor",
            Self::FullDisk => "disk full",
        }
    }

    /// How long it lasts, in milliseconds.
    const fn lasts_ms(self) -> (u64, u64) {
        match self {
            Self::Kill | Self::KillAll | Self::Restart => (500, 8_000),
            Self::Pause => (500, 20_000),
            Self::FullDisk => (6_000, 15_000),
            _ => (3_000, 15_000),
        }
    }
}

/// Whom a fault picks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The node that leads.
    Leader,
    /// One of the others: an index, to be taken modulo their number.
    Follower(usize),
    /// An agent, likewise.
    Agent(usize),
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// When it strikes, from the beginning.
    pub(crate) at: Duration,
    /// What it is.
    pub(crate) kind: Kind,
    /// Whom it picks.
    pub(crate) target: Target,
    /// When it ends, unless the run ends before.
    pub(crate) lasts: Duration,
}

/// Between two strikes, in milliseconds: shorter than most faults last, so that they overlap.
const GAP_MS: (u64, u64) = (1_500, 6_000);
/// After each kind has struck once, nothing is wrong for so long.
const QUIET: Duration = Duration::from_secs(10);

/// The faults of a run: the deck of all kinds is shuffled and dealt, and shuffled again.
pub(crate) fn plan(seed: u64, length: Duration) -> Vec<Step> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut steps, mut at, mut over) = (Vec::new(), Duration::ZERO, Duration::ZERO);
    loop {
        let mut deck = Kind::ALL;
        rng.shuffle(&mut deck);
        for kind in deck {
            at += millis(&mut rng, GAP_MS);
            let lasts = millis(&mut rng, kind.lasts_ms());
            let target = match rng.u32(0..10) {
                0..=3 => Target::Leader,
                4..=7 => Target::Follower(rng.usize(0..2)),
                _ => Target::Agent(rng.usize(0..2)),
            };
            if at + lasts > length {
                return steps;
            }
            over = over.max(at + lasts);
            steps.push(Step { at, kind, target, lasts });
        }
        at = over + QUIET;
    }
}

fn millis(rng: &mut fastrand::Rng, (from, to): (u64, u64)) -> Duration {
    Duration::from_millis(rng.u64(from..=to))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_is_a_plan_and_another_seed_another_one() {
        let length = Duration::from_mins(10);
        assert_eq!(plan(1, length), plan(1, length));
        assert_ne!(plan(1, length), plan(2, length));
    }

    #[test]
    fn two_minutes_have_room_for_every_kind() {
        for seed in 0..500 {
            let steps = plan(seed, Duration::from_secs(110));
            let kinds: BTreeSet<Kind> = steps.iter().map(|step| step.kind).collect();
            assert_eq!(kinds.len(), Kind::ALL.len(), "seed {seed}");
        }
    }

    #[test]
    fn faults_overlap_and_everything_is_well_in_between() {
        let steps = plan(1, Duration::from_mins(10));
        let pairs = steps.iter().zip(steps.iter().skip(1));
        let overlaps = pairs.filter(|(one, next)| one.at + one.lasts > next.at).count();
        assert!(overlaps > steps.len() / 4, "{overlaps} of {}", steps.len());
        let ends = |end: &Step| end.at + end.lasts;
        let quiet =
            steps.iter().enumerate().skip(1).filter(|(at, step)| {
                steps[..*at].iter().all(|before| ends(before) + QUIET <= step.at)
            });
        assert!(quiet.count() >= 3);
    }
}
