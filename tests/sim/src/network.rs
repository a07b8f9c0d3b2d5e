//! A network with TCP as its nodes see it, whose every delay and cut is the simulator's.
//!
//! A connection delivers in order and loses nothing, or breaks. A cut link holds what is on its way,
//! as retransmission does, and goes on when it heals. A host that loses power says nothing: whoever
//! speaks to it learns so only when it is back.

mod connection;
mod stream;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use berth_replication::sim::{Accepting, Connecting, Listen};

use crate::rng::Rng;
use connection::{Connection, Stage};
use stream::{Accept, Connect};

/// A host's number, from 0.
pub(crate) type HostId = usize;
/// Microseconds since the simulation began.
pub(crate) type Micros = u64;

/// How long a message takes on one link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    /// At least.
    pub(crate) least: Micros,
    /// At most.
    pub(crate) most: Micros,
}

/// The network. Clones are the same.
#[derive(Clone)]
pub(crate) struct Network(Arc<Mutex<Inner>>);

struct Inner {
    now: Micros,
    rng: Rng,
    latency: Latency,
    /// Links, from and to, that are slow at the moment.
    slow: BTreeMap<(HostId, HostId), Latency>,
    /// Links, from and to, over which nothing comes.
    cut: BTreeSet<(HostId, HostId)>,
    up: BTreeSet<HostId>,
    ports: BTreeMap<HostId, Port>,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    delivered: xxhash_rust::xxh3::Xxh3,
}

#[derive(Default)]
struct Port {
    waiting: VecDeque<u64>,
    acceptor: Option<Waker>,
}

impl Network {
    /// A network whose links all take this long.
    pub(crate) fn new(rng: Rng, latency: Latency) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            now: 0,
            rng,
            latency,
            slow: BTreeMap::new(),
            cut: BTreeSet::new(),
            up: BTreeSet::new(),
            ports: BTreeMap::new(),
            connections: BTreeMap::new(),
            next: 0,
            delivered: xxhash_rust::xxh3::Xxh3::new(),
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects two hosts.
    pub(crate) fn connect(&self, from: HostId, to: HostId) -> Connecting {
        let mut inner = self.inner();
        let due = inner.due(from, to);
        let id = inner.next;
        inner.next += 1;
        inner.connections.insert(id, Connection::new([from, to], due));
        Box::pin(Connect { network: self.clone(), connection: Some(id) })
    }

    /// Opens a host's port.
    pub(crate) fn listen(&self, host: HostId) -> io::Result<Box<dyn Listen>> {
        let mut inner = self.inner();
        if inner.ports.contains_key(&host) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        inner.ports.insert(host, Port::default());
        Ok(Box::new(Listener { network: self.clone(), host }))
    }

    /// Delivers what is due by now.
    pub(crate) fn deliver(&self, now: Micros) {
        let mut wakers = Vec::new();
        {
            let mut inner = self.inner();
            inner.now = now;
            inner.deliver(&mut wakers);
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A host is on.
    pub(crate) fn up(&self, host: HostId) {
        self.inner().up.insert(host);
    }

    /// A host's process ends. With power its kernel tells the peers; without, nobody does.
    pub(crate) fn down(&self, host: HostId, power: bool) {
        let mut inner = self.inner();
        if !power {
            inner.up.remove(&host);
        }
        inner.ports.remove(&host);
        let now = inner.now;
        for connection in inner.connections.values_mut() {
            connection.abandon(host, power, now);
        }
    }

    /// Cuts a link in one direction.
    pub(crate) fn cut(&self, from: HostId, to: HostId) {
        self.inner().cut.insert((from, to));
    }

    /// Heals all links.
    pub(crate) fn heal(&self) {
        let mut inner = self.inner();
        inner.cut.clear();
        inner.slow.clear();
    }

    /// Makes a link slow, or as it was.
    pub(crate) fn slow(&self, from: HostId, to: HostId, latency: Option<Latency>) {
        let mut inner = self.inner();
        match latency {
            Some(latency) => inner.slow.insert((from, to), latency),
            None => inner.slow.remove(&(from, to)),
        };
    }

    /// Breaks one connection, if there is one. Both ends are told at once.
    pub(crate) fn break_one(&self, rng: &mut Rng) -> bool {
        let mut wakers = Vec::new();
        let broken = {
            let mut inner = self.inner();
            let open: Vec<u64> =
                inner.connections.iter().filter(|(_, c)| c.is_open()).map(|(id, _)| *id).collect();
            let chosen = (!open.is_empty()).then(|| *rng.pick(&open));
            if let Some(connection) = chosen.and_then(|id| inner.connections.get_mut(&id)) {
                connection.reset(&mut wakers);
            }
            chosen.is_some()
        };
        wakers.into_iter().for_each(Waker::wake);
        broken
    }

    /// A hash of all bytes delivered so far.
    pub(crate) fn digest(&self) -> u64 {
        self.inner().delivered.digest()
    }
}

impl Inner {
    /// When a message that is sent now arrives.
    fn due(&mut self, from: HostId, to: HostId) -> Micros {
        let Latency { least, most } = *self.slow.get(&(from, to)).unwrap_or(&self.latency);
        self.now + self.rng.between(least, most)
    }

    fn deliver(&mut self, wakers: &mut Vec<Waker>) {
        let Self { now, cut, up, ports, connections, delivered, .. } = self;
        let open = |from: HostId, to: HostId| !cut.contains(&(from, to));
        for (id, connection) in connections.iter_mut() {
            match connection.stage {
                Stage::Greeting { due } if due <= *now => {
                    let [from, to] = connection.hosts;
                    // The request and its confirmation both have to arrive.
                    if !open(from, to) || !open(to, from) || !up.contains(&to) {
                        continue;
                    }
                    match ports.get_mut(&to) {
                        Some(port) => {
                            connection.establish(wakers);
                            port.waiting.push_back(*id);
                            wakers.extend(port.acceptor.take());
                        }
                        None => connection.refuse(wakers),
                    }
                }
                Stage::Open => connection.deliver(*now, open, up, wakers, |bytes| {
                    delivered.update(&id.to_le_bytes());
                    delivered.update(bytes);
                }),
                _ => {}
            }
        }
        connections.retain(|_, connection| !connection.is_over());
    }
}

struct Listener {
    network: Network,
    host: HostId,
}

impl Listen for Listener {
    fn accept(&self) -> Accepting<'_> {
        Box::pin(Accept { network: &self.network, host: self.host })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.network.inner().ports.remove(&self.host);
    }
}
