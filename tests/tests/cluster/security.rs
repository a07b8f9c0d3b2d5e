//! How nodes and agents speak to each other, and whom they turn away.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use berth_node::api::types::Status;
use berth_tests::{Cluster, Node, binary, eventually};
use tokio::process::Command;

const PAGE: &str = include_str!("../../../docs/operating/security.md");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_and_agents_speak_tls_and_say_so() {
    let mut cluster = Cluster::start(3).await;
    let agent = cluster.agent("worker");
    agent.ready().await;
    for node in cluster.nodes.iter().chain([&agent]) {
        let status: Status = node.status().await.unwrap();
        assert!(status.certificate_expires.is_some(), "{status:?}");
        let shown = node.berth(&["status"]).output().await.unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("TLS, certificate until"), "{shown}");
        assert!(node.log().contains("speak TLS 1.3"), "{}", node.log());
    }
    // One that speaks plaintext finds nobody, whatever secret it has.
    cluster.nodes[2].stop().await;
    cluster.nodes[2].further = vec!["--insecure".into()];
    cluster.nodes[2].start();
    let plain = &cluster.nodes[2];
    assert_eq!(alone(plain).await, None, "it has no certificate");
    let mut insecure = cluster.unstarted_agent("insecure", cluster.nodes[0].listen());
    insecure.further = vec!["--insecure".into()];
    insecure.start();
    assert_eq!(alone(&insecure).await, None);
    for node in [plain, &insecure] {
        assert!(node.log().contains("speaks plaintext"), "{}", node.log());
    }
    let turned_away = || cluster.nodes[0].log().contains("a peer was turned away");
    eventually("it is on record", async || turned_away().then_some(())).await;
    // The others are a majority, and go on.
    cluster.nodes[0].ready().await;

    cluster.nodes[2].stop().await;
    cluster.nodes[2].further.clear();
    cluster.nodes[2].start();
    cluster.ready().await;
    cluster.agree().await;
}

/// When the certificate expires of a process that reaches nobody.
async fn alone(node: &Node) -> Option<String> {
    let status = eventually("it says that it reaches nobody", async || {
        let status = tokio::time::timeout(Duration::from_secs(20), node.status()).await.ok()??;
        (!status.ready).then_some(status)
    });
    status.await.certificate_expires
}

/// A block of commands of the page, and the hosts on which each of them runs.
struct Block {
    hosts: Vec<String>,
    commands: Vec<String>,
}

fn blocks() -> impl Iterator<Item = Block> {
    let mut fences = PAGE.split("```").skip(1).step_by(2).map(|fence| {
        let (head, commands) = fence.split_once('\n').expect("a block has a head");
        let hosts = head.strip_prefix("sh ").expect("each block says where it runs");
        Block {
            hosts: hosts.split(' ').map(str::to_owned).collect(),
            commands: commands.lines().map(str::to_owned).collect(),
        }
    });
    std::iter::from_fn(move || fences.next())
}

/// The page's hosts. What systemd and scp would do is done here.
struct Hosts {
    cluster: Cluster,
    agent: Node,
}

impl Hosts {
    fn new() -> Self {
        let mut cluster = Cluster::new(3);
        let mut agent = cluster.unstarted_agent("w1", &cluster.servers());
        for node in cluster.nodes.iter_mut().chain([&mut agent]) {
            let secret = node.dir().join("bootstrap-secret");
            node.further = vec!["--bootstrap-secret-file".into(), secret.display().to_string()];
            let bin = node.dir().join("bin");
            fs::create_dir(&bin).unwrap();
            symlink(binary(), bin.join("berth")).unwrap();
            let journal = bin.join("journalctl");
            let log = node.dir().join("berth.log");
            fs::write(&journal, format!("#!/bin/sh\ncat '{}'\n", log.display())).unwrap();
            fs::set_permissions(&journal, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { cluster, agent }
    }

    fn host(&mut self, name: &str) -> &mut Node {
        let mut hosts = self.cluster.nodes.iter_mut().chain([&mut self.agent]);
        hosts.find(|host| host.name() == name).unwrap()
    }

    async fn run(&mut self, block: &Block) {
        for name in &block.hosts {
            for line in &block.commands {
                let host = self.host(name);
                match line.as_str() {
                    "systemctl start berth" => host.start(),
                    "systemctl stop berth" => host.stop().await,
                    line => shell(host, line).await,
                }
            }
        }
    }

    /// Copies a file of the first host to all others.
    fn copy(&mut self, file: &str) {
        let content = fs::read(self.host("n1").dir().join(file)).unwrap();
        for name in ["n2", "n3", "w1"] {
            fs::write(self.host(name).dir().join(file), &content).unwrap();
        }
    }

    async fn ready(&self) {
        self.cluster.ready().await;
        self.agent.ready().await;
    }
}

async fn shell(host: &Node, line: &str) {
    let path = format!("{}:{}", host.dir().join("bin").display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(host.dir()).env_clear().env("PATH", path);
    shell.env("BERTH_API_SOCKET", host.dir().join("api.sock"));
    let output = shell.output().await.unwrap();
    assert!(output.status.success(), "{line} on {}: {output:?}", host.name());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_keeps_strangers_out_and_changes_the_secret() {
    let mut hosts = Hosts::new();
    let mut page = blocks();
    let mut next = async |hosts: &mut Hosts| {
        let block = page.next().expect("the page goes on");
        hosts.run(&block).await;
        block
    };
    next(&mut hosts).await;
    hosts.copy("bootstrap-secret");
    next(&mut hosts).await;
    hosts.ready().await;
    next(&mut hosts).await;

    // A stranger, who knows nothing, is on record.
    let mut stranger = hosts.cluster.unstarted_agent("stranger", &hosts.cluster.servers());
    stranger.start();
    let servers = hosts.cluster.servers();
    let first = hosts.host("n1");
    eventually("the stranger is turned away", async || {
        first.log().contains("received fatal alert: UnknownCA").then_some(())
    })
    .await;
    next(&mut hosts).await;

    let stolen = fs::read(hosts.host("n1").dir().join("bootstrap-secret")).unwrap();
    next(&mut hosts).await;
    hosts.copy("bootstrap-secret.new");
    next(&mut hosts).await;
    next(&mut hosts).await;
    hosts.ready().await;
    next(&mut hosts).await;
    assert!(page.next().is_none(), "all of the page was run");

    let mut thief = hosts.cluster.unstarted_agent("thief", &servers);
    fs::write(thief.dir().join("secret"), stolen).unwrap();
    thief.start();
    eventually("the old secret opens nothing", async || {
        let status = thief.status().await?;
        let told = status.problems.join("; ");
        (!status.ready && told.contains("do both have the same secret")).then_some(())
    })
    .await;
    assert_eq!(thief.status().await.unwrap().cluster, "");
}
