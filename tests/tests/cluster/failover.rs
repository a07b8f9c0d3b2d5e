//! Nodes that die under load: nothing is given twice, nothing is lost, and others go on at once.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_tests::{Cluster, GLOBAL, Load, eventually};
use ipamapi::{IpamError, PoolId};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Within this a surviving node gives addresses again, and one that is started again, all three too:
/// the promise.
const FAILOVER_MAX: Duration = Duration::from_secs(5);
/// How long clients work before a node dies, and after it is replaced.
const WORK: Duration = Duration::from_secs(2);
const CLIENTS_PER_NODE: usize = 4;

/// A pool of the cluster, through its first node's engine.
async fn pool(cluster: &Cluster, prefix: &str) -> PoolId {
    let engine = cluster.nodes[0].engine();
    engine.handshake().await.unwrap();
    engine.pool(GLOBAL, prefix).await.unwrap().id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_clients_share_one_subnet() {
    const EACH: usize = 150;
    let cluster = Cluster::start(3).await;
    let pool = pool(&cluster, "10.64.0.0/18").await;
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for node in cluster.nodes.iter().cycle().take(3 * CLIENTS_PER_NODE) {
        let (engine, pool) = (node.engine(), pool.clone());
        clients.spawn(async move {
            let mut given = Vec::new();
            for _ in 0..EACH {
                given.push(engine.address(&pool).await?);
            }
            Ok::<_, IpamError>(given)
        });
    }
    let given = clients.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    let took = began.elapsed();
    let all: BTreeSet<_> = given.iter().flatten().copied().collect();
    let count = 3 * CLIENTS_PER_NODE * EACH;
    assert_eq!(all.len(), count, "an address was given twice");
    println!("{count} allocations in {took:.1?}");
    for node in 0..cluster.nodes.len() {
        assert_eq!(cluster.held(node, pool.as_str()).await, all);
    }
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_is_replaced() {
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    survives(&mut cluster, &[leader]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_follower_is_not_missed() {
    let mut cluster = Cluster::start(3).await;
    let follower = (cluster.leader().await + 1) % 3;
    survives(&mut cluster, &[follower]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_killed_at_once_come_back() {
    let mut cluster = Cluster::start(3).await;
    survives(&mut cluster, &[0, 1, 2]).await;
}

/// Kills nodes under load, starts them again, and looks at what was acknowledged. The pool is small,
/// so that released addresses are given again all the time.
async fn survives(cluster: &mut Cluster, victims: &[usize]) {
    let pool = pool(cluster, "10.65.0.0/24").await;
    let load = Load::start(&cluster.nodes, &pool, CLIENTS_PER_NODE);
    sleep(WORK).await;
    let before = load.history().len();
    assert!(before > 100, "only {before} addresses were given before the kill");

    let killed = Instant::now();
    for victim in victims {
        cluster.nodes[*victim].kill().await;
    }
    for survivor in (0..cluster.nodes.len()).filter(|node| !victims.contains(node)) {
        served_within(&load, survivor, killed, FAILOVER_MAX).await;
    }
    sleep(WORK).await;
    cluster.start_stopped();
    let restarted = Instant::now();
    for victim in victims {
        served_within(&load, *victim, restarted, FAILOVER_MAX).await;
    }
    sleep(WORK).await;

    let history = load.stop().await;
    println!("{} addresses given", history.len());
    // Who asked a node that lives waited for the new leader, and noticed nothing else.
    let errors = history.errors().into_iter().filter(|(node, ..)| !victims.contains(node));
    assert_eq!(errors.map(|(.., error)| error).collect::<Vec<_>>(), Vec::<String>::new());
    history.assert_never_twice();
    let held = history.held();
    for node in 0..cluster.nodes.len() {
        let found = cluster.held(node, pool.as_str()).await;
        let lost: Vec<_> = held.difference(&found).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    }
    cluster.agree().await;
}

/// Waits until a node gives an address that was asked for after `moment`.
async fn served_within(load: &Load, node: usize, moment: Instant, max: Duration) {
    let what = format!("n{} gives addresses again", node + 1);
    let given = async || load.history().first_given_after(node, moment);
    let took = eventually(&what, given).await - moment;
    println!("{what} after {took:.2?}");
    assert!(took <= max, "{what} after {took:?} only");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_44_failover_within_a_request() {
    const REQUESTS: usize = 40;
    const DEADLINE: Duration = Duration::from_secs(10);
    let mut cluster = Cluster::start(3).await;
    let pool = pool(&cluster, "10.66.0.0/24").await;
    let leader = cluster.leader().await;

    let mut requests = JoinSet::new();
    for number in 0..REQUESTS {
        let engine = cluster.nodes[(leader + 1 + number % 2) % 3].engine();
        let pool = pool.clone();
        requests.spawn(async move {
            // The leader dies while these are under way.
            sleep(Duration::from_millis(5 * number as u64)).await;
            let asked = Instant::now();
            let answer = engine.address(&pool).await;
            (answer, asked.elapsed())
        });
    }
    sleep(Duration::from_millis(100)).await;
    cluster.nodes[leader].kill().await;

    let answers = requests.join_all().await;
    let slowest = answers.iter().map(|(_, took)| *took).max().unwrap();
    assert!(slowest < DEADLINE, "an engine waited {slowest:?}");
    let given: Vec<_> = answers.iter().filter_map(|(answer, _)| answer.as_ref().ok()).collect();
    let held: BTreeSet<_> = given.iter().map(|address| **address).collect();
    assert_eq!(held.len(), given.len(), "an address was given twice");
    println!("{} of {REQUESTS} given, the slowest after {slowest:.2?}", held.len());

    cluster.start_stopped();
    cluster.ready().await;
    eventually("what no engine heard of is released", async || {
        (cluster.held(leader, pool.as_str()).await == held).then_some(())
    })
    .await;
    cluster.agree().await;
}
