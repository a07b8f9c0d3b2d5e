//! After the faults: a core of nodes is well, and must serve again in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use berth_allocator::{
    ClientName, Command, Envelope, Incarnation, Millis, Register, Sequence, Text,
};
use berth_replication::{Consistency, Deadline};

use crate::host::Host;
use crate::network::{HostId, Micros};

/// Writes, and reads, that a core must serve.
const WANTED: u64 = 10;
/// How long one attempt may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the core, one thing at a time on each node.
pub(crate) struct Probes {
    core: Vec<HostId>,
    until: Micros,
    under_way: Vec<Option<Probe>>,
    writes: u64,
    reads: u64,
}

struct Probe {
    write: bool,
    generation: u64,
    outcome: Arc<Mutex<Option<bool>>>,
}

impl Probes {
    /// The core has until then.
    pub(crate) fn new(core: Vec<HostId>, until: Micros) -> Self {
        let under_way = core.iter().map(|_| None).collect();
        Self { core, until, under_way, writes: 0, reads: 0 }
    }

    /// Goes on; true once the core has served enough, an error once it is too late.
    pub(crate) fn step(&mut self, now: Micros, hosts: &[Host]) -> Result<bool, String> {
        for (at, host) in self.core.iter().enumerate() {
            let host = &hosts[*host];
            if let Some(probe) = &self.under_way[at] {
                let told = *probe.outcome.lock().unwrap_or_else(PoisonError::into_inner);
                let over = probe.generation != host.generation() || !host.runs();
                match told.or_else(|| over.then_some(false)) {
                    None => continue,
                    Some(true) if probe.write => self.writes += 1,
                    Some(true) => self.reads += 1,
                    Some(false) => {}
                }
            }
            let write = self.writes <= self.reads;
            self.under_way[at] = Probe::send(host, write, now);
        }
        if self.writes >= WANTED && self.reads >= WANTED {
            return Ok(true);
        }
        if now >= self.until {
            let (writes, reads, core) = (self.writes, self.reads, self.core.len());
            return Err(format!(
                "V2: a core of {core} served {writes} writes and {reads} reads, not {WANTED} each"
            ));
        }
        Ok(false)
    }
}

impl Probe {
    fn send(host: &Host, write: bool, now: Micros) -> Option<Self> {
        let replica = host.node()?.replica()?.clone();
        let outcome = Arc::new(Mutex::new(None));
        let told = Arc::clone(&outcome);
        let probing = async move {
            let deadline = Deadline::after(PATIENCE);
            let done = if write {
                replica.propose(registration(now), deadline).await.is_ok()
            } else {
                replica.read(Consistency::Linearizable, deadline, |_| ()).await.is_ok()
            };
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        };
        let generation = host.generation();
        host.spawn(probing).then_some(Self { write, generation, outcome })
    }
}

/// A command that anybody may give.
fn registration(now: Micros) -> Envelope {
    let text = "probe";
    let register = Register {
        instance: u128::from(now),
        address: Text::new(text).expect("it is short and plain"),
        lease: Millis::new(0),
    };
    Envelope {
        client: ClientName::new(text).expect("it is short and plain"),
        incarnation: Incarnation::new(0),
        sequence: Sequence::new(0),
        heard: Sequence::new(0),
        command: Command::Register(register),
    }
}
