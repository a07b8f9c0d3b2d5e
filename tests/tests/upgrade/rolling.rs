//! Three servers go to the new version and back, and on again; then the level is raised.

use std::path::PathBuf;
use std::time::Duration;

use berth_node::api::types::ClusterLevel;
use berth_tests::{Block, Cluster, Hosts, Judged, PATIENCE, blocks};
use tokio::time::sleep;

const PAGE: &str = include_str!("../../../docs/operating/upgrade.md");
const CLIENTS_PER_NODE: u32 = 2;
const WORK: Duration = Duration::from_secs(1);
const SERVERS: [&str; 3] = ["n1", "n2", "n3"];

fn build(name: &str) -> PathBuf {
    let named =
        std::env::var_os(name).unwrap_or_else(|| panic!("{name} names no binary: scripts/upgrade"));
    named.into()
}

/// What a command of the page installs.
fn installed(line: &str) -> Option<PathBuf> {
    match line.strip_prefix("dpkg --install ")? {
        "berth_new.deb" => Some(build("BERTH_BIN_NEW")),
        "berth_old.deb" => Some(build("BERTH_BIN_OLD")),
        other => panic!("{other} is not on the page"),
    }
}

/// Runs a block host by host, as the page says.
async fn run(hosts: &mut Hosts, block: &Block) -> String {
    let mut said = String::new();
    for host in &block.hosts {
        for line in &block.commands {
            if let Some(binary) = installed(line) {
                hosts.host_mut(host).binary = Some(binary);
            } else {
                let only = Block { hosts: vec![host.clone()], commands: vec![line.clone()] };
                said += &hosts.run(&only).await;
            }
        }
    }
    said
}

async fn level(hosts: &Hosts) -> ClusterLevel {
    hosts.host("n1").ask(&["cluster", "upgrade"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_upgrades_a_cluster_under_load_and_takes_it_back() {
    let mut cluster = Cluster::new(3);
    for node in &mut cluster.nodes {
        node.binary = Some(build("BERTH_BIN_OLD"));
    }
    cluster.start_stopped();
    cluster.ready().await;
    let mut hosts = Hosts::of(cluster).await;
    let load = Judged::start(&hosts.cluster.nodes, "10.97.0.0/25", CLIENTS_PER_NODE).await;
    sleep(WORK).await;
    let mut page = blocks(PAGE).into_iter();

    // One server after the other, and how far that is; back again; and on.
    run(&mut hosts, &page.next().unwrap()).await;
    let told = run(&mut hosts, &page.next().unwrap()).await;
    assert!(SERVERS.iter().all(|name| told.contains(name)), "{told}");
    let up = level(&hosts).await;
    sleep(WORK).await;
    run(&mut hosts, &page.next().unwrap()).await;
    let back = level(&hosts).await;
    assert_eq!(back.level, up.level, "nobody raised it");
    sleep(WORK).await;
    let forward = Block { hosts: SERVERS.map(str::to_owned).to_vec(), ..blocks(PAGE)[0].clone() };
    run(&mut hosts, &forward).await;

    let one_more = up.all_know > Some(up.level);
    let wanted = std::env::var_os("BERTH_LEVEL_MORE").is_some();
    assert!(one_more || !wanted, "{up:?}");
    if one_more {
        assert_eq!(back.all_know, Some(back.level), "the old build knows no more");
        an_old_server_is_in_the_way(&mut hosts).await;
        run(&mut hosts, &page.next().unwrap()).await;
        let raised = level(&hosts).await;
        assert_eq!(Some(raised.level), up.all_know, "{raised:?}");
        // Snapshots in the new form are read again.
        for name in SERVERS {
            hosts.host_mut(name).stop().await;
            hosts.host_mut(name).start();
            hosts.host(name).ready().await;
        }
        the_old_build_is_refused(&mut hosts).await;
    }
    sleep(WORK).await;
    for name in SERVERS {
        assert!(load.given(name) > 10, "{name} gave few addresses");
    }
    load.judge(&hosts.cluster).await;
    hosts.cluster.agree().await;
}

/// The level is not raised as long as one server is of the old build, or silent.
async fn an_old_server_is_in_the_way(hosts: &mut Hosts) {
    let node = hosts.host_mut("n3");
    node.stop().await;
    refused(hosts, "n3").await;
    let node = hosts.host_mut("n3");
    node.binary = Some(build("BERTH_BIN_OLD"));
    node.start();
    node.ready().await;
    refused(hosts, "n3").await;
    let node = hosts.host_mut("n3");
    node.stop().await;
    node.binary = Some(build("BERTH_BIN_NEW"));
    node.start();
    node.ready().await;
}

async fn refused(hosts: &Hosts, who: &str) {
    let to_two = "curl --silent --unix-socket \"$BERTH_API_SOCKET\" --json '{\"to\": 2}' http://berth/v1/level";
    let said = hosts.shell("n1", to_two).await.stdout;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("BERTH-0160") && said.contains(who), "{said}");
    assert_eq!(level(hosts).await.level, 1);
}

/// By its own log, as one that joins, and with what it has.
async fn the_old_build_is_refused(hosts: &mut Hosts) {
    let node = hosts.host_mut("n3");
    node.stop().await;
    node.binary = Some(build("BERTH_BIN_OLD"));
    node.start();
    let status = node.ended(PATIENCE).await;
    let log = node.log();
    assert_eq!(status.code(), Some(1), "{log}");
    let said = log.lines().rev().find(|line| line.starts_with("berth: BERTH-"));
    let told =
        said.is_some_and(|said| said.contains("install the version") || said.contains("newer"));
    assert!(told, "{log}");
    node.binary = Some(build("BERTH_BIN_NEW"));
    node.start();
    node.ready().await;

    let token = hosts.cluster.token().await;
    let mut newcomer = hosts.cluster.newcomer("n4", &token);
    newcomer.binary = Some(build("BERTH_BIN_OLD"));
    newcomer.start();
    let status = newcomer.ended(PATIENCE).await;
    let log = newcomer.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("the cluster is at level 2"), "{log}");
    assert!(!newcomer.data_dir.join("raft").exists(), "nothing was made");
}
