//! Strikes: draws faults as the scenario says, and undoes each after a while.

use std::io;
use std::time::Duration;

use berth_replication::sim::WriteFault;
use berth_replication::{Deadline, Replica, Role};

use crate::claimant::{Claimant, Kind};
use crate::network::{HostId, Latency, Micros};
use crate::node::Node;
use crate::rng::Rng;
use crate::scenario::{Fault, Scenario};
use crate::scene::Scene;

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
                let node = scene.hosts[leader].node();
                let Some(replica) = node.and_then(|node| node.replica().cloned()) else {
                    return false;
                };
                scene.hosts[leader].spawn(async move {
                    replica.hand_over(Deadline::after(Duration::from_secs(2))).await;
                })
            }),
            Fault::Snapshot => {
                let node = scene.hosts[host].node();
                node.and_then(|node| node.replica().cloned()).is_some_and(|replica| {
                    scene.hosts[host].spawn(async move { replica.make_snapshot().await })
                })
            }
            Fault::EngineRestart => {
                let pause = self.rng.between(10_000, 2_000_000);
                self.end_engine(scene, claimants, host, pause);
                true
            }
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
