//! A shared space: one segment, many hosts, each for itself.

use std::collections::BTreeSet;
use std::net::IpAddr;

use berth_tests::{Cluster, Engine};
use ipamapi::PoolId;
use tokio::task::JoinSet;

const SPACE: &str = "lan";
const SUBNET: &str = "10.41.0.0/24";
const GATEWAY: &str = "10.41.0.1";
const EACH: usize = 20;

/// What a host's engine asks for when its network is made: the pool, and its gateway.
async fn join(engine: &Engine) -> PoolId {
    engine.handshake().await.unwrap();
    let pool = engine.pool_of(SPACE, SUBNET).await.unwrap().id;
    let gateway: IpAddr = GATEWAY.parse().unwrap();
    assert_eq!(engine.gateway(&pool, Some(gateway)).await.unwrap(), gateway);
    pool
}

/// Addresses for that many containers.
async fn containers(engine: Engine, pool: PoolId) -> BTreeSet<IpAddr> {
    let mut given = BTreeSet::new();
    for _ in 0..EACH {
        given.insert(engine.address(&pool).await.unwrap());
    }
    given
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_41_one_network_on_three_hosts() {
    let mut cluster = Cluster::start(3).await;
    let made = cluster.nodes[0].run(&["space", "create", SPACE, "--shared"]).await;
    assert!(made.status.success(), "{made:?}");

    let mut pools = BTreeSet::new();
    for node in &cluster.nodes {
        pools.insert(join(&node.engine()).await);
    }
    assert_eq!(pools.len(), 1, "the hosts' networks are one: {pools:?}");
    let pool = pools.pop_first().unwrap();

    let mut hosts = JoinSet::new();
    for (number, node) in cluster.nodes.iter().enumerate() {
        let work = containers(node.engine(), pool.clone());
        hosts.spawn(async move { (number, work.await) });
    }
    let mut given = hosts.join_all().await;
    given.sort_by_key(|(number, _)| *number);
    let given: Vec<BTreeSet<IpAddr>> = given.into_iter().map(|(_, given)| given).collect();
    let all = || given.iter().flatten().copied();
    assert_eq!(all().collect::<BTreeSet<_>>().len(), 3 * EACH, "an address was given twice");
    let held = |of: &[usize]| -> BTreeSet<IpAddr> {
        let gateway = GATEWAY.parse().unwrap();
        of.iter().flat_map(|number| given[*number].clone()).chain([gateway]).collect()
    };
    assert_eq!(cluster.held(0, pool.as_str()).await, held(&[0, 1, 2]));

    // A host's release ends its own claims alone, on addresses too.
    let (first, second) = (cluster.nodes[0].engine(), cluster.nodes[1].engine());
    let foreign = *given[0].first().unwrap();
    second.release(&pool, foreign).await.unwrap();
    second.release_pool(&pool).await.unwrap();
    assert_eq!(cluster.held(0, pool.as_str()).await, held(&[0, 2]));

    // A host that is gone keeps what it holds: its containers may run.
    cluster.nodes[2].kill().await;
    first.release_pool(&pool).await.unwrap();
    assert_eq!(cluster.held(0, pool.as_str()).await, held(&[2]));
    let another = join(&first).await;
    assert_eq!(another, pool);
    let next = first.address(&pool).await.unwrap();
    assert!(!given[2].contains(&next), "{next} is the lost host's");
    first.release_pool(&pool).await.unwrap();

    // The last one that leaves frees the pool.
    cluster.start_stopped();
    cluster.ready().await;
    cluster.nodes[2].engine().release_pool(&pool).await.unwrap();
    assert!(cluster.nodes[0].pools().await.is_empty());
    cluster.agree().await;
}
