//! How nodes and agents speak to each other, and whom they turn away.

use std::time::Duration;

use berth_node::api::types::Status;
use berth_tests::{Cluster, Node, eventually};

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
