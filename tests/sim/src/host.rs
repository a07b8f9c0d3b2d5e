//! One host: its machine, and the process that runs on it, in a runtime of its own whose clock stands
//! still until the simulation lets it go on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use berth_replication::AccessToken;
use berth_replication::sim::{self, Machine};
use tokio::runtime::{Builder, RngSeed, Runtime};
use tokio::time::Instant;

use crate::machine::SimulatedMachine;
use crate::network::{Micros, Network};
use crate::node::{self, End, Life, LifeSlot, Node, NodeConfig};
use crate::rng::Rng;

/// What a process does at once when it goes on after a pause.
const WAKING: Duration = Duration::from_millis(2);

/// A host.
pub(crate) struct Host {
    /// Its machine.
    pub(crate) machine: Arc<SimulatedMachine>,
    config: NodeConfig,
    network: Network,
    rng: Rng,
    process: Option<Process>,
    /// How many processes there were: calls to an earlier one get no answer.
    generation: u64,
    /// It is stopped until then.
    paused_until: Option<Micros>,
    /// Millionths by which its time passes faster.
    drift: i64,
}

struct Process {
    runtime: Runtime,
    life: LifeSlot,
    /// When it began, by the simulation's time and by its own.
    since: Micros,
    began: Instant,
}

impl Host {
    /// A host that is off.
    pub(crate) fn new(
        machine: Arc<SimulatedMachine>,
        config: NodeConfig,
        network: Network,
        rng: Rng,
        drift: i64,
    ) -> Self {
        Self {
            machine,
            config,
            network,
            rng,
            process: None,
            generation: 0,
            paused_until: None,
            drift,
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// How many processes there were.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a process runs, stopped or not.
    pub(crate) fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// The node, once it serves.
    pub(crate) fn node(&self) -> Option<Node> {
        let process = self.process.as_ref()?;
        match &*process.life.lock().unwrap_or_else(PoisonError::into_inner) {
            Life::Serving(node) => Some(node.clone()),
            Life::Starting | Life::Ended(_) => None,
        }
    }

    /// Why its process ended by itself, if it did.
    pub(crate) fn ended(&self) -> Option<End> {
        let process = self.process.as_ref()?;
        match &*process.life.lock().unwrap_or_else(PoisonError::into_inner) {
            Life::Ended(end) => Some(end.clone()),
            Life::Starting | Life::Serving(_) => None,
        }
    }

    /// Starts a process.
    pub(crate) fn start(&mut self, now: Micros) {
        self.generation += 1;
        self.network.up(self.machine.host);
        let seed = RngSeed::from_bytes(&self.rng.number().to_le_bytes());
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .rng_seed(seed)
            .build()
            .expect("a runtime without I/O needs nothing of the system");
        let life: LifeSlot = Arc::new(Mutex::new(Life::Starting));
        let clock = Arc::clone(&self.machine.clock);
        runtime.spawn(node::run(self.config.clone(), clock, Arc::clone(&life)));
        let began = runtime.block_on(async { Instant::now() });
        self.process = Some(Process { runtime, life, since: now, began });
        self.paused_until = None;
    }

    /// Ends the process. Without power, what was not synced is gone, but for what chance leaves.
    pub(crate) fn kill(&mut self, power: bool) {
        let Some(process) = self.process.take() else { return };
        self.network.down(self.machine.host, power);
        let machine = self.as_machine();
        sim::on(&machine, || drop(process));
        if power {
            return;
        }
        let rng = &mut self.rng;
        self.machine.disk.crash(|unsynced| rng.below(unsynced + 1));
        // The node's small files are synced before anything depends on them, but for its journals,
        // which count within one boot only.
        self.machine.reboot();
    }

    /// Whether it keeps a replica.
    pub(crate) fn is_member(&self) -> bool {
        self.config.is_member
    }

    /// A host that is off loses what it has of the cluster, and comes back with a token.
    pub(crate) fn wipe(&mut self, token: AccessToken) {
        let raft = self.config.dir.join("raft");
        self.machine.disk.wipe(&raft);
        // It may never have come so far as to make it.
        let _ = std::fs::remove_dir_all(&raft);
        self.machine.forget();
        self.config.members.clear();
        self.config.token = Some(token);
    }

    /// Stops it, as SIGSTOP does: its clock goes on.
    pub(crate) fn pause(&mut self, until: Micros) {
        if self.runs() {
            self.paused_until = Some(until);
        }
    }

    /// Lets it do what it does until this time.
    pub(crate) fn run_until(&mut self, now: Micros) {
        self.machine.clock.pass(now);
        if self.paused_until.is_some_and(|until| now < until) {
            return;
        }
        let woken = self.paused_until.take().is_some();
        let machine = self.as_machine();
        let drift = self.drift;
        let Some(process) = &mut self.process else { return };
        let until = process.began + own_time(now - process.since, drift);
        sim::on(&machine, || {
            process.runtime.block_on(async {
                if woken {
                    // All that was due meanwhile is due at once.
                    let late = until.saturating_duration_since(Instant::now());
                    tokio::time::advance(late.saturating_sub(WAKING)).await;
                }
                tokio::time::sleep_until(until).await;
            });
        });
    }

    /// Starts something in its process; false if there is none.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> bool {
        self.process.as_ref().is_some_and(|process| {
            process.runtime.spawn(work);
            true
        })
    }

    /// Does something in its process that takes no time; nothing if there is none.
    pub(crate) fn ask<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let process = self.process.as_ref()?;
        Some(sim::on(&self.as_machine(), || process.runtime.block_on(work)))
    }

    fn as_machine(&self) -> Arc<dyn Machine> {
        Arc::clone(&self.machine) as Arc<dyn Machine>
    }
}

/// How far a clock has come that is fast by so many millionths.
fn own_time(passed: Micros, drift: i64) -> Duration {
    let off = i128::from(passed) * i128::from(drift) / 1_000_000;
    Duration::from_micros(u64::try_from(i128::from(passed) + off).unwrap_or(passed))
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill(true);
    }
}
