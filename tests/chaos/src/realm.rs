//! A Swarm at work: one of its managers leads, another takes over and replays what it knows, the deposed
//! one goes on for a while; containers come and go on all hosts, networks with them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use berth_allocator::{AddressKind, PoolId, Prefix};
use berth_checkers::{Outcome, Scope};
use futures::future::join_all;
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::engine::{Client, Engine, Space};
use crate::home::Home;

/// What a manager does at once.
const WORKERS: usize = 5;
/// Containers of a Swarm on its long-lived network.
const CONTAINERS_MAX: usize = 48;
/// How long a manager leads, in milliseconds.
const REIGN_MS: (u64, u64) = (8_000, 25_000);
/// A long-lived network is replaced after so many reigns: what is checked as one stays small.
const REIGNS_PER_NETWORK: u32 = 4;
/// Attempts of a manager to claim its network anew.
const ATTEMPTS_MAX: usize = 20;
const PAUSE: Duration = Duration::from_millis(200);
/// Between two short-lived networks.
const NETWORK_PAUSE: Duration = Duration::from_secs(1);

/// A Swarm, as its managers know it.
pub struct Realm {
    space: Space,
    /// Its first networks' second octet, so that realms are told apart at a glance.
    octet: u8,
    engines: Vec<Engine>,
    homes: Vec<Arc<Home>>,
    stop: Arc<AtomicBool>,
    reign: RwLock<Option<Reign>>,
    containers: Mutex<BTreeSet<IpAddr>>,
}

/// A manager leads.
#[derive(Clone)]
struct Reign {
    number: u32,
    /// The host of the manager.
    manager: usize,
    /// Its long-lived network.
    network: PoolId,
}

impl Realm {
    /// A Swarm in this space, whose managers and containers are on these hosts, until `stop`.
    pub fn new(
        space: &str,
        octet: u8,
        members: &[(Engine, Arc<Home>)],
        stop: &Arc<AtomicBool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            space: Space::Realm(space.to_owned()),
            octet,
            engines: members.iter().map(|(engine, _)| engine.clone()).collect(),
            homes: members.iter().map(|(_, home)| Arc::clone(home)).collect(),
            stop: Arc::clone(stop),
            reign: RwLock::default(),
            containers: Mutex::default(),
        })
    }

    /// Sets everybody to work.
    pub fn start(self: &Arc<Self>, seed: u64, tasks: &mut JoinSet<()>) {
        let mut rng = fastrand::Rng::with_seed(seed);
        tasks.spawn(Arc::clone(self).succeed_each_other(rng.fork()));
        tasks.spawn(Arc::clone(self).make_networks(rng.fork()));
        for _ in 0..WORKERS {
            tasks.spawn(Arc::clone(self).run_containers(rng.fork()));
        }
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn containers(&self) -> std::sync::MutexGuard<'_, BTreeSet<IpAddr>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One manager after the other leads.
    async fn succeed_each_other(self: Arc<Self>, mut rng: fastrand::Rng) {
        let mut number = 0;
        while self.goes_on() {
            let manager = rng.usize(0..self.engines.len());
            let Some(reign) = self.take_over(number, manager).await else { continue };
            number += 1;
            *self.reign.write().await = Some(reign);
            let reigns = Duration::from_millis(rng.u64(REIGN_MS.0..=REIGN_MS.1));
            let mut left = reigns;
            while self.goes_on() && !left.is_zero() {
                sleep(PAUSE).await;
                left = left.saturating_sub(PAUSE);
            }
        }
    }

    /// A manager begins to lead: it says so, and replays its network and all containers on it.
    async fn take_over(&self, number: u32, manager: usize) -> Option<Reign> {
        let engine = &self.engines[manager];
        let client = engine.client();
        if !self.homes[manager].handshake(&client).await {
            return None;
        }
        let fresh = number.is_multiple_of(REIGNS_PER_NETWORK);
        if fresh {
            self.containers().clear();
        }
        let third = u8::try_from(number / REIGNS_PER_NETWORK % 256).expect("a remainder of 256");
        let prefix = prefix([10, self.octet, third, 0], 24);
        let network = self.claim(&client, prefix).await?;
        let router = Some(network.prefix.address(1));
        client.address(Scope::Global, &network, router, AddressKind::Gateway).await;
        let containers: Vec<IpAddr> = self.containers().iter().copied().collect();
        for some in containers.chunks(4) {
            join_all(some.iter().map(|address| self.replay(engine, &network, *address))).await;
        }
        Some(Reign { number, manager, network })
    }

    async fn claim(&self, client: &Client, prefix: Prefix) -> Option<PoolId> {
        for _ in 0..ATTEMPTS_MAX {
            match client.pool(&self.space, Some(prefix)).await {
                Outcome::Pool { pool, .. } => return Some(pool),
                Outcome::Refused { .. } => return None,
                _ if !self.goes_on() => return None,
                _ => sleep(PAUSE).await,
            }
        }
        None
    }

    /// A container whose address is not claimed again is lost to its Swarm.
    async fn replay(&self, engine: &Engine, network: &PoolId, address: IpAddr) {
        let wanted = Some(address);
        let kind = AddressKind::Endpoint;
        let outcome = engine.client().address(Scope::Global, network, wanted, kind).await;
        if !matches!(outcome, Outcome::Address { .. }) {
            self.containers().remove(&address);
        }
    }

    /// Containers come and go. Whatever is under way when another manager takes over is the deposed
    /// one's: only one of them speaks for a session.
    async fn run_containers(self: Arc<Self>, mut rng: fastrand::Rng) {
        let clients: Vec<Client> = self.engines.iter().map(Engine::client).collect();
        while self.goes_on() {
            sleep(Duration::from_millis(rng.u64(20..250))).await;
            let Some(reign) = self.reign.read().await.clone() else { continue };
            let client = &clients[reign.manager];
            let network = &reign.network;
            let many = self.containers().len();
            match rng.u32(0..10) {
                0 => {
                    client.list(Scope::Global, network).await;
                }
                1 => {
                    let wanted = network.prefix.address(rng.u128(2..250));
                    self.begin(client, &reign, Some(wanted)).await;
                }
                2..=5 if many < CONTAINERS_MAX => self.begin(client, &reign, None).await,
                _ => {
                    let ended = {
                        let mut containers = self.containers();
                        let own = |address: &&IpAddr| network.prefix.offset(**address).is_some();
                        let which = rng.usize(0..many.max(1));
                        let ended = containers.iter().filter(own).nth(which).copied();
                        ended.filter(|address| containers.remove(address))
                    };
                    if let Some(address) = ended {
                        client.release(Scope::Global, network, address).await;
                    }
                }
            }
        }
    }

    async fn begin(&self, client: &Client, reign: &Reign, wanted: Option<IpAddr>) {
        let kind = AddressKind::Endpoint;
        let given = client.address(Scope::Global, &reign.network, wanted, kind).await;
        let Outcome::Address { address, .. } = given else { return };
        let leads = {
            let current = self.reign.read().await;
            let leads = current.as_ref().is_some_and(|now| now.number == reign.number);
            if leads {
                self.containers().insert(address);
            }
            leads
        };
        if !leads {
            // The new leader does not know it.
            client.release(Scope::Global, &reign.network, address).await;
        }
    }

    /// Short-lived networks, each with some containers.
    async fn make_networks(self: Arc<Self>, mut rng: fastrand::Rng) {
        for number in 0_u32.. {
            let Some(reign) = self.reign.read().await.clone() else {
                sleep(PAUSE).await;
                if self.goes_on() {
                    continue;
                }
                return;
            };
            if !self.goes_on() {
                return;
            }
            let [_, second, third, fourth] = (number * 64).to_be_bytes();
            let exact = prefix([10, self.octet + 32 + second % 16, third, fourth], 26);
            let wanted = (!number.is_multiple_of(3)).then_some(exact);
            self.make_network(&self.engines[reign.manager], wanted, &mut rng).await;
            sleep(NETWORK_PAUSE).await;
        }
    }

    async fn make_network(&self, engine: &Engine, wanted: Option<Prefix>, rng: &mut fastrand::Rng) {
        let client = engine.client();
        let Outcome::Pool { pool, .. } = client.pool(&self.space, wanted).await else { return };
        let scope = Scope::Global;
        let gateway = client.address(scope, &pool, None, AddressKind::Gateway).await;
        let clients: Vec<Client> = (0..4).map(|_| engine.client()).collect();
        let seeds: Vec<fastrand::Rng> = clients.iter().map(|_| rng.fork()).collect();
        let work = clients.iter().zip(seeds).map(|(client, rng)| use_network(client, &pool, rng));
        let all_gone = join_all(work).await.into_iter().all(|gone| gone);
        client.list(scope, &pool).await;
        if let Outcome::Address { address, .. } = gateway {
            client.release(scope, &pool, address).await;
        }
        if all_gone || rng.bool() {
            client.release_pool(scope, &pool).await;
        }
    }
}

/// Containers come and go on a network; whether all are gone.
async fn use_network(client: &Client, pool: &PoolId, mut rng: fastrand::Rng) -> bool {
    let scope = Scope::Global;
    let mut held = Vec::new();
    for _ in 0..rng.usize(2..6) {
        let wanted = rng.bool().then(|| pool.prefix.address(rng.u128(1..12)));
        let given = client.address(scope, pool, wanted, AddressKind::Endpoint).await;
        if let Outcome::Address { address, .. } = given {
            held.push(address);
        }
        if rng.u8(0..3) == 0
            && let Some(address) = held.pop()
        {
            client.release(scope, pool, address).await;
        }
    }
    let mut all_gone = true;
    for address in held {
        all_gone &= client.release(scope, pool, address).await == Outcome::Done;
    }
    all_gone
}

/// A prefix of IPv4.
pub fn prefix(octets: [u8; 4], length: u8) -> Prefix {
    Prefix::of(Ipv4Addr::from(octets).into(), length).expect("IPv4 has 32 bits")
}
