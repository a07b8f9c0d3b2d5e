//! What clients do on all hosts, and how it ends: everybody serves, and says what it holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use berth_allocator::AddressKind;
use berth_checkers::{Fingerprint, Operation, Outcome};
use futures::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::api::Api;
use crate::engine::{Engine, SHARED, Space};
use crate::home::Home;
use crate::hosts::Host;
use crate::judge::{Judgement, Last, Least, judge, last_listings};
use crate::logs::Logs;
use crate::realm::{Realm, prefix};
use crate::recorder::Recorder;
use crate::watch::Watch;

/// How long hosts may take until they serve, at the beginning and after the last fault.
const READY_MAX: Duration = Duration::from_secs(90);
/// Requests that every host must answer when all is over.
const LAST_REQUESTS: usize = 10;

/// Clients at work on hosts, and those who look on meanwhile.
pub struct Course {
    /// When it began.
    pub begin: Instant,
    /// Who leads.
    pub watch: Arc<Watch>,
    /// What clients do.
    pub recorder: Arc<Recorder>,
    hosts: Vec<Host>,
    logs: Arc<Logs>,
    lookers: JoinSet<()>,
    stop: Arc<AtomicBool>,
    workers: JoinSet<()>,
}

impl Course {
    /// Begins, as soon as all hosts serve. Nodes' logs are looked at as often as [`Logs::gather`] says.
    pub async fn begin(hosts: &[Host], seed: u64, look_every: Duration) -> Result<Self> {
        ready(hosts).await.context("the cluster does not serve")?;
        Api::new(hosts[0].api_socket.clone()).make_shared(SHARED).await?;
        let (begin, hosts) = (Instant::now(), hosts.to_vec());
        let (watch, logs) = (Arc::new(Watch::default()), Arc::new(Logs::default()));
        let recorder = Arc::new(Recorder::new(begin));
        let mut lookers = JoinSet::new();
        let (watching, watched) = (Arc::clone(&watch), hosts.clone());
        lookers.spawn(async move { watching.look(&watched, begin).await });
        lookers.spawn(Arc::clone(&logs).gather(hosts.clone(), look_every));
        let stop = Arc::new(AtomicBool::new(false));
        let workers = work(&hosts, &recorder, seed, begin, &stop);
        Ok(Self { begin, watch, recorder, hosts, logs, lookers, stop, workers })
    }

    /// Ends, once all is well again: clients stop, every host serves once more, and once they have
    /// `settled` what they left open, all that is there is looked at. Gives what was done, and judges it.
    pub async fn end(
        mut self,
        settled: Duration,
        at_least: Least,
    ) -> Result<(Vec<Operation>, Judgement)> {
        self.stop.store(true, Ordering::Relaxed);
        self.workers.join_all().await;
        let unserved = serve_last(&self.hosts, &self.recorder).await;
        sleep(settled).await;
        let last = look_last(&self.hosts).await?;
        self.lookers.abort_all();
        let log = whole_log(&self.logs, &self.hosts, last.applied).await;
        let operations = self.recorder.operations();
        let mut judgement = judge(&operations, last, log, at_least);
        judgement.invalid.extend(unserved);
        Ok((operations, judgement))
    }
}

/// Sets clients to work on all hosts.
fn work(
    hosts: &[Host],
    recorder: &Arc<Recorder>,
    seed: u64,
    begin: Instant,
    stop: &Arc<AtomicBool>,
) -> JoinSet<()> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut workers = JoinSet::new();
    let members: Vec<(Engine, Arc<Home>)> = hosts
        .iter()
        .map(|host| {
            let engine = Engine::new(host, recorder);
            (engine.clone(), Home::new(engine, stop))
        })
        .collect();
    for ((_, home), number) in members.iter().zip(0..) {
        workers.spawn(Arc::clone(home).work_on_local(number, rng.fork()));
        workers.spawn(Arc::clone(home).work_on_shared(begin, rng.fork()));
    }
    let nodes = hosts.iter().filter(|host| host.is_node).count();
    let (nodes, agents) = members.split_at(nodes);
    Realm::new("GlobalDefault", 20, nodes, stop).start(rng.u64(..), &mut workers);
    Realm::new("GlobalDefault@blue", 100, agents, stop).start(rng.u64(..), &mut workers);
    workers
}

/// Waits until all hosts serve.
pub async fn ready(hosts: &[Host]) -> Result<()> {
    let until = Instant::now() + READY_MAX;
    for host in hosts {
        let api = Api::new(host.api_socket.clone());
        loop {
            match api.status().await {
                Ok(status) if status.ready => break,
                other if Instant::now() > until => {
                    let how = other.map(|status| status.problems);
                    bail!("{} is not ready: {how:?}", host.name)
                }
                _ => sleep(Duration::from_millis(200)).await,
            }
        }
    }
    Ok(())
}

/// Every host must write and read when all is well again; what it did not.
async fn serve_last(hosts: &[Host], recorder: &Arc<Recorder>) -> Vec<String> {
    let serve = hosts.iter().enumerate().map(|(at, host)| async move {
        let client = Engine::new(host, recorder).client();
        let third = u8::try_from(at).expect("there are few hosts");
        let mut unserved = Vec::new();
        // In a run of its own the engine would replay all that it has: it goes on in the last one.
        let space = Space::Shared;
        let given = client.pool(&space, Some(prefix([10, 191, third, 0], 24))).await;
        let Outcome::Pool { pool, .. } = given else {
            return vec![format!("in the end {} gave no pool: {given:?}", host.name)];
        };
        for _ in 0..LAST_REQUESTS {
            let scope = space.scope();
            let given = client.address(scope, &pool, None, AddressKind::Endpoint).await;
            if !matches!(given, Outcome::Address { .. }) {
                unserved.push(format!("in the end {} gave no address: {given:?}", host.name));
            }
            let listed = client.list(scope, &pool).await;
            if !matches!(listed, Outcome::Listed(_)) {
                unserved.push(format!("in the end {} listed nothing", host.name));
            }
        }
        unserved
    });
    join_all(serve).await.concat()
}

/// What is there in the end. Nodes are asked until they have applied the same entries.
async fn look_last(hosts: &[Host]) -> Result<Last> {
    let listings = last_listings(hosts).await?;
    let nodes: Vec<&Host> = hosts.iter().filter(|host| host.is_node).collect();
    let until = Instant::now() + READY_MAX;
    loop {
        let asked = nodes.iter().map(|node| async {
            let found = Api::new(node.api_socket.clone()).fingerprint().await?;
            let value = u64::from_str_radix(&found.value, 16)?;
            anyhow::Ok(Fingerprint { node: node.name.clone(), index: found.applied, value })
        });
        let fingerprints: Result<Vec<Fingerprint>> = join_all(asked).await.into_iter().collect();
        match fingerprints {
            Ok(fingerprints)
                if fingerprints.iter().all(|node| node.index == fingerprints[0].index) =>
            {
                let applied = fingerprints[0].index;
                return Ok(Last { listings, fingerprints, applied });
            }
            found if Instant::now() > until => bail!("nodes do not come to agree: {found:?}"),
            _ => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// The committed log up to an entry, once it is on the nodes' disks.
async fn whole_log(
    logs: &Arc<Logs>,
    hosts: &[Host],
    last: u64,
) -> Result<Vec<berth_checkers::Entry>, String> {
    let until = Instant::now() + READY_MAX;
    loop {
        for host in hosts.iter().filter(|host| host.is_node) {
            logs.look(host).await;
        }
        let whole = logs.whole(last);
        if whole.is_ok() || Instant::now() > until {
            return whole;
        }
        sleep(Duration::from_secs(1)).await;
    }
}
