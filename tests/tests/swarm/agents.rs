//! Two Swarms on one Berth: one of a manager with a node and a worker with an agent, one of a manager
//! with an agent. They ask for the same subnets, and never meet. All hosts free by themselves what
//! their engines lost.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use berth_node::api::types::{Space, Status};
use berth_tests::{eventually, eventually_within};
use ipamapi::constants::{RELEASE_ADDRESS, REQUEST_ADDRESS};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::host::{DRIVER, Host};
use crate::picture::{Expected, Picture};
use crate::swarm::{OF_SWARMS, PORT, SWARM_PATIENCE, Swarm};

/// What both Swarms ask for.
const SUBNET: &str = "10.42.0.0/24";
/// How long the server stands still: less than its clients wait.
const PAUSE: Duration = Duration::from_secs(6);
/// A subnet with room for the gateway, the service, a load balancer on each host, and two tasks.
const SMALL: &str = "10.44.0.0/29";
/// How long Swarm may take to find that a request has to be asked again.
const RETRY_PATIENCE: Duration = Duration::from_mins(7);

const STACK: &str = "\
version: '3.7'
services:
  front: {image: busybox, command: sleep infinity, stop_signal: KILL, networks: [inner], deploy: {replicas: 3}}
  back: {image: busybox, command: sleep infinity, stop_signal: KILL, networks: [inner, outer], deploy: {replicas: 2}}
networks:
  inner: {driver: overlay, ipam: {driver: 'berth:latest'}}
  outer: {driver: overlay, ipam: {driver: 'berth:latest', config: [{subnet: 10.43.7.0/24}]}}
";

/// Berth on a host, with what all hosts here are given.
async fn install(host: &Host, settings: &[&str]) {
    host.shell("umask 077 && echo 'a secret of three hosts' >/shared/secret").await;
    let name = format!("BERTH_NAME=berth-{}", host.name);
    let common = [
        &*name,
        "BERTH_INSECURE=true",
        "BERTH_BOOTSTRAP_SECRET_FILE=/var/lib/secret",
        "BERTH_DOCKER_SOCKET=/run/engine/docker.sock",
        "BERTH_RECONCILE_SECONDS=4",
    ];
    host.install(&Swarm::plugin(), &[&common, settings].concat()).await;
}

/// The two Swarms.
async fn start() -> [Swarm; 2] {
    let mut one = Swarm::hosts(3, OF_SWARMS).await;
    let mut other = one.split_off(2);
    let server = format!("{}:{PORT}", one.hosts[0].address);
    let (listen, cluster) =
        (format!("BERTH_LISTEN={server}"), format!("BERTH_INITIAL_CLUSTER=berth-h1={server}"));
    install(&one.hosts[0], &["BERTH_REALM=one", &listen, &cluster]).await;
    one.hosts[0].ready().await;
    let server = format!("BERTH_SERVER={server}");
    let agent = ["BERTH_MODE=agent", &server];
    install(&one.hosts[1], &[&agent[..], &["BERTH_REALM=one"]].concat()).await;
    install(&other.hosts[0], &[&agent[..], &["BERTH_REALM=other"]].concat()).await;
    for (swarm, realm) in [(&mut one, "one"), (&mut other, "other")] {
        swarm.space = format!("GlobalDefault@{realm}");
        for host in &swarm.hosts {
            host.ready().await;
        }
        swarm.join("worker").await;
    }
    [one, other]
}

/// Waits until a network's tasks have what Berth holds, and nothing else is held.
async fn agree(swarm: &Swarm, network: &str, tasks: usize) -> Picture {
    let crashed = &std::collections::BTreeSet::new();
    let patience = RETRY_PATIENCE;
    let picture = swarm.agree(&Expected { network, tasks, down: None, crashed, patience }).await;
    println!("  {tasks} tasks in {}, each with its address", swarm.space);
    picture
}

/// Waits until nothing is wrong on any host.
async fn clean(swarm: &Swarm) {
    for host in &swarm.hosts {
        let mut last = Vec::new();
        let what = format!("nothing is wrong on {}", host.name);
        eventually_within(SWARM_PATIENCE, &what, async || {
            let found = host.doctor(&[]).await;
            if found != last {
                for finding in &found {
                    println!("  {}: {finding}", host.name);
                }
            }
            last.clone_from(&found);
            found.is_empty().then_some(())
        })
        .await;
    }
}

/// Endpoints of a network on all hosts; fails if an address is there twice.
async fn endpoints(swarm: &Swarm, network: &str) -> BTreeMap<IpAddr, String> {
    let mut all = BTreeMap::new();
    for host in &swarm.hosts {
        let shown = host.inspect(&["network", "inspect"], &[network]).await.unwrap_or_default();
        let containers = shown.first().and_then(|network| network["Containers"].as_object());
        for endpoint in containers.into_iter().flat_map(|all| all.values()) {
            let name = endpoint["Name"].as_str().unwrap_or_default().to_owned();
            for field in ["IPv4Address", "IPv6Address"] {
                let text = endpoint[field].as_str().unwrap_or_default();
                let address = text.split('/').next().unwrap_or_default();
                let Ok(address) = address.parse() else { continue };
                let before = all.insert(address, name.clone());
                assert!(before.is_none(), "{address} is {name}'s and {before:?}'s");
            }
        }
    }
    all
}

/// How many tasks of a service run.
async fn running(swarm: &Swarm, service: &str) -> usize {
    let list = ["service", "ps", "--filter", "desired-state=running", "--format"];
    let list = [&list[..], &["{{.CurrentState}}", service]].concat();
    let states = swarm.hosts[0].try_docker(&list).await.unwrap_or_default();
    states.lines().filter(|state| state.starts_with("Running")).count()
}

async fn runs(swarm: &Swarm, service: &str, tasks: usize) {
    let what = format!("{tasks} tasks of {service} run");
    eventually_within(RETRY_PATIENCE, &what, async || {
        (running(swarm, service).await == tasks).then_some(())
    })
    .await;
}

async fn remove(swarm: &Swarm, service: &str, network: &str) {
    swarm.hosts[0].docker(&["service", "rm", service]).await;
    remove_network(swarm, network).await;
}

async fn remove_network(swarm: &Swarm, network: &str) {
    eventually_within(SWARM_PATIENCE, "the network is removed", async || {
        swarm.hosts[0].try_docker(&["network", "rm", network]).await.ok()
    })
    .await;
}

/// A stack of two networks and two services, one of them on both.
async fn stack(swarm: &Swarm) {
    println!("== a stack");
    let host = &swarm.hosts[0];
    let file = host.file("stack.yml", STACK);
    host.docker(&["stack", "deploy", "--compose-file", &file, "shop"]).await;
    runs(swarm, "shop_front", 3).await;
    runs(swarm, "shop_back", 2).await;
    let inner = endpoints(swarm, "shop_inner").await.len();
    let outer = endpoints(swarm, "shop_outer").await.len();
    println!("  {inner} endpoints on one network, {outer} on the other");
    assert!(inner >= 5 && outer >= 2);
    clean(swarm).await;
    host.docker(&["stack", "rm", "shop"]).await;
    eventually_within(SWARM_PATIENCE, "the stack is gone", async || {
        let left = host.try_docker(&["network", "ls", "--filter", "name=shop", "--quiet"]).await;
        left.ok()?.is_empty().then_some(())
    })
    .await;
}

/// A network with IPv6, as far as the engine goes. Swarm's managers give a task one address, of any of
/// its network's subnets, and engines refuse a task whose address is IPv6: it is tried again until
/// one is IPv4. Its IPv6 address is chosen by its host, so that only a space that all hosts share
/// keeps these apart.
async fn ipv6(swarm: &Swarm) {
    println!("== a network with IPv6, in a shared space");
    swarm.hosts[0].berth(&["space", "create", "six", "--shared"]).await;
    let v6 = ["--ipv6", "--subnet", "10.45.0.0/24", "--subnet", "fd00:45::/64"];
    let v6 = [&v6[..], &["--ipam-opt", "berth.space=six"]].concat();
    swarm.network(0, "six", &v6).await;
    swarm.service(0, "six", "six", 4).await;
    runs(swarm, "six", 4).await;
    let given = endpoints(swarm, "six").await;
    let v4 = given.keys().filter(|address| address.is_ipv4()).count();
    println!("  {v4} IPv4 and {} IPv6 addresses of endpoints, none twice", given.len() - v4);
    assert!(given.len() >= 2 * v4 && v4 >= 5, "{given:?}");
    remove(swarm, "six", "six").await;
    eventually_within(SWARM_PATIENCE, "the shared space is empty", async || {
        let pools: Vec<Value> = swarm.hosts[0].ask(&["pool", "ls", "--space", "six"]).await?;
        pools.is_empty().then_some(())
    })
    .await;
    swarm.hosts[0].berth(&["space", "rm", "six"]).await;
}

/// Swarm releases what a task still has; then a user names that address, which asks as a late replay of
/// the task would.
async fn wrong_release(swarm: &Swarm, network: &str, tasks: usize) {
    println!("== a task's address is released, and asked for by a user");
    let host = &swarm.hosts[0];
    let picture = agree(swarm, network, tasks).await;
    let address = picture.tasks.keys().next().expect("there are tasks").to_string();
    let pools: Vec<Value> = host.ask(&["pool", "ls"]).await.unwrap();
    let pool = pools.iter().find(|pool| pool["space"] == *swarm.space).expect("its pool");
    let named = json!({"PoolID": pool["id"], "Address": address, "Options": {}});
    assert_eq!(host.call(RELEASE_ADDRESS, &named).await, (200, json!({})));
    let taken = format!("--ip={address}");
    let run = ["run", "--rm", "--network", network, &taken, "busybox", "true"];
    let refused = host.try_docker(&run).await.expect_err("a task has that address");
    println!("  {address} refused: {}", refused.lines().next().unwrap_or_default());
    assert!(
        host.last_words(400).contains(&format!("{address} is that of task")),
        "Berth says whose it is, in the engine's log"
    );
    // Refused as well while that container is not given up.
    eventually_within(SWARM_PATIENCE, "a late replay has its address again", async || {
        let (_, answer) = host.call(REQUEST_ADDRESS, &named).await;
        (answer["Address"] == format!("{address}/24")).then_some(())
    })
    .await;
    let again = agree(swarm, network, tasks).await;
    assert_eq!(again.tasks, picture.tasks, "nothing has another address than before");
}

/// A network that is used up by what was released a moment ago: each of these is given again once the
/// engine was seen not to use it, and a task does not wait for that.
async fn reuse(swarm: &Swarm) {
    println!("== addresses that were just released are given again");
    swarm.network(0, "narrow", &["--subnet", "10.47.0.0/28"]).await;
    // 13 without the gateway: the service's own, two load balancers, and these.
    let tasks = 8;
    swarm.service(0, "narrow", "narrow", tasks).await;
    runs(swarm, "narrow", tasks).await;
    for round in 0..3 {
        swarm.scale(0, "narrow", 0).await;
        runs(swarm, "narrow", 0).await;
        swarm.scale(0, "narrow", tasks).await;
        runs(swarm, "narrow", tasks).await;
        let given = endpoints(swarm, "narrow").await.len();
        println!("  round {round}: {given} endpoints, none twice");
    }
    agree(swarm, "narrow", tasks).await;
    remove(swarm, "narrow", "narrow").await;
}

/// A service on two networks of which one is full: Swarm gives up on a task, and releases what it has
/// on the other network, the service's own address among it.
async fn full(swarm: &Swarm) {
    println!("== a service on two networks, of which one is full");
    let host = &swarm.hosts[0];
    swarm.network(0, "roomy", &["--subnet", "10.46.0.0/24"]).await;
    swarm.network(0, "small", &["--subnet", SMALL]).await;
    let create = ["service", "create", "--detach", "--no-resolve-image", "--name", "both"];
    let networks = ["--network", "roomy", "--network", "small", "--stop-signal", "KILL"];
    host.docker(&[&create[..], &networks, &["busybox", "sleep", "infinity"]].concat()).await;
    runs(swarm, "both", 1).await;
    host.docker(&["service", "scale", "--detach", "both=6"]).await;
    let stuck = eventually_within(SWARM_PATIENCE, "the small network is full", async || {
        let log = host.last_words(200);
        log.lines().rev().find(|line| line.contains("no available addresses")).map(str::to_owned)
    })
    .await;
    println!("  {}", stuck.get(..300).unwrap_or(&stuck));
    // Others ask for addresses meanwhile, on the network that has room.
    swarm.service(0, "other", "roomy", 6).await;
    runs(swarm, "other", 6).await;
    sleep(Duration::from_secs(5)).await;
    let (roomy, small) = (endpoints(swarm, "roomy").await, endpoints(swarm, "small").await);
    println!("  {} endpoints with room, {} without; none twice", roomy.len(), small.len());
    virtual_addresses_are_nobody_elses(swarm, &["both", "other"], &roomy).await;
    host.docker(&["service", "scale", "--detach", "both=1"]).await;
    runs(swarm, "both", 1).await;
    host.docker(&["service", "rm", "both", "other"]).await;
    remove_network(swarm, "roomy").await;
    remove_network(swarm, "small").await;
}

async fn virtual_addresses_are_nobody_elses(
    swarm: &Swarm,
    services: &[&str],
    endpoints: &BTreeMap<IpAddr, String>,
) {
    let shown = swarm.hosts[0].inspect(&["service", "inspect"], services).await.unwrap();
    let mut all: Vec<String> = shown
        .iter()
        .flat_map(|service| service["Endpoint"]["VirtualIPs"].as_array().into_iter().flatten())
        .filter_map(|ip| ip["Addr"].as_str()?.split('/').next().map(str::to_owned))
        .collect();
    let count = all.len();
    for address in &all {
        let taken = endpoints.get(&address.parse().unwrap());
        assert!(taken.is_none(), "{address} is a service's and {taken:?}'s");
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "two services have one address: {all:?}");
}

/// A worker's host loses power; what its engine lost is freed by itself when it is back.
async fn worker_lost(swarm: &Swarm, network: &str, tasks: usize) {
    println!("== the worker's host loses power");
    swarm.hosts[1].kill().await;
    runs(swarm, "web", tasks).await;
    swarm.hosts[1].boot().await;
    swarm.hosts[1].ready().await;
    swarm.scale(0, "web", tasks + 6).await;
    agree(swarm, network, tasks + 6).await;
    clean(swarm).await;
    swarm.scale(0, "web", tasks).await;
    let picture = agree(swarm, network, tasks).await;
    swarm.ping(&picture).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_swarms_share_one_berth_through_agents() {
    let [one, other] = start().await;
    let spaces: Vec<Space> = other.hosts[0].ask(&["space", "ls"]).await.unwrap();
    let names: Vec<&str> = spaces.iter().map(|space| space.name.as_str()).collect();
    println!("== spaces {names:?}");
    let status: Status = other.hosts[0].ask(&["status"]).await.unwrap();
    assert_eq!(status.role, "agent");

    println!("== the same subnet in both");
    for swarm in [&one, &other] {
        swarm.network(0, "net", &["--subnet", SUBNET]).await;
    }
    one.service(0, "web", "net", 6).await;
    other.service(0, "web", "net", 4).await;
    for (swarm, tasks) in [(&one, 6), (&other, 4)] {
        let picture = agree(swarm, "net", tasks).await;
        swarm.ping(&picture).await;
        clean(swarm).await;
    }

    println!("== the server stands still for {PAUSE:?}, both scale up meanwhile");
    one.hosts[0].shell("kill -STOP $(pidof berth)").await;
    one.scale(0, "web", 10).await;
    other.scale(0, "web", 8).await;
    sleep(PAUSE).await;
    one.hosts[0].shell("kill -CONT $(pidof berth)").await;
    agree(&one, "net", 10).await;
    agree(&other, "net", 8).await;

    println!("== the agent of the other Swarm's manager is disabled and enabled");
    let manager = &other.hosts[0];
    manager.docker(&["plugin", "disable", "--force", DRIVER]).await;
    manager.docker(&["plugin", "enable", DRIVER]).await;
    manager.ready().await;
    other.scale(0, "web", 10).await;
    agree(&other, "net", 10).await;
    println!("== its engine is killed");
    manager.shell("kill -KILL $(pidof dockerd)").await;
    sleep(Duration::from_secs(3)).await;
    manager.answers().await;
    manager.ready().await;
    runs(&other, "web", 10).await;
    clean(&other).await;
    let picture = agree(&other, "net", 10).await;
    other.ping(&picture).await;

    worker_lost(&one, "net", 10).await;
    wrong_release(&one, "net", 10).await;
    stack(&one).await;
    ipv6(&one).await;
    full(&one).await;
    remove(&one, "web", "net").await;
    reuse(&one).await;

    println!("== all is removed");
    remove(&other, "web", "net").await;
    for swarm in [&one, &other] {
        clean(swarm).await;
        let none = std::collections::BTreeSet::new();
        assert_eq!(swarm.empty(&none, &std::collections::BTreeSet::new()).await, 0);
        println!("  nothing is held in {}, nor in the space of any of its hosts", swarm.space);
    }
    eventually("the server agrees", async || {
        let pools: Vec<Value> = one.hosts[0].ask(&["pool", "ls"]).await?;
        pools.is_empty().then_some(())
    })
    .await;
}
