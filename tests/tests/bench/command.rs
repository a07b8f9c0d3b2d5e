//! The command itself.

use std::process::{Output, Stdio};
use std::time::Duration;

use berth_node::api::types::Pool;
use berth_node::bench::Report;
use berth_tests::{Cluster, GLOBAL, Node, eventually};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

/// Exit codes.
const FAILED: i32 = 1;
const USAGE: i32 = 2;
const UNAVAILABLE: i32 = 3;

/// `berth bench` of all nodes' sockets.
fn bench<'a>(nodes: &'a [Node], further: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["bench"];
    for node in nodes {
        arguments.extend(["--socket", node.plugin_socket.to_str().unwrap()]);
    }
    arguments.extend(further);
    arguments
}

fn report(output: &Output) -> Report {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

async fn pools(node: &Node) -> Vec<String> {
    let pools: Vec<Pool> = node.pools().await;
    pools.into_iter().map(|pool| pool.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_measured_and_left_as_it_was() {
    let cluster = Cluster::start(3).await;
    let node = &cluster.nodes[0];
    let short = ["--warm-up", "100ms", "--duration", "2s", "--output", "json"];
    for further in [
        &["--space", GLOBAL, "--clients", "12", "--pools", "3", "--hold", "2"] as &[&str],
        &["--clients", "6", "--hold", "8", "--fill", "1"],
        &["--hold", "0", "--clients", "2", "--pool-prefix", "10.0.0.0/8"],
        &["--pool-prefix", "fd00:198:18::/64"],
    ] {
        let output = node.run(&[bench(&cluster.nodes, further), short.to_vec()].concat()).await;
        assert!(output.status.success(), "{further:?}: {output:?}");
        let report = report(&output);
        assert_eq!((report.duplicates, report.error_count(), report.unanswered), (0, 0, 0));
        assert!(report.requests.count > 0 && !report.interrupted, "{report:?}");
        assert_eq!(report.releases.count > 0, report.setup.hold.is_some(), "{report:?}");
        let times = &report.requests;
        assert!(0.0 < times.p50_us && times.p50_us <= times.p99_us, "{times:?}");
        assert!(times.p99_us <= times.p999_us && times.p999_us <= times.max_us, "{times:?}");
        for node in &cluster.nodes {
            assert_eq!(pools(node).await, [] as [&str; 0], "{further:?}");
        }
    }
    let table = node.run(&bench(&cluster.nodes[..1], &["--duration", "100ms"])).await;
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("P99.9") && table.contains("duplicates"), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_run_gives_back_what_it_took() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    for (fill, signal) in [("0", Signal::INT), ("0", Signal::TERM), ("90", Signal::INT)] {
        let further = ["--duration", "1h", "--fill", fill, "--output", "json", "--clients", "4"];
        let mut command = node.berth(&bench(&cluster.nodes, &further));
        let running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(running.id().unwrap()).unwrap();
        eventually("it has its pool", async || (!pools(node).await.is_empty()).then_some(())).await;
        sleep(Duration::from_millis(200)).await;
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
        let output = running.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        let report = report(&output);
        assert!(report.interrupted && report.left.is_empty(), "{report:?}");
        assert_eq!(report.duplicates, 0);
        assert_eq!(pools(node).await, [] as [&str; 0], "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_holds_is_not_touched() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let engine = node.engine();
    let pool = engine.pool(GLOBAL, "10.9.0.0/24").await.unwrap();
    let held = engine.address(&pool.id).await.unwrap();
    for prefix in ["10.9.0.0/24", "10.0.0.0/8", "10.9.0.128/25"] {
        let further = ["--space", GLOBAL, "--pool-prefix", prefix, "--hold", "1"];
        let output = node.run(&bench(&cluster.nodes, &further)).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(FAILED), "{said}");
        assert!(said.contains("BERTH-0170") && said.contains("--pool-prefix"), "{said}");
    }
    assert_eq!(cluster.held(0, pool.id.as_str()).await, [held].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_measured_is_refused() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    for (arguments, code, says) in [
        (bench(&cluster.nodes, &["--space", "Nowhere"]), FAILED, "Nowhere"),
        (bench(&cluster.nodes, &["--clients", "300"]), USAGE, "--socket"),
        (
            bench(&cluster.nodes, &["--clients", "200", "--pool-prefix", "10.0.0.0/24"]),
            USAGE,
            "--hold",
        ),
        (vec!["bench", "--socket", "nowhere.sock"], UNAVAILABLE, "nowhere.sock"),
    ] {
        let output = node.run(&arguments).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(output.stdout.is_empty() && said.contains(says), "{said}");
    }
    // A run that nobody grants anything: more clients than there is room, with nothing given back.
    let full = ["--hold", "0", "--pool-prefix", "10.0.0.0/29", "--duration", "1s"];
    let output =
        node.run(&bench(&cluster.nodes, &[&full[..], &["--output", "json"]].concat())).await;
    let report = report(&output);
    assert!(report.errors[0].text.contains("no available addresses"), "{report:?}");
    assert_eq!(output.status.code(), Some(FAILED), "all was given during the warm-up: {output:?}");
}
