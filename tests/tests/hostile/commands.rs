//! Commands that make no sense: an exit code and a text on standard error, nothing else.

use berth_tests::Cluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_say_what_is_wrong() {
    const REFUSED: &[i32] = &[1, 2];
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let long = "9".repeat(60_000);
    for arguments in [
        &["why", "../../etc/passwd"] as &[&str],
        &["why", "10.0.0.0.1"],
        &["why", "198.51.100.9"],
        &["why", &long],
        &["pool", "show", ""],
        &["pool", "show", ".."],
        &["pool", "show", "GlobalDefault~1/10.0.0.0/24"],
        &["pool", "show", "LocalDefault/172.17.0.0/16?consistency=x"],
        &["pool", "show", "Local Default/172.17.0.0/16"],
        &["pool", "show", &long],
        &["space", "show", "../LocalDefault"],
        &["space", "show", "Nowhere"],
        &["address", "ls", "Nowhere/10.0.0.0/24"],
        &["address", "show", "10.0.0.300"],
        &["pool", "ls", "--output", "nonsense"],
        &["status", "--nonsense"],
        &["nonsense"],
    ] {
        let output = node.run(arguments).await;
        let shown: Vec<_> = arguments.iter().map(|text| text.get(..80).unwrap_or(text)).collect();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(REFUSED.contains(&output.status.code().unwrap()), "{shown:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{shown:?}: {output:?}");
        assert!(said.contains("BERTH-") || said.contains("error: "), "{shown:?}: {said}");
    }
    assert!(node.run(&["status"]).await.status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_node_commands_say_so() {
    const UNAVAILABLE: i32 = 3;
    let cluster = Cluster::new(1);
    let output = cluster.nodes[0].run(&["status"]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(UNAVAILABLE), "{said}");
    assert!(said.contains("BERTH-0109") && said.contains("start `berth server`"), "{said}");
}
