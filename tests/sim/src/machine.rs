//! A simulated machine: what a node finds instead of the real one.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use berth_allocator::Timestamp;
use berth_replication::Clock;
use berth_replication::sim::{Connecting, Disk, Event, Listen, Machine};

use crate::network::{HostId, Network};
use crate::rng::Rng;
use crate::witness::Witness;

/// The wall clock begins in 2026.
const EPOCH_MILLIS: u64 = 1_767_225_600_000;

/// One host's wall clock: it may be wrong, and it may jump.
#[derive(Default)]
pub(crate) struct WallClock {
    true_millis: AtomicU64,
    ahead_millis: AtomicI64,
}

impl WallClock {
    /// So much simulated time has passed.
    pub(crate) fn pass(&self, micros: u64) {
        self.true_millis.store(micros / 1_000, Ordering::Relaxed);
    }

    /// Sets how far it is ahead.
    pub(crate) fn set_ahead(&self, millis: i64) {
        self.ahead_millis.store(millis, Ordering::Relaxed);
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let right = EPOCH_MILLIS + self.true_millis.load(Ordering::Relaxed);
        Timestamp::new(right.saturating_add_signed(self.ahead_millis.load(Ordering::Relaxed)))
    }
}

/// The machine of one host.
pub(crate) struct SimulatedMachine {
    /// Which host.
    pub(crate) host: HostId,
    /// Its disk.
    pub(crate) disk: Disk,
    /// Its wall clock.
    pub(crate) clock: Arc<WallClock>,
    network: Network,
    /// Hosts by the names under which they are reached.
    names: BTreeMap<String, HostId>,
    rng: Mutex<Rng>,
    witness: Arc<Mutex<Witness>>,
    boots: AtomicU64,
    /// The engine's process that runs here; 0 for none. Each has a pid of its own.
    engine: AtomicU32,
}

impl SimulatedMachine {
    /// A machine.
    pub(crate) fn new(
        host: HostId,
        network: Network,
        names: BTreeMap<String, HostId>,
        rng: Rng,
        witness: Arc<Mutex<Witness>>,
    ) -> Self {
        let rng = Mutex::new(rng);
        let (disk, clock) = (Disk::default(), Arc::default());
        let (boots, engine) = (AtomicU64::new(1), AtomicU32::new(0));
        Self { host, disk, clock, network, names, rng, witness, boots, engine }
    }

    /// What it was seen to do counts no more: it is another member from now on.
    pub(crate) fn forget(&self) {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner).forget(self.host);
    }

    /// It lost power, with everything that ran on it.
    pub(crate) fn reboot(&self) {
        self.boots.fetch_add(1, Ordering::Relaxed);
        self.engine.store(0, Ordering::Relaxed);
    }

    /// This engine's process runs from now on, in place of any other; 0 for none.
    pub(crate) fn runs_engine(&self, pid: u32) {
        self.engine.store(pid, Ordering::Relaxed);
    }

    /// The engine's process that runs here, if one does.
    pub(crate) fn engine(&self) -> Option<u32> {
        Some(self.engine.load(Ordering::Relaxed)).filter(|pid| *pid != 0)
    }
}

impl Machine for SimulatedMachine {
    fn fill_random(&self, bytes: &mut [u8]) {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
    }

    fn disk(&self) -> &Disk {
        &self.disk
    }

    fn connect(&self, address: &str) -> Connecting {
        match self.names.get(address) {
            Some(to) => self.network.connect(self.host, *to),
            None => Box::pin(async { Err(io::ErrorKind::HostUnreachable.into()) }),
        }
    }

    fn listen(&self, _address: &str) -> io::Result<Box<dyn Listen>> {
        self.network.listen(self.host)
    }

    fn boot(&self) -> String {
        format!("boot {}", self.boots.load(Ordering::Relaxed))
    }

    fn started(&self, pid: u32) -> Option<u64> {
        self.engine().filter(|engine| *engine == pid).map(u64::from)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn observe(&self, event: Event<'_>) {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner).see(self.host, &event);
    }
}
