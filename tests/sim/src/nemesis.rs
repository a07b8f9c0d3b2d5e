//! Strikes: draws faults as the scenario says, and undoes each after a while.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use berth_replication::sim::WriteFault;
use berth_replication::{
    AccessToken, Deadline, MemberChange, MembershipError, NodeId, Replica, Role, TokenUse,
};

use crate::claimant::{Claimant, Kind};
use crate::network::{HostId, Latency, Micros};
use crate::node::Node;
use crate::node::TOKEN_KEY;
use crate::rng::Rng;
use crate::scenario::{Fault, Scenario};
use crate::scene::Scene;

/// How long whoever removes a member waits.
const ASK_MAX: Duration = Duration::from_secs(10);

/// What undoes a fault.
#[derive(Debug, Clone)]
enum Remedy {
    Start(HostId),
    Heal,
    Unslow(HostId, HostId),
    Disk(HostId),
    Clock(HostId),
}

/// The one who strikes.
pub(crate) struct Nemesis {
    rng: Rng,
    next: Micros,
    every: Micros,
    lasts: Micros,
    faults: Vec<Fault>,
    remedies: Vec<(Micros, Remedy)>,
    /// What a host comes back with, once a node has made one: it says the same for the whole run.
    token: Option<AccessToken>,
    /// The one that is to come back as a new member: one at a time, else data is lost with good reason.
    away: Option<Away>,
}

/// A host whose member is, or may be, one no more.
struct Away {
    host: HostId,
    /// The number that it had.
    was: NodeId,
    /// It is a member still, since that was refused.
    refused: Arc<Mutex<bool>>,
}

impl Nemesis {
    /// For a scenario.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            rng: Rng::new(scenario.seed, "nemesis"),
            // First there must be something to strike.
            next: 3_000_000,
            every: scenario.fault_every,
            lasts: scenario.fault_lasts,
            faults: scenario.faults.clone(),
            remedies: Vec::new(),
            token: None,
            away: None,
        }
    }

    /// Strikes and undoes what is due.
    pub(crate) fn step(&mut self, scene: &mut Scene, claimants: &mut [Claimant]) {
        self.remedy(scene);
        if scene.now >= self.next {
            self.next = scene.now + self.rng.between(1, 2 * self.every);
            let fault = *self.rng.pick(&self.faults);
            if self.strike(scene, claimants, fault) {
                scene.count(fault.name());
            }
        }
    }

    /// A host's process ended by itself: it is started again.
    pub(crate) fn restart_later(&mut self, scene: &Scene, host: HostId) {
        let until = self.end(scene.now);
        self.remedies.push((until, Remedy::Start(host)));
    }

    /// Nothing more happens, and nothing is undone.
    pub(crate) fn rest(&mut self) {
        self.remedies.clear();
        self.next = Micros::MAX;
    }

    fn end(&mut self, now: Micros) -> Micros {
        // Now and then so long that others go on without it, and snapshots are needed.
        let lasts = if self.rng.chance(100) { 4 * self.lasts } else { self.lasts };
        now + self.rng.between(100_000, lasts)
    }

    fn remedy(&mut self, scene: &mut Scene) {
        let now = scene.now;
        let due: Vec<Remedy> =
            self.remedies.extract_if(.., |(at, _)| *at <= now).map(|(_, remedy)| remedy).collect();
        for remedy in due {
            scene.event(format_args!("remedy {remedy:?}"));
            match remedy {
                Remedy::Start(host) if !scene.hosts[host].runs() => scene.hosts[host].start(now),
                Remedy::Start(_) => {}
                Remedy::Heal => scene.network.heal(),
                Remedy::Unslow(from, to) => scene.network.slow(from, to, None),
                Remedy::Disk(host) => {
                    scene.hosts[host].machine.disk.fail(None);
                    scene.hosts[host].machine.disk.slow(Duration::ZERO);
                }
                Remedy::Clock(host) => scene.hosts[host].machine.clock.set_ahead(0),
            }
        }
    }

    /// True if it struck.
    fn strike(&mut self, scene: &mut Scene, claimants: &mut [Claimant], fault: Fault) -> bool {
        let count = scene.hosts.len();
        let host = self.rng.below(count);
        let until = self.end(scene.now);
        scene.event(format_args!("fault {fault:?} at n{} until {until}", host + 1));
        match fault {
            Fault::Kill => self.kill(scene, host, until),
            Fault::PowerLoss => self.lose_power(scene, claimants, host, until),
            Fault::PowerLossOfAll => {
                for host in 0..count {
                    self.lose_power(scene, claimants, host, until);
                }
                true
            }
            Fault::Pause => {
                let leader = leader(scene).filter(|_| self.rng.chance(500));
                let host = leader.unwrap_or(host);
                let runs = scene.hosts[host].runs();
                scene.hosts[host].pause(until);
                runs
            }
            Fault::Split | Fault::OneWay | Fault::Ring | Fault::IsolatedLeader => {
                self.cut(scene, fault, host);
                self.remedies.push((until, Remedy::Heal));
                true
            }
            Fault::SlowLink => self.slow_link(scene, host, until),
            Fault::BrokenConnection => scene.network.break_one(&mut self.rng),
            Fault::ClockJump => self.turn_clock(scene, host, until),
            Fault::SlowDisk => {
                let delay = Duration::from_micros(self.rng.between(1_000, 500_000));
                scene.hosts[host].machine.disk.slow(delay);
                self.remedies.push((until, Remedy::Disk(host)));
                scene.hosts[host].runs()
            }
            Fault::DiskFailure => {
                let error = *self.rng.pick(&[io::ErrorKind::StorageFull, io::ErrorKind::Other]);
                let after = self.rng.between(0, 50);
                scene.hosts[host].machine.disk.fail(Some(WriteFault { after, error }));
                self.remedies.push((until, Remedy::Disk(host)));
                scene.hosts[host].runs()
            }
            Fault::Handover => leader(scene).is_some_and(|leader| {
                let Some(replica) = replica(scene, leader) else {
                    return false;
                };
                scene.hosts[leader].spawn(async move {
                    replica.hand_over(Deadline::after(Duration::from_secs(2))).await;
                })
            }),
            Fault::Snapshot => replica(scene, host).is_some_and(|replica| {
                scene.hosts[host].spawn(async move { replica.make_snapshot().await })
            }),
            Fault::EngineRestart => {
                let pause = self.rng.between(10_000, 2_000_000);
                self.end_engine(scene, claimants, host, pause);
                true
            }
            Fault::Replacement => self.replace(scene, claimants, host, until),
            Fault::Removal => self.remove(scene, host),
            Fault::ManagerChange => {
                let pause = self.rng.between(10_000, 3_000_000);
                let swarm = claimants.iter_mut().find(|claimant| claimant.kind() == Kind::Swarm);
                swarm.is_some_and(|swarm| {
                    swarm.restart(scene, host, pause);
                    true
                })
            }
        }
    }

    /// Whether all hosts are members that vote, so that one of them may go.
    fn may_one_go(&mut self, scene: &Scene) -> bool {
        if let Some(Away { host, was, refused }) = &self.away {
            let refused = *refused.lock().unwrap_or_else(PoisonError::into_inner);
            let back = replica(scene, *host).is_some_and(|replica| {
                let status = replica.status();
                let votes =
                    |it: &berth_replication::MemberStatus| it.node == status.node && it.voter;
                // As long as its vote is half given, another one that goes could be one too many.
                status.node != *was && !status.changing && status.members.iter().any(votes)
            });
            if !refused && !back {
                return false;
            }
            self.away = None;
        }
        let members = scene.hosts.iter().filter(|host| host.is_member()).count();
        let token = scene.hosts.iter().find_map(|host| {
            let node = host.node()?;
            let replica = node.replica()?;
            let all = replica.status().members.len() == members;
            replica.access_token(TokenUse::Join, TOKEN_KEY).ok().filter(|_| all)
        });
        self.token = self.token.take().or(token);
        self.token.is_some()
    }

    /// A host loses power, and what it has of the cluster.
    fn replace(
        &mut self,
        scene: &mut Scene,
        claimants: &mut [Claimant],
        host: HostId,
        until: Micros,
    ) -> bool {
        let Some(replica) = replica(scene, host) else { return false };
        if !self.may_one_go(scene) || !self.lose_power(scene, claimants, host, until) {
            return false;
        }
        self.away = Some(Away { host, was: replica.node(), refused: Arc::default() });
        scene.hosts[host].wipe(self.token.clone().expect("there is one"));
        true
    }

    /// A host's member is removed, by another one's word.
    fn remove(&mut self, scene: &mut Scene, host: HostId) -> bool {
        let Some(going) = replica(scene, host) else { return false };
        if !self.may_one_go(scene) {
            return false;
        }
        let asked = self.rng.below(scene.hosts.len());
        let Some(asking) = replica(scene, asked) else { return false };
        let was = going.node();
        let refused = Arc::new(Mutex::new(false));
        self.away = Some(Away { host, was, refused: Arc::clone(&refused) });
        scene.hosts[asked].spawn(async move {
            let change = MemberChange::Remove { node: was, force: false };
            let removed = asking.change_members(&change, Deadline::after(ASK_MAX)).await;
            if let Err(MembershipError::Refused(_) | MembershipError::Unavailable { .. }) = removed
            {
                *refused.lock().unwrap_or_else(PoisonError::into_inner) = true;
            }
        })
    }

    /// Whether a process ended because its member was removed: then it comes back as a new one.
    pub(crate) fn was_removed(&mut self, scene: &mut Scene, host: HostId, reason: &str) -> bool {
        let Some(token) = self.token.clone().filter(|_| reason.contains("was removed")) else {
            return false;
        };
        scene.count("members that were told to go");
        scene.hosts[host].wipe(token);
        let now = scene.now;
        scene.hosts[host].start(now);
        true
    }

    fn kill(&mut self, scene: &mut Scene, host: HostId, until: Micros) -> bool {
        let runs = scene.hosts[host].runs();
        if runs {
            scene.hosts[host].kill(true);
            self.remedies.push((until, Remedy::Start(host)));
        }
        runs
    }

    fn lose_power(
        &mut self,
        scene: &mut Scene,
        claimants: &mut [Claimant],
        host: HostId,
        until: Micros,
    ) -> bool {
        if !scene.hosts[host].runs() {
            return false;
        }
        if scene.hosts[host].machine.disk.unsynced() > 0 {
            scene.count("power losses with unsynced writes");
        }
        scene.hosts[host].kill(false);
        self.remedies.push((until, Remedy::Start(host)));
        self.end_engine(scene, claimants, host, until - scene.now);
        true
    }

    /// An engine ends, and with it the manager that leads there: another one does then.
    fn end_engine(
        &mut self,
        scene: &mut Scene,
        claimants: &mut [Claimant],
        host: HostId,
        pause: Micros,
    ) {
        for claimant in claimants.iter_mut().filter(|claimant| claimant.host == host) {
            let elsewhere = self.rng.below(scene.hosts.len());
            let swarm = claimant.kind() == Kind::Swarm;
            claimant.restart(scene, if swarm { elsewhere } else { host }, pause);
        }
    }

    fn slow_link(&mut self, scene: &mut Scene, from: HostId, until: Micros) -> bool {
        let to = self.rng.below(scene.hosts.len());
        let latency = Latency { least: 10_000, most: self.rng.between(50_000, 2_000_000) };
        scene.network.slow(from, to, Some(latency));
        self.remedies.push((until, Remedy::Unslow(from, to)));
        from != to
    }

    fn turn_clock(&mut self, scene: &mut Scene, host: HostId, until: Micros) -> bool {
        let hour = 3_600_000;
        let ahead = i64::try_from(self.rng.between(0, 2 * hour)).unwrap_or(0);
        let hour = i64::try_from(hour).unwrap_or(0);
        scene.hosts[host].machine.clock.set_ahead(ahead - hour);
        self.remedies.push((until, Remedy::Clock(host)));
        true
    }

    fn cut(&mut self, scene: &mut Scene, fault: Fault, host: HostId) {
        let count = scene.hosts.len();
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let pairs: Vec<(HostId, HostId)> = pairs.filter(|(from, to)| from != to).collect();
        let sides: Vec<bool> = (0..count).map(|_| self.rng.chance(500)).collect();
        let isolated = leader(scene).unwrap_or(host);
        let (deaf, mute) = (self.rng.chance(700), self.rng.chance(700));
        let one = *self.rng.pick(&pairs);
        for (from, to) in pairs {
            let far = (from + count - to) % count;
            let cut = match fault {
                Fault::Split => sides[from] != sides[to],
                Fault::OneWay => (from, to) == one,
                Fault::Ring => count > 3 && far != 1 && far != count - 1 || count == 3 && far == 1,
                _ => (from == isolated && mute) || (to == isolated && (deaf || !mute)),
            };
            if cut {
                scene.network.cut(from, to);
            }
        }
    }
}

/// Who leads, by its own word.
pub(crate) fn leader(scene: &Scene) -> Option<HostId> {
    let leads = |host: &HostId| {
        let node = scene.hosts[*host].node();
        let status = node.as_ref().and_then(Node::replica).map(Replica::status);
        status.is_some_and(|status| status.role == Role::Leader)
    };
    (0..scene.nodes).find(leads)
}

/// The replica of a host that serves and has one.
fn replica(scene: &Scene, host: HostId) -> Option<Replica> {
    scene.hosts[host].node()?.replica().cloned()
}
