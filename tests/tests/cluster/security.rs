//! How nodes and agents speak to each other, whom they turn away, and what they record of the others.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use berth_node::api::types::{Space, Status};
use berth_tests::{Block, Cluster, LOCAL, Node, binary, blocks, eventually, free_ports};
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
    let mut page = blocks(PAGE).into_iter();
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

    next(&mut hosts).await;
    next(&mut hosts).await;
    next(&mut hosts).await;
    let by_agent = ["agent=\"w1\"", "what=\"create-space\"", "space=\"edge\""];
    assert!(hosts.cluster.nodes.iter().any(|node| recorded(node, &by_agent)));

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

/// Whether one line of a node's log has all of these.
fn recorded(node: &Node, fields: &[&str]) -> bool {
    node.log().lines().any(|line| fields.iter().all(|field| line.contains(field)))
}

async fn succeeds(node: &Node, arguments: &[&str]) {
    let output = node.run(arguments).await;
    assert!(output.status.success(), "{arguments:?} on {}: {output:?}", node.name());
}

/// What the API answers to a request: its status, and what the header `Retry-After` says.
async fn post(curl: &Path, node: &Node, path: &str, body: &str) -> String {
    let mut curl = Command::new(curl);
    curl.args(["--silent", "--parallel", "--output", "/dev/null", "--write-out"]);
    curl.args(["%{http_code} %header{retry-after}\n", "--json", body, "--unix-socket"]);
    curl.arg(node.dir().join("api.sock")).arg(format!("http://berth{path}"));
    String::from_utf8(curl.output().await.unwrap().stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_on_record_with_who_made_them() {
    let mut cluster = Cluster::new(3);
    cluster.nodes[1].further = ["--audit", "all", "--log-level", "error"].map(Into::into).into();
    cluster.nodes[2].further = ["--audit", "off"].map(Into::into).into();
    cluster.start_stopped();
    cluster.ready().await;
    let [usual, all, off] = &cluster.nodes[..] else { panic!("three were started") };
    let uid = format!(" uid={} ", rustix::process::getuid().as_raw());

    // A user of the API, and a refusal.
    succeeds(usual, &["space", "create", "lab", "--shared"]).await;
    let user = ["who=\"user\"", &uid, "command=\"berth", "space=\"lab\"", " log_index="];
    let done = ["audit=\"done\"", "what=\"create-space\"", " revision="];
    assert!(recorded(usual, &[&user[..], &done].concat()), "{}", usual.log());
    assert!(!usual.run(&["space", "create", "lab", "--shared"]).await.status.success());
    let refused = ["audit=\"refused\"", "code=\"BERTH-0002\""];
    assert!(recorded(usual, &[&user[..], &refused].concat()), "{}", usual.log());

    // Names that would be lines of their own: a space's, a path's, and the process's.
    let forger = usual.dir().join("c\n audit=\"done\"");
    let curl = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|dir| dir.join("curl"))
        .find(|curl| curl.exists());
    symlink(curl.expect("curl is installed"), &forger).unwrap();
    let body = r#"{"name": "x\n audit=\"done\" who=\"forged\""}"#;
    assert_eq!(post(&forger, usual, "/v1/spaces", body).await, "400 \n");
    assert_eq!(post(&forger, usual, "/v1/no%0A%20audit=\"done\"", "{}").await, "404 \n");
    let honest = ["audit=\"refused\"", "what=\"POST /v1/spaces\"", "code=\"BERTH-0103\""];
    assert!(recorded(usual, &honest), "{}", usual.log());
    assert!(recorded(usual, &["command=\"c\\n audit=\\\"done\\\"\""]), "{}", usual.log());
    assert!(!usual.log().lines().any(|line| line.starts_with(" audit=")), "{}", usual.log());

    // Engines: addresses only where all is on record, and nothing where nothing is.
    for node in [usual, all] {
        let engine = node.engine();
        engine.handshake().await.unwrap();
        let pool = engine.pool(LOCAL, "10.61.0.0/24").await.unwrap();
        let address = engine.address(&pool.id).await.unwrap();
        let pool = format!("pool={:?}", pool.id.as_str());
        let asked = ["who=\"engine\"", &uid, "what=\"request-pool\"", &pool];
        assert!(recorded(node, &asked), "{}", node.log());
        let asked = ["what=\"request-address\"", &pool, &format!("address=\"{address}\"")];
        assert_eq!(recorded(node, &asked), node.name() == all.name(), "{}", node.log());
    }
    succeeds(off, &["space", "create", "silent", "--shared"]).await;
    assert!(!recorded(off, &["audit="]), "{}", off.log());

    // An agent speaks to the leader: it must be one that keeps a record.
    succeeds(usual, &["cluster", "transfer-leader", usual.name()]).await;
    // An agent's user, and its engine: on its own record, and on that of the server it speaks to.
    let mut agent = cluster.unstarted_agent("worker", usual.listen());
    agent.start();
    agent.ready().await;
    succeeds(&agent, &["space", "create", "edge", "--shared"]).await;
    let handed_on = ["audit=\"done\"", "who=\"user\"", &uid, "what=\"POST /v1/spaces\""];
    assert!(recorded(&agent, &handed_on), "{}", agent.log());
    assert!(!agent.run(&["space", "create", "edge", "--shared"]).await.status.success());
    assert!(recorded(&agent, &["what=\"POST /v1/spaces\"", "code=\"BERTH-0002\""]));
    let engine = agent.engine();
    engine.handshake().await.unwrap();
    engine.pool_of("edge", "10.63.0.0/24").await.unwrap();
    assert!(recorded(&agent, &["who=\"engine\"", "what=\"request-pool\""]), "{}", agent.log());
    let servers = || [usual, all].into_iter();
    let by_agent = ["who=\"agent\"", "agent=\"worker\"", " log_index="];
    for what in [
        &["what=\"create-space\"", "space=\"edge\"", "audit=\"done\""][..],
        &["what=\"create-space\"", "space=\"edge\"", "code=\"BERTH-0002\""],
        &["what=\"request-pool\"", "client=\"worker\"", "10.63.0.0/24"],
    ] {
        let fields = [&by_agent[..], what].concat();
        assert!(servers().any(|node| recorded(node, &fields)), "{fields:?}: {}", usual.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let agent = cluster.agent("worker");
    agent.ready().await;
    let answers = post(Path::new("curl"), node, "/v1/no[1-8000]", "{}").await;
    let told: BTreeSet<&str> = answers.lines().collect();
    assert_eq!(told, BTreeSet::from(["404 ", "429 1"]));
    // It is on record once. Whether the process lives can be asked, and other clients are served.
    assert_eq!(node.log().matches("a client asks the API too often").count(), 1);
    assert!(!recorded(node, &["BERTH-0150"]));
    let spaces: Vec<Space> = agent.ask(&["space", "ls"]).await;
    assert!(!spaces.is_empty());
    // The commands wait for their turn by themselves.
    let (_, again) = tokio::join!(
        post(Path::new("curl"), node, "/v1/no[1-8000]", "{}"),
        node.ask::<Vec<Space>>(&["space", "ls"])
    );
    assert_eq!(again.len(), spaces.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_forms_alone_makes_its_own_secret() {
    let dir = tempfile::tempdir().unwrap();
    let port = || format!("127.0.0.1:{}", free_ports(1)[0]);
    // Neither is given a secret.
    let mut first = Node::newcomer(dir.path(), "n1", &port(), "");
    first.further = vec!["--bootstrap".into()];
    first.start();
    first.ready().await;
    assert!(first.status().await.unwrap().certificate_expires.is_some());
    let kept = first.data_dir.join("raft/secret");
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);

    let token = String::from_utf8(first.run(&["cluster", "join-token"]).await.stdout).unwrap();
    let mut second = Node::newcomer(dir.path(), "n2", &port(), token.trim());
    second.start();
    second.ready().await;
    let told = fs::read(second.data_dir.join("raft/secret")).unwrap();
    assert_eq!(told, fs::read(&kept).unwrap());

    // Nor at the next start.
    for node in [&mut first, &mut second] {
        node.stop().await;
    }
    first.further.clear();
    second.forget_its_list();
    for node in [&mut first, &mut second] {
        node.start();
    }
    first.ready().await;
    second.ready().await;
    assert!(second.status().await.unwrap().certificate_expires.is_some());
    let mut plain = Node::newcomer(dir.path(), "n3", &port(), "");
    plain.further = vec!["--bootstrap".into(), "--insecure".into()];
    plain.start();
    plain.ready().await;
    assert!(!plain.data_dir.join("raft/secret").exists());
    assert_eq!(plain.status().await.unwrap().certificate_expires, None);
}
