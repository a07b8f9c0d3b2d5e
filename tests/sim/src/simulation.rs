//! One run: faults first, and nothing may be wrong; then a core is healed, and must serve; then all are
//! healed, and must hold the same, and what clients were told must be true.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use berth_replication::{Member, NodeName};
use tempfile::TempDir;

use crate::claimant::{Claimant, Kind};
use crate::history::Recorder;
use crate::host::Host;
use crate::liveness::Probes;
use crate::machine::SimulatedMachine;
use crate::monitor::Monitor;
use crate::nemesis::Nemesis;
use crate::network::{HostId, Micros, Network};
use crate::node::NodeConfig;
use crate::panics;
use crate::report::Report;
use crate::rng::Rng;
use crate::scenario::{Fault, Scenario};
use crate::scene::Scene;
use crate::trace::Trace;
use crate::verdict;
use crate::witness::Witness;

const SECOND: Micros = 1_000_000;
/// A core must serve within this time, and all nodes agree.
const HEALED_MAX: Micros = 30 * SECOND;
/// How often the nodes' own words are looked at.
const LOOK_EVERY: Micros = 100_000;
/// Runs that answer less have tested nothing.
const ANSWERS_MIN: u64 = 50;

/// A run under way.
struct Simulation {
    scenario: Scenario,
    scene: Scene,
    claimants: Vec<Claimant>,
    nemesis: Nemesis,
    monitor: Monitor,
    witness: Arc<Mutex<Witness>>,
    /// Hosts that are to run.
    wanted: Vec<bool>,
    next_look: Micros,
    /// Holds all files.
    _dir: TempDir,
}

/// Runs a seed; its trace goes into a file, if there is to be one.
pub fn run(seed: u64, trace: Option<&Path>) -> io::Result<Report> {
    panics::note();
    let scenario = Scenario::draw(seed);
    let mut simulation = Simulation::new(scenario, Trace::new(trace)?)?;
    simulation.play();
    let report = simulation.report();
    panics::forget();
    Ok(report)
}

impl Simulation {
    fn new(scenario: Scenario, trace: Trace) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("berth-sim-").tempdir_in(fast_directory())?;
        let seed = scenario.seed;
        let network = Network::new(Rng::new(seed, "network"), scenario.latency);
        let witness = Arc::new(Mutex::new(Witness::default()));
        let nodes = scenario.nodes;
        let all = nodes + scenario.agents;
        let name = |host: HostId| match host.checked_sub(nodes) {
            None => format!("n{}", host + 1),
            Some(agent) => format!("a{}", agent + 1),
        };
        let address = |host: HostId| format!("{}:7100", name(host));
        let names: BTreeMap<String, HostId> = (0..nodes).map(|h| (address(h), h)).collect();
        let member = |host| Member {
            name: NodeName::new(name(host)).expect("a plain name"),
            address: address(host),
        };
        let members: Vec<Member> = (0..nodes).map(member).collect();
        let rng = &mut Rng::new(seed, "hosts");
        let host = |host| {
            let own = |what| Rng::new(seed, &format!("{what} of {host}"));
            let (network, names) = (network.clone(), names.clone());
            let machine = SimulatedMachine::new(
                host,
                network.clone(),
                names,
                own("machine"),
                Arc::clone(&witness),
            );
            let config = NodeConfig {
                name: name(host),
                is_member: host < nodes,
                members: members.clone(),
                token: None,
                dir: dir.path().join(name(host)),
                tuning: scenario.tuning.clone(),
                ledger_snapshot_after: scenario.ledger_snapshot_after,
                reuse_delay_millis: scenario.reuse_delay_millis,
            };
            let drift = i64::try_from(rng.between(0, 2 * scenario.drift_max)).unwrap_or(0)
                - i64::try_from(scenario.drift_max).unwrap_or(0);
            Host::new(Arc::new(machine), config, network, own("process"), drift)
        };
        let hosts: Vec<Host> = (0..all).map(host).collect();
        let claimants = claimants(&scenario);
        let scene = Scene {
            now: 0,
            hosts,
            nodes,
            network,
            recorder: Recorder::default(),
            trace,
            counts: BTreeMap::new(),
            violations: Vec::new(),
        };
        Ok(Self {
            nemesis: Nemesis::new(&scenario),
            monitor: Monitor::new(all),
            wanted: vec![true; all],
            scenario,
            scene,
            claimants,
            witness,
            next_look: 0,
            _dir: dir,
        })
    }

    fn play(&mut self) {
        let scenario = format!("{:?}", self.scenario);
        self.scene.event(format_args!("{scenario}"));
        for host in &mut self.scene.hosts {
            host.start(0);
        }
        while self.scene.now < self.scenario.unsafe_for && self.is_well() {
            self.nemesis.step(&mut self.scene, &mut self.claimants);
            self.tick(true);
        }
        self.heal();
        self.serve_again();
        self.agree();
    }

    fn is_well(&self) -> bool {
        self.scene.violations.is_empty()
    }

    /// Everybody does what they do in one step of time.
    fn tick(&mut self, claims: bool) {
        self.scene.now += self.scenario.tick;
        let now = self.scene.now;
        self.scene.network.deliver(now);
        for host in &mut self.scene.hosts {
            host.run_until(now);
        }
        for host in 0..self.scene.hosts.len() {
            if let Some(end) = self.scene.hosts[host].ended() {
                self.ended(host, &end);
            }
        }
        for claimant in &mut self.claimants {
            claimant.step(&mut self.scene, claims);
        }
        let faults = self.witness().take_faults();
        for fault in faults.into_iter().chain(panics::take()) {
            self.scene.violation(fault);
        }
        if now >= self.next_look {
            self.next_look = now + LOOK_EVERY;
            self.monitor.look(&mut self.scene);
        }
    }

    /// A process ended by itself.
    fn ended(&mut self, host: HostId, end: &crate::node::End) {
        self.scene.event(format_args!("n{} ends: {}", host + 1, end.reason));
        self.scene.hosts[host].kill(true);
        self.scene.count("processes that ended");
        if end.lost_data {
            let what = format!("K2: n{} cannot start again: {}", host + 1, end.reason);
            self.scene.violation(what);
        }
        if self.nemesis.was_removed(&mut self.scene, host, &end.reason) {
            return;
        }
        if self.wanted[host] {
            self.nemesis.restart_later(&self.scene, host);
        }
    }

    /// A core is well from now on; the others stay away.
    fn heal(&mut self) {
        let mut rng = Rng::new(self.scenario.seed, "core");
        let mut left: Vec<HostId> = (0..self.scenario.nodes).collect();
        // With other members the core is another one, too: then it is all of them.
        let as_begun = Fault::MEMBERSHIP.iter().all(|it| self.scene.counted(it.name()) == 0);
        while as_begun && left.len() > self.scenario.core {
            let away = left.remove(rng.below(left.len()));
            self.wanted[away] = false;
            self.scene.hosts[away].kill(true);
        }
        self.nemesis.rest();
        self.scene.event(format_args!("healed; the core is {left:?}"));
        self.scene.network.heal();
        let now = self.scene.now;
        let agents = self.scenario.nodes..self.scene.hosts.len();
        for host in left.iter().copied().chain(agents) {
            let machine = &self.scene.hosts[host].machine;
            machine.disk.fail(None);
            machine.disk.slow(std::time::Duration::ZERO);
            machine.clock.set_ahead(0);
            self.scene.hosts[host].pause(now);
            if !self.scene.hosts[host].runs() {
                self.scene.hosts[host].start(now);
            }
        }
        for claimant in &mut self.claimants {
            if claimant.kind() == Kind::Swarm && !self.wanted[claimant.host] {
                claimant.restart(&mut self.scene, left[0], SECOND);
            }
        }
    }

    /// The core must serve within its time, whatever else its claimants do.
    fn serve_again(&mut self) {
        let core = (0..self.scenario.nodes).filter(|host| self.wanted[*host]).collect();
        let healed = self.scene.now;
        let mut probes = Probes::new(core, healed + HEALED_MAX);
        while self.is_well() {
            self.tick(true);
            match probes.step(self.scene.now, &self.scene.hosts) {
                Ok(false) => {}
                Ok(true) => break,
                Err(what) => self.scene.violation(what),
            }
        }
        let took = self.scene.now - healed;
        self.scene.event(format_args!("the core served after {took} us"));
    }

    /// All come back, claimants finish, and every node holds the same.
    fn agree(&mut self) {
        for host in 0..self.scene.hosts.len() {
            self.wanted[host] = true;
            if !self.scene.hosts[host].runs() {
                let now = self.scene.now;
                self.scene.hosts[host].machine.disk.fail(None);
                self.scene.hosts[host].start(now);
            }
        }
        let begun = self.scene.now;
        while self.is_well() {
            self.tick(false);
            let quiet = self.claimants.iter().all(Claimant::is_quiet);
            if quiet && self.scene.now > begun + 2 * SECOND && Monitor::agree(&self.scene) {
                return;
            }
            if self.scene.now > begun + 2 * HEALED_MAX {
                let (quiet, agree) = (quiet, Monitor::agree(&self.scene));
                self.scene.violation(format!(
                    "V1: after {HEALED_MAX} us claimants are quiet: {quiet}, nodes agree: {agree}"
                ));
            }
        }
    }

    fn report(mut self) -> Report {
        if self.is_well() {
            let witness = Arc::clone(&self.witness);
            let witness = witness.lock().unwrap_or_else(PoisonError::into_inner);
            for what in verdict::judge(&self.scene, &witness) {
                self.scene.violation(what);
            }
        }
        let (compared, installed) = {
            let witness = self.witness();
            (witness.compared, witness.installed)
        };
        let digest = self.scene.network.digest();
        self.scene.trace.bytes(&digest.to_le_bytes());
        let struck: u64 = Fault::ALL.iter().map(|fault| self.scene.counted(fault.name())).sum();
        let mut invalid = None;
        if struck == 0 {
            invalid = Some("no fault struck".to_owned());
        } else if self.scene.counted("done") < ANSWERS_MIN {
            invalid = Some(format!("only {} requests were answered", self.scene.counted("done")));
        }
        Report {
            seed: self.scenario.seed,
            scenario: format!("{:?}", self.scenario),
            simulated: self.scene.now,
            operations: self.scene.recorder.operations().len(),
            counts: self.scene.counts.clone(),
            compared,
            installed,
            digest: self.scene.trace.digest(),
            events: self.scene.trace.events(),
            violations: self.scene.violations.clone(),
            invalid,
            last: self.scene.trace.last().map(str::to_owned).collect(),
        }
    }

    fn witness(&self) -> std::sync::MutexGuard<'_, Witness> {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An engine on each host, and the Swarm.
fn claimants(scenario: &Scenario) -> Vec<Claimant> {
    let (seed, nodes) = (scenario.seed, scenario.nodes);
    let number = |at: usize| u32::try_from(at).expect("there are few hosts");
    let engine = |at, host| {
        let rng = Rng::new(seed, &format!("engine of {host}"));
        Claimant::new(number(at), Kind::Engine, host, scenario.engines, rng)
    };
    let mut claimants: Vec<Claimant> = (0..nodes).map(|host| engine(host, host)).collect();
    if let Some(load) = scenario.swarm {
        let rng = Rng::new(seed, "swarm");
        claimants.push(Claimant::new(number(nodes), Kind::Swarm, 0, load, rng));
    }
    let agents = nodes..nodes + scenario.agents;
    claimants.extend(agents.map(|host| engine(host + 1, host)));
    claimants
}

/// Where files cost nothing, if there is such a place.
fn fast_directory() -> std::path::PathBuf {
    let shared_memory = Path::new("/dev/shm");
    if shared_memory.is_dir() { shared_memory.to_owned() } else { std::env::temp_dir() }
}
