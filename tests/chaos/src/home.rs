//! What an engine does beside its Swarm: networks of its host alone, and of a space that all hosts
//! share. When it begins anew, it replays them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use berth_allocator::{AddressKind, PoolId, Prefix};
use berth_checkers::Outcome;
use futures::future::join_all;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::engine::{Client, Engine, Space};
use crate::realm::prefix;

const PAUSE: Duration = Duration::from_millis(200);
/// Attempts to replay something.
const ATTEMPTS_MAX: usize = 60;
/// After so long all hosts go on to the next network of the shared space.
const SHARED_FOR: Duration = Duration::from_secs(15);
/// What an engine does with a network before it removes it.
const ROUNDS: usize = 12;

/// An engine's own networks: those of its host, which must never wait for the shared ones.
pub struct Home {
    engine: Engine,
    local: Mutex<Vec<Network>>,
    shared: Mutex<Vec<Network>>,
    stop: Arc<AtomicBool>,
}

/// A network, and its containers' addresses.
struct Network {
    space: Space,
    pool: PoolId,
    gateway: Option<IpAddr>,
    containers: Vec<IpAddr>,
    rounds: usize,
}

impl Home {
    /// Of this engine, until `stop`.
    pub fn new(engine: Engine, stop: &Arc<AtomicBool>) -> Arc<Self> {
        let (local, shared) = (Mutex::default(), Mutex::default());
        Arc::new(Self { engine, local, shared, stop: Arc::clone(stop) })
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// The engine begins anew: it says so until it is heard, and replays. Whether it was heard.
    pub async fn handshake(&self, client: &Client) -> bool {
        let (mut local, mut shared) = (self.local.lock().await, self.shared.lock().await);
        while !client.handshake().await {
            if !self.goes_on() {
                return false;
            }
            sleep(PAUSE).await;
        }
        self.replay_all(client, &mut local).await;
        drop(local);
        self.replay_all(client, &mut shared).await;
        true
    }

    async fn replay_all(&self, client: &Client, networks: &mut Vec<Network>) {
        let mut kept = Vec::new();
        for mut network in std::mem::take(networks) {
            if self.replay(client, &mut network).await {
                kept.push(network);
            }
        }
        *networks = kept;
    }

    /// Claims a network and its containers' addresses again. What cannot be had is forgotten.
    async fn replay(&self, client: &Client, network: &mut Network) -> bool {
        let Network { space, pool, gateway, containers, .. } = network;
        let mut claimed = false;
        for _ in 0..ATTEMPTS_MAX {
            match client.pool(space, Some(pool.prefix)).await {
                Outcome::Pool { .. } => {
                    claimed = true;
                    break;
                }
                Outcome::Refused { .. } => break,
                _ if !self.goes_on() => break,
                _ => sleep(PAUSE).await,
            }
        }
        if !claimed {
            return false;
        }
        let scope = space.scope();
        if gateway.is_some() {
            client.address(scope, pool, *gateway, AddressKind::Gateway).await;
        }
        let mut kept = Vec::new();
        for address in containers.drain(..) {
            let kind = AddressKind::Endpoint;
            if let Outcome::Address { .. } = client.address(scope, pool, Some(address), kind).await
            {
                kept.push(address);
            }
        }
        *containers = kept;
        true
    }

    /// The engine works on its host's networks until it is told to stop. `number` is its host's.
    pub async fn work_on_local(self: Arc<Self>, number: u8, rng: fastrand::Rng) {
        let next = |made: u32| {
            let [_, _, third, fourth] = (made * 64).to_be_bytes();
            (Space::Local, prefix([10, 200 + number, third, fourth], 26))
        };
        self.work(&self.local, next, rng).await;
    }

    /// The same on networks that all hosts share, and change for the next one at the same time.
    pub async fn work_on_shared(self: Arc<Self>, begin: Instant, rng: fastrand::Rng) {
        let next = |_| {
            let since = begin.elapsed().as_secs() / SHARED_FOR.as_secs();
            let third = u8::try_from(since % 256).expect("a remainder of 256");
            (Space::Shared, prefix([10, 190, third, 0], 24))
        };
        self.work(&self.shared, next, rng).await;
    }

    async fn work(
        &self,
        networks: &Mutex<Vec<Network>>,
        next: impl Fn(u32) -> (Space, Prefix),
        mut rng: fastrand::Rng,
    ) {
        let clients: Vec<Client> = (0..3).map(|_| self.engine.client()).collect();
        let mut made = 0;
        while self.goes_on() {
            sleep(Duration::from_millis(rng.u64(200..1_000))).await;
            let mut networks = networks.lock().await;
            match networks.pop() {
                None => {
                    made += 1;
                    networks.extend(make(&clients[0], next(made)).await);
                }
                Some(mut network) if network.rounds < ROUNDS => {
                    network.rounds += 1;
                    use_network(&clients, &mut network, &mut rng).await;
                    networks.push(network);
                }
                Some(network) => remove(&clients[0], network).await,
            }
        }
    }
}

async fn make(client: &Client, (space, prefix): (Space, Prefix)) -> Option<Network> {
    let Outcome::Pool { pool, .. } = client.pool(&space, Some(prefix)).await else { return None };
    let router = Some(pool.prefix.address(1));
    let given = client.address(space.scope(), &pool, router, AddressKind::Gateway).await;
    let gateway = matches!(given, Outcome::Address { .. }).then_some(router).flatten();
    Some(Network { space, pool, gateway, containers: Vec::new(), rounds: 0 })
}

/// Several things at once.
async fn use_network(clients: &[Client], network: &mut Network, rng: &mut fastrand::Rng) {
    let scope = network.space.scope();
    let pool = &network.pool;
    let ended = if rng.bool() { network.containers.pop() } else { None };
    let seeds: Vec<fastrand::Rng> = clients.iter().map(|_| rng.fork()).collect();
    let work = clients.iter().zip(seeds).enumerate().map(|(at, (client, mut rng))| async move {
        if at == 0
            && let Some(address) = ended
        {
            client.release(scope, pool, address).await;
            return None;
        }
        if rng.u8(0..4) == 0 {
            client.list(scope, pool).await;
            return None;
        }
        let wanted = (rng.u8(0..3) == 0).then(|| pool.prefix.address(rng.u128(2..20)));
        match client.address(scope, pool, wanted, AddressKind::Endpoint).await {
            Outcome::Address { address, .. } => Some(address),
            _ => None,
        }
    });
    network.containers.extend(join_all(work).await.into_iter().flatten());
}

async fn remove(client: &Client, network: Network) {
    let Network { space, pool, gateway, containers, .. } = network;
    let scope = space.scope();
    for address in containers.into_iter().chain(gateway) {
        client.release(scope, &pool, address).await;
    }
    client.release_pool(scope, &pool).await;
}
