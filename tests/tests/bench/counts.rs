//! What clients believe is what the cluster holds.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use berth_node::bench::{Holders, Plan, Pools, Progress, Wanted, fill, run};
use berth_tests::{Cluster, GLOBAL, LOCAL};
use ipamapi::ipnet::IpNet;

const CLIENTS: usize = 6;
/// Percent of each pool.
const FILLED: u8 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_is_what_was_given_and_not_given_back() {
    let cluster = Cluster::start(3).await;
    let created = cluster.nodes[0].run(&["space", "create", "lab", "--shared"]).await;
    assert!(created.status.success(), "{created:?}");
    for (space, hold) in [(LOCAL, Some(5)), ("lab", Some(5)), (GLOBAL, None)] {
        measure(&cluster, space, hold).await;
    }
}

async fn measure(cluster: &Cluster, space: &str, hold: Option<u64>) {
    let sockets: Vec<PathBuf> =
        cluster.nodes.iter().map(|node| node.plugin_socket.clone()).collect();
    let prefix: IpNet = "10.64.0.0/16".parse().unwrap();
    let wanted = Wanted {
        sockets,
        space: Some(space.to_owned()),
        prefix,
        pools: 2,
        clients: CLIENTS,
        fill: FILLED,
    };
    let plan = Plan { warm_up: Duration::ZERO, duration: Duration::from_secs(1), hold };
    wanted.check(&plan).unwrap();
    let (holders, progress) = (Arc::<Holders>::default(), Arc::<Progress>::default());
    let mut pools = Pools::of(&wanted).await.unwrap();
    pools.make(&wanted.prefixes().unwrap(), &progress).await.unwrap();
    let clients = pools.clients(&wanted).into_iter().zip(wanted.quotas()).collect();
    let clients = fill(clients, &holders, &progress).await.unwrap();
    assert_eq!(holders.count() as u64, 2 * wanted.filled_per_pool(), "{space}");
    let measured = run(plan, clients, &holders, &progress).await;

    assert_eq!(holders.twice().count, 0, "{space}");
    assert_eq!(measured.errors.counts(), [], "{space}");
    assert!(measured.requests.count() > 0 && measured.unanswered == 0, "{space}");
    assert_eq!(held(cluster, space).await, holders.count(), "{space}");
    assert_eq!(pools.give_back().await, [], "{space}");
    assert_eq!(held(cluster, space).await, 0, "{space}");
}

/// Addresses that are held: in the cluster, or on all hosts together.
async fn held(cluster: &Cluster, space: &str) -> usize {
    let mut count = 0;
    let hosts = if space == LOCAL { cluster.nodes.len() } else { 1 };
    for (number, node) in cluster.nodes.iter().enumerate().take(hosts) {
        for pool in node.pools().await.iter().filter(|pool| pool.space == space) {
            let held: BTreeSet<IpAddr> = cluster.held(number, &pool.id).await;
            count += held.len();
        }
    }
    count
}
