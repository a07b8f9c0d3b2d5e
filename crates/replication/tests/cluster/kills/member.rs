//! A node that may die, with clients that request addresses and release them. It tells what they ask
//! before it is asked, and what they are answered.
#![allow(clippy::print_stdout, reason = "the child reports to its parent that way")]

use std::fmt::Display;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use berth_allocator::{
    AddressKind, AddressState, AddressView, ClaimId, ClientName, Command, Ending, Envelope,
    Incarnation, Labels, Millis, OpenSession, Order, Owner, PoolId, Prefix, Register, Rejection,
    ReleaseAddress, RequestAddress, RequestPool, Response, Sequence, SessionId, SpaceName,
    SpaceSettings, State, Text, WantedPool,
};
use berth_replication::{
    Config, Consistency, Deadline, FatalError, Member, Replica, Secret, Status, SystemClock, Tuning,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::RwLock;

use super::{LIFE, NODE, PLAN, PORTS};
use crate::world::{member, soon, tuning};

/// Clients of each node.
const CLIENTS: usize = 3;
/// Pause between two requests of a client.
const PAUSE: Duration = Duration::from_millis(2);
/// How long a client waits before it asks for something else.
const PATIENCE: Duration = Duration::from_secs(3);
const NAMES: [&str; 3] = ["ada", "bob", "cyd"];

fn tell(line: impl Display) {
    println!("{line}");
}

#[tokio::main]
pub(super) async fn run(dir: &Path) {
    println!();
    arm(&std::env::var(PLAN).unwrap());
    let replica = match Replica::start(config(dir), Arc::new(SystemClock)).await {
        Ok(replica) => replica,
        Err(error) => {
            let told = chain(&error);
            tell(if struck(&told) { told } else { format!("wrong start {told}") });
            std::process::exit(0);
        }
    };
    let node = Arc::new(Serving { replica, rest: RwLock::new(()), requests: AtomicU64::new(0) });
    for client in 0..CLIENTS {
        let node = Arc::clone(&node);
        tokio::spawn(async move { node.serve(client).await });
    }
    tokio::select! {
        fatal = node.fatal() => {
            let told = fatal.to_string();
            if !struck(&told) {
                tell(format!("wrong {told}"));
            }
            // As the binary does.
            std::process::exit(0);
        }
        () = node.obey() => {}
        () = node.watch() => {}
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

/// Tells the failpoint that an error speaks of.
fn struck(error: &str) -> bool {
    let place = error.split_once("failpoint ").map(|(_, rest)| {
        rest.split(|c: char| !(c.is_ascii_lowercase() || matches!(c, '-' | '.'))).next().unwrap()
    });
    if let Some(place) = place {
        tell(format!("struck {place}"));
    }
    place.is_some()
}

#[cfg(not(feature = "failpoints"))]
fn arm(_plan: &str) {}

/// Prepares what is to happen: `ACTION PLACE SKIP`.
#[cfg(feature = "failpoints")]
fn arm(plan: &str) {
    let &[action, place, skip] = plan.split(' ').collect::<Vec<_>>().as_slice() else { return };
    if action == "refuse" {
        let skipped = if skip == "0" { String::new() } else { format!("{skip}*off->") };
        return fail::cfg(place, &format!("{skipped}1*return")).unwrap();
    }
    let (left, abort) = (AtomicU64::new(skip.parse().unwrap()), action == "abort");
    let told = place.to_owned();
    let strike = move || {
        let skipped =
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if skipped.is_err() {
            tell(format!("struck {told}"));
            if abort {
                std::process::abort();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    fail::cfg_callback(place, strike).unwrap();
}

fn config(dir: &Path) -> Config {
    let node: usize = std::env::var(NODE).unwrap().parse().unwrap();
    let ports = std::env::var(PORTS).unwrap();
    let members: Vec<Member> = NAMES
        .iter()
        .zip(ports.split(','))
        .map(|(name, port)| member(name, &format!("127.0.0.1:{port}")))
        .collect();
    Config {
        secret: Some(Secret::new(b"a secret for the tests").unwrap()),
        tuning: Tuning { snapshot_after: 20, log_keep: 5, ..tuning() },
        ..Config::of_member(&members[node], "kills", members.clone(), dir.to_owned())
    }
}

/// A node and its clients.
struct Serving {
    replica: Replica,
    /// Read while a client waits for an answer; written while they rest.
    rest: RwLock<()>,
    requests: AtomicU64,
}

fn space() -> SpaceName {
    SpaceName::new("x").unwrap()
}

fn pool() -> PoolId {
    let prefix = Prefix::of(IpAddr::from([10, 0, 0, 0]), 8).unwrap();
    PoolId { space: space(), epoch: None, prefix, sub_pool: None }
}

impl Serving {
    async fn fatal(&self) -> FatalError {
        self.replica.fatal().wait().await
    }

    /// Tells who leads which term, as soon as this node knows.
    async fn watch(&self) {
        let mut known = None;
        loop {
            let news = |status: &Status| {
                status.leader.is_some() && Some((status.term, status.leader)) != known
            };
            let Some(status) = self.replica.status_when(soon(), news).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            known = Some((status.term, status.leader));
            tell(format!("leads {}-{}", status.term.get(), status.leader.unwrap().get()));
        }
    }

    /// Does what the parent orders.
    async fn obey(&self) {
        let mut orders = BufReader::new(tokio::io::stdin()).lines();
        let mut resting = None;
        while let Ok(Some(order)) = orders.next_line().await {
            if order == "go" {
                resting = None;
            } else {
                if resting.is_none() {
                    resting = Some(self.rest.write().await);
                }
                self.report().await;
            }
        }
        drop(resting);
    }

    /// Tells the state as of one entry, behind all that was acknowledged: where all nodes have just
    /// started, none knows yet what is committed.
    async fn report(&self) {
        let read = loop {
            match self.replica.read(Consistency::Linearizable, soon(), State::clone).await {
                Ok(read) => break read,
                Err(error) => tell(format!("not yet {error}")),
            }
        };
        let (state, applied) = (read.value, read.applied);
        tell(format!("state {} {:016x}", applied.get(), state.fingerprint()));
        let held = |view: &AddressView| view.state == AddressState::Held;
        for view in state.addresses(&pool()).unwrap_or_default().into_iter().filter(held) {
            let claim = view.claim.unwrap();
            let name = claim.owner.and_then(|owner| owner.name).unwrap();
            tell(format!("claim {name} {} {}", view.address, claim.id.get()));
        }
        tell("end");
    }

    /// A client's life: it registers, and requests and releases addresses.
    async fn serve(&self, number: usize) {
        let node = std::env::var(NODE).unwrap();
        let name = ClientName::new(format!("client-{node}-{number}")).unwrap();
        let instance = u128::from(std::process::id());
        let mut client = Client { node: self, name, incarnation: Incarnation::new(0), sequence: 1 };
        let address = Text::new("here").unwrap();
        let register = Command::Register(Register { instance, address, lease: Millis::new(0) });
        let registered = loop {
            if let Some(answer) = client.ask(register.clone(), soon()).await {
                break answer;
            }
        };
        let Ok(Response::Registered(incarnation)) = registered else {
            return tell(format!("wrong {registered:?}"));
        };
        client.incarnation = incarnation;
        while !client.ensure_pool().await {}
        loop {
            tokio::time::sleep(PAUSE).await;
            let _busy = self.rest.read().await;
            client.request().await;
        }
    }
}

struct Client<'a> {
    node: &'a Serving,
    name: ClientName,
    incarnation: Incarnation,
    sequence: u64,
}

impl Client<'_> {
    /// Has a command executed; `None` if nobody knows whether it was.
    async fn ask(
        &mut self,
        command: Command,
        deadline: Deadline,
    ) -> Option<Result<Response, Rejection>> {
        self.sequence += 1;
        let envelope = Envelope {
            client: self.name.clone(),
            incarnation: self.incarnation,
            sequence: Sequence::new(self.sequence),
            heard: Sequence::new(self.sequence),
            command,
        };
        let proposed = self.node.replica.propose(envelope, deadline).await;
        proposed.ok().map(|proposed| proposed.answer.outcome)
    }

    /// Makes the pool, unless another client has.
    async fn ensure_pool(&mut self) -> bool {
        let there = |state: &State| !state.pools(&space()).unwrap_or_default().is_empty();
        let linearizable = Consistency::Linearizable;
        match self.node.replica.read(linearizable, soon(), there).await {
            Ok(read) if read.value => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
        // One client of the cluster, so that there is one session.
        if self.name.as_str() != "client-0-0" {
            tokio::time::sleep(Duration::from_millis(50)).await;
            return false;
        }
        let settings = SpaceSettings::exclusive(None);
        self.ask(Command::CreateSpace { name: space(), settings }, soon()).await;
        let open = Command::OpenSession(OpenSession { space: space(), known: None });
        let Some(Ok(Response::SessionOpened(session))) = self.ask(open, soon()).await else {
            return false;
        };
        self.request_pool(session).await
    }

    async fn request_pool(&mut self, session: SessionId) -> bool {
        let wanted = WantedPool::Exact { prefix: pool().prefix, sub_pool: None };
        let request = RequestPool { space: space(), session, wanted, labels: Labels::default() };
        matches!(self.ask(Command::RequestPool(request), soon()).await, Some(Ok(_)))
    }

    /// Requests an address, and releases every second one.
    async fn request(&mut self) {
        let life = std::env::var(LIFE).unwrap();
        let number = self.node.requests.fetch_add(1, Ordering::Relaxed);
        let name = format!("r{life}-{number}");
        let owner = Owner { name: Some(Text::new(&*name).unwrap()), ..Owner::default() };
        let request = RequestAddress {
            pool: pool(),
            address: None,
            kind: AddressKind::Endpoint,
            order: Order::First,
            key: None,
            owner: Some(owner),
            unverified: false,
        };
        tell(format!("ask {name}"));
        match self.ask(Command::RequestAddress(request), Deadline::after(PATIENCE)).await {
            Some(Ok(Response::Address(grant))) => {
                tell(format!("held {name} {} {}", grant.address, grant.claim.get()));
                if number.is_multiple_of(2) {
                    self.release(&name, grant.address, grant.claim).await;
                }
            }
            Some(other) => tell(format!("wrong {other:?}")),
            None => {}
        }
    }

    async fn release(&mut self, name: &str, address: IpAddr, claim: ClaimId) {
        tell(format!("releasing {name}"));
        let release = ReleaseAddress { pool: pool(), address, claim, verify: false };
        match self.ask(Command::ReleaseAddress(release), Deadline::after(PATIENCE)).await {
            Some(Ok(Response::Released(Ending::Ended))) => {
                tell(format!("released {name}"));
            }
            Some(other) => tell(format!("wrong {other:?}")),
            None => {}
        }
    }
}
