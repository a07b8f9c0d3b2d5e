//! What a seed stands for. Each seed draws which faults there are and how strong, how large the cluster
//! is, and how busy: so that rare combinations come up that nobody would have written down.

use std::time::Duration;

use berth_replication::Tuning;

use crate::claimant::Load;
use crate::network::{Latency, Micros};
use crate::rng::Rng;

const SECOND: Micros = 1_000_000;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A process is killed; what it wrote stays.
    Kill,
    /// A host loses power: what was not synced is lost, but for what chance leaves.
    PowerLoss,
    /// All hosts lose power at once.
    PowerLossOfAll,
    /// A process is stopped for a while, and then goes on as if nothing had been.
    Pause,
    /// The hosts are split in two.
    Split,
    /// One link works in one direction only.
    OneWay,
    /// Each host reaches its two neighbours only.
    Ring,
    /// The leader hears nobody, or nobody hears it.
    IsolatedLeader,
    /// A link is slow.
    SlowLink,
    /// A connection breaks.
    BrokenConnection,
    /// A wall clock jumps.
    ClockJump,
    /// A disk is slow.
    SlowDisk,
    /// A disk is full, or fails.
    DiskFailure,
    /// The leader hands over.
    Handover,
    /// A node makes a snapshot.
    Snapshot,
    /// An engine ends and begins anew.
    EngineRestart,
    /// Another manager of the Swarm leads.
    ManagerChange,
    /// A host loses what it has of the cluster, and comes back as a new member in its own place.
    Replacement,
    /// A member is removed while it runs, and comes back as a new one.
    Removal,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Kill,
        Self::PowerLoss,
        Self::PowerLossOfAll,
        Self::Pause,
        Self::Split,
        Self::OneWay,
        Self::Ring,
        Self::IsolatedLeader,
        Self::SlowLink,
        Self::BrokenConnection,
        Self::ClockJump,
        Self::SlowDisk,
        Self::DiskFailure,
        Self::Handover,
        Self::Snapshot,
        Self::EngineRestart,
        Self::ManagerChange,
        Self::Replacement,
        Self::Removal,
    ];
    /// Those that change who is a member.
    pub(crate) const MEMBERSHIP: [Self; 2] = [Self::Replacement, Self::Removal];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::PowerLoss => "power loss",
            Self::PowerLossOfAll => "power loss of all",
            Self::Pause => "pause",
            Self::Split => "split",
            Self::OneWay => "one-way link",
            Self::Ring => "ring",
            Self::IsolatedLeader => "isolated leader",
            Self::SlowLink => "slow link",
            Self::BrokenConnection => "broken connection",
            Self::ClockJump => "clock jump",
            Self::SlowDisk => "slow disk",
            Self::DiskFailure => "disk failure",
            Self::Handover => "handover",
            Self::Snapshot => "snapshot",
            Self::EngineRestart => "engine restart",
            Self::ManagerChange => "manager change",
            Self::Replacement => "replaced member",
            Self::Removal => "removed member",
        }
    }

    /// How often it is drawn where it is drawn at all; what stops all is rare.
    fn weight_max(self) -> u64 {
        match self {
            Self::PowerLossOfAll | Self::DiskFailure => 1,
            _ => 4,
        }
    }
}

/// A scenario.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// Its seed.
    pub(crate) seed: u64,
    /// Nodes, each with an engine.
    pub(crate) nodes: usize,
    /// Hosts without a replica, likewise: of one seed in four.
    pub(crate) agents: usize,
    /// How long each host runs before the next one does.
    pub(crate) tick: Micros,
    /// For how long faults come.
    pub(crate) unsafe_for: Micros,
    /// Mean time between two faults.
    pub(crate) fault_every: Micros,
    /// The faults, each as often as it is drawn.
    pub(crate) faults: Vec<Fault>,
    /// How long a fault lasts at most.
    pub(crate) fault_lasts: Micros,
    /// The replicas' times and sizes.
    pub(crate) tuning: Tuning,
    /// Entries after which a ledger's log is cut.
    pub(crate) ledger_snapshot_after: u64,
    /// How long released addresses of the cluster's spaces cool.
    pub(crate) reuse_delay_millis: u64,
    /// How long a message takes.
    pub(crate) latency: Latency,
    /// By how many millionths clocks are fast or slow at most.
    pub(crate) drift_max: u64,
    /// How busy each engine is.
    pub(crate) engines: Load,
    /// How busy the Swarm is, where there is one.
    pub(crate) swarm: Option<Load>,
    /// Nodes that are well in the end; the others stay away until all is told.
    pub(crate) core: usize,
}

impl Scenario {
    /// What a seed stands for.
    pub(crate) fn draw(seed: u64) -> Self {
        let rng = &mut Rng::new(seed, "scenario");
        let nodes = if rng.chance(300) { 5 } else { 3 };
        let mut faults = Vec::new();
        while faults.is_empty() {
            let others = Fault::ALL.into_iter().filter(|it| !Fault::MEMBERSHIP.contains(it));
            for fault in others {
                if rng.chance(450) {
                    let weight = rng.between(1, fault.weight_max());
                    faults.extend((0..weight).map(|_| fault));
                }
            }
        }
        // Drawn beside the others, which are as they were.
        let members = &mut Rng::new(seed, "members");
        for fault in Fault::MEMBERSHIP {
            if members.chance(300) {
                let weight = members.between(1, fault.weight_max());
                faults.extend((0..weight).map(|_| fault));
            }
        }
        let majority = nodes / 2 + 1;
        Self {
            seed,
            nodes,
            agents: agents(seed),
            tick: *rng.pick(&[2_000, 5_000, 10_000]),
            unsafe_for: rng.between(15, 45) * SECOND,
            fault_every: rng.between(300, 4_000) * 1_000,
            faults,
            fault_lasts: rng.between(1, 8) * SECOND,
            tuning: tuning(rng),
            ledger_snapshot_after: rng.between(10, 200),
            reuse_delay_millis: *rng.pick(&[0, 0, 500, 5_000]),
            latency: Latency { least: rng.between(50, 500), most: rng.between(500, 15_000) },
            drift_max: *rng.pick(&[0, 100, 10_000]),
            engines: load(rng),
            swarm: rng.chance(600).then(|| load(rng)),
            core: if rng.chance(500) { nodes } else { majority },
        }
    }
}

/// A stream of its own: what else a seed stands for does not depend on it.
fn agents(seed: u64) -> usize {
    let some = 1 + Rng::new(seed, "agents").below(2);
    if seed.is_multiple_of(4) { some } else { 0 }
}

fn tuning(rng: &mut Rng) -> Tuning {
    let snapshot_after = rng.between(20, 250);
    let log_keep = if rng.chance(200) { 0 } else { rng.between(0, snapshot_after) };
    let heartbeat = rng.between(50, 150);
    let election = heartbeat * rng.between(4, 8);
    Tuning {
        heartbeat: Duration::from_millis(heartbeat),
        election: Duration::from_millis(election)..Duration::from_millis(2 * election),
        snapshot_after,
        log_keep,
        snapshot_timeout: Duration::from_secs(10),
        ..Tuning::default()
    }
}

fn load(rng: &mut Rng) -> Load {
    Load {
        think: rng.between(20, 200) * 1_000,
        at_once: usize::try_from(rng.between(1, 4)).unwrap_or(1),
        networks: usize::try_from(rng.between(1, 4)).unwrap_or(1),
        endpoints: usize::try_from(rng.between(2, 10)).unwrap_or(2),
        patience: Duration::from_millis(rng.between(2_000, 9_000)),
    }
}
