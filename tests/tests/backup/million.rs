//! A backup of many addresses while engines are served; restored, and compared on all nodes. `make backup`
//! does it with a million (`ADDRESSES`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use berth_allocator::{
    AddressKind, ClientName, Command, Envelope, Incarnation, Labels, Millis, OpenSession, Order,
    PoolId, Register, RequestAddress, RequestPool, Response, Sequence, SessionId, SpaceName,
    SpaceSettings, Text, WantedPool,
};
use berth_node::api::types::{Space, Verification};
use berth_replication::{Config, Deadline, Member, NodeName, Replica, SystemClock};
use berth_tests::{Cluster, Engine, GLOBAL, Node, eventually};
use tokio::time::Instant;

/// How many, unless `ADDRESSES` says so.
const ADDRESSES: usize = 100_000;
/// As many commands as a batch may have.
const EACH: usize = 1_000;
const SPACE: &str = "lab";
const PATIENCE: Duration = Duration::from_mins(2);

fn addresses() -> usize {
    let number = |text: String| text.replace('_', "").parse().unwrap();
    std::env::var("ADDRESSES").map_or(ADDRESSES, number)
}

fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

/// The nodes' replicas, in this process: so that they are filled by batches, as no engine asks.
async fn replicas(nodes: &[Node]) -> Vec<Replica> {
    let member = |node: &Node| Member {
        name: NodeName::new(node.name()).unwrap(),
        address: node.listen().to_owned(),
    };
    let members: Vec<Member> = nodes.iter().map(member).collect();
    let mut replicas = Vec::new();
    for node in nodes {
        let data_dir = node.data_dir.join("raft");
        let config = Config::of_member(&member(node), "berth", members.clone(), data_dir);
        replicas.push(Replica::start(config, Arc::new(SystemClock)).await.unwrap());
    }
    replicas
}

struct Filler<'a> {
    replica: &'a Replica,
    incarnation: Incarnation,
    sequence: u64,
}

impl Filler<'_> {
    async fn send(&mut self, command: Command) -> Response {
        let sequence = Sequence::new(self.sequence);
        self.sequence += 1;
        let envelope = Envelope {
            client: ClientName::new("filler").unwrap(),
            incarnation: self.incarnation,
            sequence,
            heard: sequence,
            command,
        };
        self.replica.propose(envelope, soon()).await.unwrap().answer.outcome.unwrap()
    }

    async fn pool(&mut self) -> PoolId {
        let register =
            Register { instance: 1, address: Text::new("here").unwrap(), lease: Millis::new(0) };
        let Response::Registered(run) = self.send(Command::Register(register)).await else {
            panic!()
        };
        self.incarnation = run;
        let space = SpaceName::new(SPACE).unwrap();
        let settings = SpaceSettings::exclusive(None);
        self.send(Command::CreateSpace { name: space.clone(), settings }).await;
        let open = OpenSession { space: space.clone(), known: None };
        let Response::SessionOpened(session) = self.send(Command::OpenSession(open)).await else {
            panic!()
        };
        self.claim(space, session).await
    }

    async fn claim(&mut self, space: SpaceName, session: SessionId) -> PoolId {
        let prefix = "10.0.0.0/8".parse().unwrap();
        let wanted = WantedPool::Exact { prefix, sub_pool: None };
        let request = RequestPool { space, session, wanted, labels: Labels::default() };
        match self.send(Command::RequestPool(request)).await {
            Response::Pool(grant) => grant.pool,
            other => panic!("{other:?}"),
        }
    }

    async fn fill(&mut self) {
        let pool = self.pool().await;
        let request = RequestAddress {
            pool,
            address: None,
            kind: AddressKind::Endpoint,
            order: Order::First,
            key: None,
            owner: None,
            unverified: false,
        };
        for _ in 0..addresses() / EACH {
            let all = vec![Command::RequestAddress(request.clone()); EACH];
            let Response::Batch(given) = self.send(Command::Batch(all)).await else { panic!() };
            assert!(given.iter().all(Result::is_ok));
        }
    }
}

/// Requests and releases addresses until it is told to stop; gives how often.
async fn traffic(engine: Engine, served: &AtomicUsize, stop: &AtomicBool) {
    engine.handshake().await.unwrap();
    let pool = engine.pool(GLOBAL, "10.240.0.0/24").await.unwrap().id;
    while !stop.load(Ordering::Relaxed) {
        let address = engine.address(&pool).await.unwrap();
        engine.release(&pool, address).await.unwrap();
        served.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_addresses_are_backed_up_while_serving_and_restored() {
    let mut cluster = Cluster::new(3);
    let nodes = replicas(&cluster.nodes).await;
    let (replica, incarnation) = (&nodes[0], Incarnation::new(0));
    Filler { replica, incarnation, sequence: 1 }.fill().await;
    for node in nodes {
        node.shutdown().await;
        drop(node);
    }
    cluster.start_stopped();
    cluster.ready().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("million.backup");
    let file = file.to_str().unwrap();
    let (served, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let leader = cluster.leader().await;
    let of_follower = &cluster.nodes[(leader + 1) % 3];
    let back_up = async {
        let beyond = async |count: usize| {
            eventually("engines are served", async || {
                (served.load(Ordering::Relaxed) > count).then_some(())
            })
            .await;
        };
        beyond(5).await;
        let mut during = 0;
        // A small backup may be made between two requests.
        while during == 0 {
            let before = served.load(Ordering::Relaxed);
            let began = Instant::now();
            let made = of_follower.run(&["cluster", "backup", file]).await;
            let took = began.elapsed();
            assert!(made.status.success(), "{made:?}");
            during = served.load(Ordering::Relaxed) - before;
            let bytes = std::fs::metadata(file).unwrap().len();
            println!(
                "{} addresses: {bytes} bytes in {took:?}, {during} served meanwhile",
                addresses()
            );
        }
        beyond(served.load(Ordering::Relaxed) + 5).await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(traffic(cluster.nodes[leader].engine(), &served, &stop), back_up);
    verified(&cluster.nodes[0]).await;
    cluster.nodes.iter().for_each(tell_resources);

    let mut restoration = Vec::new();
    let members: Vec<String> =
        cluster.nodes.iter().map(|node| format!("{}={}", node.name(), node.listen())).collect();
    let members = members.join(",");
    for node in &mut cluster.nodes {
        node.stop().await;
        node.data_dir = node.dir().join("restored");
        let data_dir = node.data_dir.to_str().unwrap();
        let mut arguments = vec!["cluster", "restore", file, "--name", node.name()];
        arguments.extend(["--data-dir", data_dir, "--initial-cluster", &members]);
        arguments.extend(restoration.iter().map(String::as_str));
        let restored = node.run(&arguments).await;
        assert!(restored.status.success(), "{restored:?}");
        if restoration.is_empty() {
            let said = String::from_utf8(restored.stdout).unwrap();
            let id = said.split("--restoration ").nth(1).unwrap()[..32].to_owned();
            restoration = vec!["--restoration".to_owned(), id];
        }
    }
    cluster.start_stopped();
    cluster.ready().await;
    verified(&cluster.nodes[2]).await;
    let space: Space = cluster.nodes[1].ask(&["space", "show", SPACE]).await;
    assert_eq!((space.addresses, space.behind), ((addresses() / EACH * EACH) as u64, true));
}

/// What a node takes, as the kernel counts it.
fn tell_resources(node: &Node) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let memory =
        status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    let memory: Vec<String> =
        memory.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let disk = std::process::Command::new("du").arg("-sk").arg(&node.data_dir).output().unwrap();
    let disk = String::from_utf8_lossy(&disk.stdout).split_whitespace().next().map(str::to_owned);
    let files = std::fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap().count();
    println!("{}: {}, disk {disk:?} kB, {files} descriptors", node.name(), memory.join(", "));
}

/// All nodes have one state, and it is that of one log entry.
async fn verified(node: &Node) {
    let verified: Verification = node.ask(&["cluster", "verify"]).await;
    assert_eq!(verified.members.len(), 3);
    let first = verified.members[0].fingerprint.clone();
    assert!(first.is_some() && verified.members.iter().all(|m| m.fingerprint == first));
}
