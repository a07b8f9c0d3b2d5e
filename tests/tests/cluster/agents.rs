//! Agents: hosts without a replica, beside a cluster that fails.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use berth_node::api::types::{HostClaims, Scope, Space, Status};
use berth_tests::{Cluster, GLOBAL, LOCAL, Load, Node, eventually};
use tokio::time::{Instant, sleep};

/// Within this, an agent gives addresses again: as a node does.
const FAILOVER_MAX: Duration = Duration::from_secs(5);
/// How long clients work before a node dies, and after it is replaced.
const WORK: Duration = Duration::from_secs(2);
const CLIENTS_PER_AGENT: usize = 4;
/// After this an error tells that no server answers.
const REFUSED_WITHIN: Duration = Duration::from_secs(10);
/// As long as a dead host's hold on its name lasts, and more.
const LEASE: Duration = Duration::from_secs(12);

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// Why a process cannot serve the cluster's spaces, once it says `words`.
async fn says(agent: &Node, words: &str) -> String {
    eventually(&format!("{} says {words:?}", agent.name()), async || {
        let status = agent.run(&["status"]).await;
        let text = String::from_utf8_lossy(&status.stderr).into_owned();
        (status.status.code() == Some(3) && text.contains(words)).then_some(text)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_serves_its_host_and_shows_both_spaces() {
    let cluster = Cluster::start(3).await;
    let agent = cluster.agent("worker");
    agent.ready().await;
    let engine = agent.engine();
    engine.handshake().await.unwrap();
    let global = engine.pool(GLOBAL, "10.80.0.0/24").await.unwrap();
    let gateway = engine.gateway(&global.id, None).await.unwrap();
    let local = engine.pool(LOCAL, "10.80.0.0/24").await.unwrap();
    engine.gateway(&local.id, Some(gateway)).await.unwrap();
    let held = engine.address(&global.id).await.unwrap();
    engine.exact(&local.id, held).await.unwrap();

    let ids = |pools: Vec<berth_node::api::types::Pool>| -> BTreeSet<String> {
        pools.into_iter().map(|pool| pool.id).collect()
    };
    let both = BTreeSet::from([global.id.to_string(), local.id.to_string()]);
    assert_eq!(ids(agent.pools().await), both);
    assert_eq!(ids(cluster.nodes[0].pools().await), BTreeSet::from([global.id.to_string()]));
    assert_eq!(agent.pool(global.id.as_str()).await.holders[0].host, "worker");
    assert_eq!(agent.addresses(global.id.as_str()).await.len(), 2);
    assert_eq!(agent.addresses(local.id.as_str()).await.len(), 2);
    let spaces: Vec<Space> = agent.ask(&["space", "ls"]).await;
    let scopes: BTreeSet<_> = spaces.iter().map(|space| (space.scope, &*space.name)).collect();
    assert_eq!(scopes, BTreeSet::from([(Scope::Global, GLOBAL), (Scope::Local, LOCAL)]));
    let why = agent.run(&["why", &held.to_string()]).await;
    let why = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(why.contains(GLOBAL) && why.contains(LOCAL) && why.contains("worker"), "{why}");
    let status: Status = agent.ask(&["status"]).await;
    assert_eq!((status.role.as_str(), status.members.len()), ("agent", 3));
    let server = status.server.expect("it speaks to one");
    assert!(cluster.servers().contains(&server), "{server}");
    assert!(agent.run(&["status", "--fingerprint"]).await.status.code() == Some(1));
    agent.run(&["space", "create", "lan", "--shared"]).await;
    assert!(cluster.nodes[1].run(&["space", "show", "lan"]).await.status.success());
    agent.run(&["space", "rm", "lan"]).await;

    // What the host holds in its own space is asked of it, through whatever node it attends to.
    for node in &cluster.nodes {
        let told = eventually("the agent tells what it holds", async || {
            let hosts: Vec<HostClaims> = node.api("/v1/hosts").await?;
            hosts.into_iter().find(|host| host.host == "worker")
        })
        .await;
        assert_eq!(told.addresses, [gateway, held]);
    }

    engine.release(&local.id, held).await.unwrap();
    engine.release(&global.id, held).await.unwrap();
    engine.release_pool(&local.id).await.unwrap();
    engine.release_pool(&global.id).await.unwrap();
    assert!(agent.pools().await.is_empty());
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_go_on_when_the_leader_dies() {
    let mut cluster = Cluster::start(3).await;
    let agents = [cluster.agent("w1"), cluster.agent("w2")];
    let engine = agents[0].engine();
    agents[0].ready().await;
    agents[1].ready().await;
    engine.handshake().await.unwrap();
    let pool = engine.pool(GLOBAL, "10.81.0.0/24").await.unwrap().id;
    let load = Load::start(&agents, &pool, CLIENTS_PER_AGENT);
    sleep(WORK).await;
    let before = load.history().len();
    assert!(before > 100, "only {before} addresses were given before the kill");
    let leader = cluster.leader().await;
    cluster.nodes[leader].kill().await;
    let killed = Instant::now();
    for agent in 0..agents.len() {
        let served = eventually("the agent gives addresses again", async || {
            load.history().first_given_after(agent, killed)
        })
        .await;
        let took = served - killed;
        println!("w{}: addresses again after {took:.2?}", agent + 1);
        assert!(took < FAILOVER_MAX, "w{} gave none for {took:?}", agent + 1);
    }
    sleep(WORK).await;
    cluster.start_stopped();
    cluster.ready().await;
    let history = load.stop().await;
    history.assert_never_twice();
    let acknowledged = history.held();
    eventually("what is held was acknowledged, and the other way round", async || {
        (cluster.held(0, pool.as_str()).await == acknowledged).then_some(())
    })
    .await;
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_servers_the_local_space_works() {
    let mut cluster = Cluster::new(1);
    // It has never met its cluster.
    let mut agent = cluster.agent("worker");
    let engine = agent.engine();
    eventually("the plugin socket is there", async || engine.handshake().await.ok()).await;
    let local = engine.pool(LOCAL, "").await.unwrap();
    engine.address(&local.id).await.unwrap();
    let asked = Instant::now();
    let refused = engine.pool(GLOBAL, "").await.unwrap_err();
    println!("refused after {:.1?}: {refused}", asked.elapsed());
    assert!(asked.elapsed() < REFUSED_WITHIN, "{:?}", asked.elapsed());
    let text = says(&agent, "BERTH-0101").await;
    assert!(text.contains("local") && text.contains("cannot connect"), "{text}");
    assert!(agent.run(&["pool", "show", local.id.as_str()]).await.status.success());

    cluster.start_stopped();
    cluster.ready().await;
    agent.ready().await;
    let given = eventually("the global space works", async || {
        engine.pool(GLOBAL, "10.82.0.0/24").await.ok()
    })
    .await;
    let address = engine.address(&given.id).await.unwrap();

    // Its own restart is not its engine's: at once, and with the same pools.
    agent.kill().await;
    agent.start();
    agent.ready().await;
    let engine = agent.engine();
    assert_eq!(cluster.held(0, given.id.as_str()).await, BTreeSet::from([address]));
    engine.release(&given.id, address).await.unwrap();
    let another = engine.address(&given.id).await.unwrap();
    assert_ne!(another, address, "it cools");

    cluster.nodes[0].kill().await;
    says(&agent, "local").await;
    engine.address(&local.id).await.unwrap();
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_belongs_to_one_living_host() {
    let cluster = Cluster::start(1).await;
    let mut agent = cluster.agent("worker");
    agent.ready().await;
    let engine = agent.engine();
    engine.handshake().await.unwrap();
    let pool = engine.pool(GLOBAL, "10.83.0.0/24").await.unwrap();
    let first = engine.address(&pool.id).await.unwrap();

    let mut clone = cluster.unstarted_agent("clone", &cluster.servers());
    clone.further = vec!["--name".into(), "worker".into()];
    copy(&agent.data_dir, &clone.data_dir);
    clone.start();
    let text = says(&clone, "worker").await;
    println!("{text}");
    let refused = clone.engine().pool(GLOBAL, "").await.unwrap_err();
    assert!(refused.to_string().contains("worker"), "{refused}");
    let local = clone.engine().pool(LOCAL, "").await;
    assert!(local.is_ok(), "{local:?}");
    let second = engine.address(&pool.id).await.unwrap();
    assert_ne!(first, second);
    agent.ready().await;

    // The one that lives on may have the name when the other has gone.
    agent.stop().await;
    clone.ready().await;
    clone.kill().await;
    agent.start();
    says(&agent, "worker").await;
    sleep(LEASE).await;
    agent.ready().await;
    let third: IpAddr = agent.engine().address(&pool.id).await.unwrap();
    assert!(third != first && third != second);

    let mut member = cluster.unstarted_agent("n1", &cluster.servers());
    member.start();
    says(&member, "name").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_told_why() {
    let cluster = Cluster::start(1).await;
    let other = Cluster::start(2).await;
    let mut agent = cluster.agent("worker");
    agent.ready().await;
    agent.stop().await;
    // The same host, with the address of another cluster.
    let mut moved = cluster.unstarted_agent("moved", &other.servers());
    moved.further = vec!["--name".into(), "worker".into()];
    moved.data_dir.clone_from(&agent.data_dir);
    moved.start();
    says(&moved, "cluster").await;

    let secret = agent.dir().join("secret");
    fs::write(&secret, "a secret that no node knows").unwrap();
    let mut knowing = cluster.unstarted_agent("knowing", &cluster.servers());
    knowing.further = vec!["--bootstrap-secret-file".into(), secret.display().to_string()];
    knowing.start();
    says(&knowing, "secret").await;

    // Two realms are two Swarms: they never meet.
    let mut far = cluster.unstarted_agent("far", &cluster.servers());
    far.further = vec!["--realm".into(), "far".into()];
    far.start();
    far.ready().await;
    let engine = far.engine();
    let spaces = engine.handshake().await.unwrap();
    let space = format!("{GLOBAL}@far");
    assert_eq!(spaces.global, space);
    let near = cluster.nodes[0].engine();
    near.handshake().await.unwrap();
    near.pool(GLOBAL, "10.84.0.0/24").await.unwrap();
    let twin = engine.pool(&space, "10.84.0.0/24").await.unwrap();
    engine.address(&twin.id).await.unwrap();
    engine.release_pool(&twin.id).await.unwrap();
    let hosts: Vec<HostClaims> = far.api(&format!("/v1/hosts?space={space}")).await.unwrap();
    // One that went away may still be waited for.
    let told = hosts.iter().filter(|host| host.silent.is_none());
    let names: Vec<&str> = told.map(|host| host.host.as_str()).collect();
    assert_eq!(names, ["far"], "no other host is of that realm");
}
