//! Clients whose every request is written down, so that `berth_checkers` can judge what they were told.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use berth_allocator::{AddressKind, ClaimId, PoolId, SessionId};
use berth_checkers::{Action, History, Listed, Listing, Operation, Outcome, Scope, check, refusal};
use berth_node::api::types::AddressState;
use ipamapi::{ErrorKind, IpamError};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::{Cluster, Engine, GLOBAL, Node};

/// Addresses that a client holds at a time.
const HELD_MAX: usize = 6;
/// Pause between two requests of a client: a checker looks at each.
const PAUSE: Duration = Duration::from_millis(4);
/// Pause after an error: the node may be down.
const PAUSE_ERROR: Duration = Duration::from_millis(50);

/// Clients at work on one pool, judged in the end.
pub struct Judged {
    record: Arc<Record>,
    pool: ipamapi::PoolId,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
    numbers: u32,
}

struct Record {
    began: Instant,
    operations: Mutex<Vec<Operation>>,
}

impl Record {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn note(&self, (client, host): (u32, &str), invoked: u64, action: Action, outcome: Outcome) {
        let session = match (&action, &outcome) {
            (Action::RequestPool { .. }, Outcome::Pool { pool, .. })
            | (Action::RequestAddress { pool, .. } | Action::ReleaseAddress { pool, .. }, _) => {
                pool.epoch
            }
            _ => None,
        };
        let operation = Operation {
            client,
            host: host.to_owned(),
            scope: Scope::Global,
            session: session.unwrap_or(SessionId::new(0)),
            invoked,
            returned: Some(self.now()),
            action,
            outcome,
            request: None,
            revision: None,
            index: None,
        };
        self.operations().push(operation);
    }

    fn operations(&self) -> std::sync::MutexGuard<'_, Vec<Operation>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Judged {
    /// The first node's engine claims a pool, and this many clients of each of the nodes begin.
    pub async fn start(nodes: &[Node], prefix: &str, clients_per_node: u32) -> Self {
        let record = Arc::new(Record { began: Instant::now(), operations: Mutex::default() });
        let engine = nodes[0].engine();
        engine.handshake().await.unwrap();
        let invoked = record.now();
        let pool = engine.pool(GLOBAL, prefix).await.unwrap().id;
        let (space, claimed) = (GLOBAL.parse().unwrap(), Some(prefix.parse().unwrap()));
        let action = Action::RequestPool { space, prefix: claimed, sub_pool: None };
        let outcome = Outcome::Pool { pool: pool.as_str().parse().unwrap(), claim: None };
        record.note((0, nodes[0].name()), invoked, action, outcome);
        let (stop, clients) = (Arc::default(), JoinSet::new());
        let mut judged = Self { record, pool, stop, clients, numbers: 1 };
        for node in nodes {
            judged.join(node, clients_per_node);
        }
        judged
    }

    /// This many clients of another node begin as well.
    pub fn join(&mut self, node: &Node, clients: u32) {
        for _ in 0..clients {
            let client = Client {
                number: self.numbers,
                host: node.name().to_owned(),
                engine: node.engine(),
                id: self.pool.clone(),
                pool: self.pool.as_str().parse().unwrap(),
                record: Arc::clone(&self.record),
            };
            self.numbers += 1;
            self.clients.spawn(client.work(Arc::clone(&self.stop)));
        }
    }

    /// The pool.
    pub fn pool(&self) -> &str {
        self.pool.as_str()
    }

    /// Addresses given through a node so far.
    pub fn given(&self, host: &str) -> usize {
        let given =
            |it: &&Operation| it.host == host && matches!(it.outcome, Outcome::Address { .. });
        self.record.operations().iter().filter(given).count()
    }

    /// Requests through a node that were not answered as they should be.
    pub fn failed(&self, host: &str) -> Vec<String> {
        let failed = |it: &&Operation| {
            it.host == host && matches!(it.outcome, Outcome::Unknown | Outcome::NotDone)
        };
        self.record.operations().iter().filter(failed).map(ToString::to_string).collect()
    }

    /// Ends all clients, looks at what is held, and fails if anything of all this cannot be.
    pub async fn judge(self, cluster: &Cluster) {
        let Self { record, pool, stop, clients, .. } = self;
        stop.store(true, Ordering::Relaxed);
        clients.join_all().await;
        cluster.agree_running().await;
        let node = cluster.nodes.iter().find(|node| node.is_started()).unwrap();
        let claimed = [AddressState::Held, AddressState::Stale, AddressState::Suspect];
        let found = node.addresses(pool.as_str()).await.into_iter();
        let addresses = found.filter(|it| claimed.contains(&it.state)).map(|it| Listed {
            address: it.address,
            session: it.claim.as_ref().map(|claim| SessionId::new(claim.session)),
            claim: it.claim.as_ref().map(|claim| ClaimId::new(claim.id)),
        });
        let listing = Listing {
            scope: Scope::Global,
            host: node.name().to_owned(),
            pool: pool.as_str().parse().unwrap(),
            addresses: addresses.collect(),
        };
        let operations = record.operations().clone();
        let count = operations.len();
        let history = History { operations, last: Some(vec![listing]) };
        let violations: Vec<String> = check(&history).iter().map(ToString::to_string).collect();
        assert!(violations.is_empty(), "{violations:#?}");
        println!("{count} operations judged");
        assert!(count > 500, "only {count} operations");
    }
}

struct Client {
    number: u32,
    host: String,
    engine: Engine,
    id: ipamapi::PoolId,
    pool: PoolId,
    record: Arc<Record>,
}

impl Client {
    async fn work(self, stop: Arc<AtomicBool>) {
        let mut held = VecDeque::new();
        while !stop.load(Ordering::Relaxed) {
            sleep(PAUSE).await;
            match self.request().await {
                Some(address) => held.push_back(address),
                None => sleep(PAUSE_ERROR).await,
            }
            if held.len() > HELD_MAX {
                let oldest = held.pop_front().expect("some are held");
                self.release(oldest).await;
            }
        }
    }

    async fn request(&self) -> Option<IpAddr> {
        let action = Action::RequestAddress {
            pool: self.pool.clone(),
            address: None,
            kind: AddressKind::Endpoint,
        };
        let invoked = self.record.now();
        let given = self.engine.address(&self.id).await;
        let outcome = match &given {
            Ok(address) => Outcome::Address { address: *address, claim: None },
            Err(error) => failed(error, false),
        };
        self.record.note((self.number, &self.host), invoked, action, outcome);
        given.ok()
    }

    async fn release(&self, address: IpAddr) {
        let action = Action::ReleaseAddress { pool: self.pool.clone(), address };
        let invoked = self.record.now();
        let outcome = match self.engine.release(&self.id, address).await {
            Ok(()) => Outcome::Done,
            Err(error) => failed(&error, true),
        };
        self.record.note((self.number, &self.host), invoked, action, outcome);
    }
}

/// What an error tells. What it does not tell for certain is unknown; and so is every release that was
/// not done, since it is carried out all the same.
fn failed(error: &IpamError, release: bool) -> Outcome {
    if error.kind() == ErrorKind::NoAvailableAddresses {
        return Outcome::Refused { code: refusal::NO_AVAILABLE_ADDRESSES.to_owned() };
    }
    let text = error.to_string();
    let not_sent = text.contains("cannot connect to plugin socket");
    let not_done = !release && text.starts_with("nothing was changed");
    if not_sent || not_done { Outcome::NotDone } else { Outcome::Unknown }
}
