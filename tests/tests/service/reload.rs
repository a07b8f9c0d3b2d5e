//! A configuration that changes under a process that runs.

use std::fs;

use berth_tests::{Cluster, LOCAL, Node, eventually};
use rustix::process::Signal;

use crate::manager::Manager;

/// Writes a node's configuration, has the node read it, and waits for a word of its log since.
async fn reload(node: &Node, config: &str, word: &str) -> String {
    fs::write(node.dir().join("berth.toml"), config).unwrap();
    let before = node.log().len();
    node.signal(Signal::HUP);
    let what = format!("{config:?} makes it say {word:?}");
    eventually(&what, async || {
        let said = node.log()[before..].to_owned();
        said.contains(word).then_some(said)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_change_is_taken_over_and_the_rest_is_told() {
    let mut cluster = Cluster::new(1);
    fs::write(cluster.nodes[0].dir().join("berth.toml"), "log-level = \"warn\"\n").unwrap();
    cluster.start_stopped();
    cluster.ready().await;
    let node = &cluster.nodes[0];
    assert!(!node.log().contains("node started"), "that is no warning: {}", node.log());

    let said = reload(node, "log-format = \"json\"\n", "configuration read anew").await;
    let line: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(line["fields"]["log_level"], "Info", "{line}");
    assert_eq!(line["fields"]["changed"], true, "{line}");
    let said = reload(node, "", "configuration read anew").await;
    assert!(said.contains("log_format=Text"), "{said}");

    let later = "snapshot-after = 7\nreconcile-seconds = 9\nlog-level = \"debug\"\n";
    let said = reload(node, later, "a restart only").await;
    assert!(said.contains("reconcile-seconds, snapshot-after"), "{said}");
    assert!(said.contains("log_level=Debug"), "{said}");
    let said = reload(node, "log-level = \"error\"\n", "configuration read anew").await;
    assert!(said.contains("log_level=Error"), "it is said while it is still heard: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reserve_may_change_too() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let engine = node.engine();
    engine.handshake().await.unwrap();
    // More than any disk has.
    reload(node, "disk-reserve = \"1000000GiB\"\n", "less than the reserve").await;
    let refused = engine.pool(LOCAL, "").await.unwrap_err();
    assert!(refused.to_string().contains("less than the reserve"), "{refused}");
    reload(node, "disk-reserve = \"0\"\n", "the disk has room again").await;
    engine.pool(LOCAL, "").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut manager = Manager::new(dir.path());
    let mut cluster = Cluster::new(1);
    manager.watch(&mut cluster.nodes[0], None);
    cluster.start_stopped();
    cluster.ready().await;
    let node = &cluster.nodes[0];
    for (wrong, why) in [
        ("log-level = \"loud\"\n", "loud"),
        ("log-level = \"error\"\nnonsense = 1\n", "nonsense"),
        ("log-level = \"error\"\ndisk-reserve = \"much\"\n", "is not a size"),
        ("log-level = \"error\"\nrealm = \"a b\"\n", "a b"),
    ] {
        manager.heard().clear();
        let said = reload(node, wrong, "the one before it goes on").await;
        assert!(said.contains(why), "{said}");
        manager.hears(|line| line == "READY=1", "the reload is over").await;
        let heard = manager.heard();
        assert_eq!(heard[0], "RELOADING=1");
        assert!(heard[1].starts_with("MONOTONIC_USEC="), "{heard:?}");
    }
    fs::remove_file(node.dir().join("berth.toml")).unwrap();
    node.signal(Signal::HUP);
    eventually("a file that is gone is told", async || {
        node.log().contains("No such file").then_some(())
    })
    .await;
    node.engine().handshake().await.unwrap();
    let said = reload(node, "", "configuration read anew").await;
    assert!(said.contains("changed=false"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flag_wins_over_the_file_still() {
    let mut cluster = Cluster::new(1);
    cluster.nodes[0].further = vec!["--log-format".into(), "text".into()];
    cluster.start_stopped();
    cluster.ready().await;
    let node = &cluster.nodes[0];
    let said = reload(node, "log-format = \"json\"\n", "configuration read anew").await;
    assert!(said.contains("changed=false"), "{said}");
}

/// Spans that began under one format are logged under the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_may_be_logged_in_turns() {
    let mut cluster = Cluster::start(3).await;
    let agent = cluster.agent("w1");
    agent.ready().await;
    for format in ["text", "json", "text", "json", "json"] {
        let config = format!("log-level = \"trace\"\nlog-format = \"{format}\"\n");
        for node in cluster.nodes.iter().chain([&agent]) {
            reload(node, &config, "configuration read anew").await;
            node.ready().await;
        }
    }
    for node in &mut cluster.nodes {
        assert!(!node.log().contains("panicked"), "{}", node.name());
        node.stop().await;
    }
}
