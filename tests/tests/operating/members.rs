//! `docs/operating/members.md`, and what clients are told on the way.

use std::fs;

use berth_tests::{Block, Cluster, GLOBAL, Hosts, Load, PATIENCE, blocks, eventually};

const PAGE: &str = include_str!("../../../docs/operating/members.md");

/// The blocks up to one that runs a command on a host, and that one.
fn until(rest: &mut std::vec::IntoIter<Block>, host: &str, command: &str) -> Vec<Block> {
    let mut found = Vec::new();
    for block in rest.by_ref() {
        let here = block.hosts.iter().any(|name| name == host);
        let last = here && block.commands.iter().any(|line| line.starts_with(command));
        found.push(block);
        if last {
            return found;
        }
    }
    panic!("the page has no {command} on {host}");
}

async fn follow(hosts: &mut Hosts, page: &mut std::vec::IntoIter<Block>, host: &str, to: &str) {
    for block in until(page, host, to) {
        hosts.run(&block).await;
    }
}

/// One server that runs, more that know no cluster yet, and an agent.
async fn hosts(more: &[&str]) -> Hosts {
    let mut hosts = Hosts::of(Cluster::start(1).await).await;
    // As its settings are once it has formed its cluster.
    hosts.cluster.nodes[0].forget_its_list();
    for name in more {
        let host = hosts.cluster.newcomer(name, "");
        hosts.cluster.nodes.push(host);
    }
    hosts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_makes_replaces_and_rescues_a_cluster() {
    let mut hosts = hosts(&["n2", "n3", "n4"]).await;
    let mut page = blocks(PAGE).into_iter();
    let engine = hosts.cluster.nodes[0].engine();
    engine.handshake().await.unwrap();
    let pool = engine.pool(GLOBAL, "10.93.0.0/20").await.unwrap().id;
    let load = Load::start(&hosts.cluster.nodes[..1], &pool, 2);

    follow(&mut hosts, &mut page, "n2", "berth cluster join").await;
    hosts.cluster.votes(1).await;
    follow(&mut hosts, &mut page, "n3", "berth cluster join").await;
    hosts.cluster.votes(2).await;

    // A dead one, whose disk is lost.
    hosts.host_mut("n3").kill().await;
    fs::remove_dir_all(hosts.host("n3").data_dir.join("raft")).unwrap();
    follow(&mut hosts, &mut page, "n3", "berth cluster join").await;
    hosts.cluster.votes(2).await;

    follow(&mut hosts, &mut page, "n4", "berth cluster join").await;
    hosts.cluster.votes(3).await;
    follow(&mut hosts, &mut page, "n1", "berth cluster remove").await;
    let ended = hosts.host_mut("n4").ended(PATIENCE).await;
    assert_eq!(ended.code(), Some(1), "{}", hosts.host("n4").log());
    follow(&mut hosts, &mut page, "n1", "berth cluster transfer-leader").await;
    assert_eq!(hosts.cluster.leader().await, 0);

    let history = load.stop().await;
    history.assert_never_twice();
    assert_eq!(history.errors().into_iter().map(|(.., error)| error).collect::<Vec<_>>(), [""; 0]);
    let held = history.held();
    assert!(hosts.cluster.held(0, pool.as_str()).await.is_superset(&held));
    let before = hosts.cluster.agree_running().await;

    // The majority is lost.
    hosts.host_mut("n2").kill().await;
    hosts.host_mut("n3").kill().await;
    let old = hosts.host("n1").status().await.unwrap().cluster;
    let mut said = String::new();
    for block in until(&mut page, "n1", "berth cluster recover") {
        said += &hosts.run(&block).await;
    }
    assert!(said.contains("Nothing was done yet"), "{said}");
    let digits = said.split("--confirm ").nth(1).unwrap()[..8].to_owned();
    assert!(old.starts_with(&digits), "{old}: {said}");
    hosts.environment.insert("DIGITS".to_owned(), digits);
    follow(&mut hosts, &mut page, "n1", "berth cluster recover").await;
    hosts.cluster.nodes[0].ready().await;
    let status = hosts.host("n1").status().await.unwrap();
    assert!(status.cluster != old && status.members.len() == 1, "{status:?}");
    assert!(status.log.revision > before.revision);
    let kept = hosts.cluster.held(0, pool.as_str()).await;
    let lost: Vec<_> = held.difference(&kept).collect();
    assert!(lost.is_empty(), "what n1 had is lost: {lost:?}");

    // An old member does not disturb it, and finds no quorum of its own.
    hosts.host_mut("n2").start();
    eventually("n2 is turned away", async || {
        hosts.cluster.nodes[1].log().contains("it belongs to cluster").then_some(())
    })
    .await;
    assert!(!hosts.cluster.nodes[1].run(&["status"]).await.status.success());
    hosts.host_mut("n2").kill().await;
    follow(&mut hosts, &mut page, "n2", "berth cluster join").await;
    hosts.cluster.votes(1).await;
    hosts.cluster.votes(2).await;

    // It gives nothing new before its engine has claimed the pool again, and the agent is back.
    let behind = engine.address(&pool).await.unwrap_err();
    assert!(behind.to_string().contains("restored"), "{behind}");
    follow(&mut hosts, &mut page, "w1", "systemctl stop").await;
    assert!(page.next().is_none(), "the page goes on");
    hosts.agent.ready().await;
    engine.handshake().await.unwrap();
    let pool = engine.pool(GLOBAL, "10.93.0.0/20").await.unwrap().id;
    for address in &held {
        assert_eq!(engine.exact(&pool, *address).await.unwrap(), *address);
    }
    let new = engine.address(&pool).await.unwrap();
    assert!(!held.contains(&new));
    hosts.cluster.agree_running().await;
}
