//! Without a quorum: clear errors in time, stale reads, and local spaces as before.

use std::fs;
use std::time::{Duration, Instant};

use crate::world::{Node, free_port};

/// One of three members, the others of which never start.
fn lonely() -> Node {
    let mut node = Node::new();
    let secret = node.path("secret");
    fs::write(&secret, "0123456789abcdef").unwrap();
    let list = format!(
        "N1=127.0.0.1:{},N2=127.0.0.1:{},N3=127.0.0.1:{}",
        node.port,
        free_port(),
        free_port()
    );
    let secret = secret.to_str().unwrap().to_owned();
    node.start(&["--initial-cluster", &list, "--bootstrap-secret-file", &secret]);
    node
}

#[test]
fn status_tells_and_fails_as_unavailable() {
    let node = lonely();
    let said = node.ask(&["status"]);
    assert_eq!(said.exit, Some(3), "{}", said.err);
    assert!(said.out.contains("no leader known"), "{}", said.out);
    assert!(said.out.contains("N3"), "{}", said.out);
    assert!(said.err.contains("BERTH-0101") && said.err.contains("majority"), "{}", said.err);
    let (line, _) = node.http("GET /readyz");
    assert!(line.starts_with("HTTP/1.1 503 "), "{line}");
    let (line, _) = node.http("GET /livez");
    assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
}

#[test]
fn linearizable_reads_fail_in_time_and_stale_ones_work() {
    let node = lonely();
    let begun = Instant::now();
    let said = node.ask(&["space", "ls"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(said.exit, Some(3));
    assert!(said.err.contains("BERTH-0101") && said.err.contains("--stale"), "{}", said.err);

    let begun = Instant::now();
    let said = node.ask(&["space", "ls", "--stale"]);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(said.exit, Some(0), "{}", said.err);
    assert!(said.out.contains("LocalDefault"), "{}", said.out);
    assert!(said.err.contains("stale: "), "{}", said.err);
}

#[test]
fn local_spaces_work_as_always() {
    let node = lonely();
    let begun = Instant::now();
    let body = r#"{"AddressSpace":"LocalDefault","Pool":"","SubPool":"","Options":{},"V6":false}"#;
    assert_eq!(node.call("RequestPool", body)["PoolID"], "LocalDefault/172.17.0.0/16");
    let body = r#"{"PoolID":"LocalDefault/172.17.0.0/16","Address":"","Options":{}}"#;
    assert_eq!(node.call("RequestAddress", body)["Address"], "172.17.0.1/16");
    let said = node.ask(&["pool", "show", "LocalDefault/172.17.0.0/16"]);
    assert_eq!(said.exit, Some(0), "{}", said.err);
    let listed = node.json(&["address", "ls", "LocalDefault/172.17.0.0/16"]);
    assert_eq!(listed[0]["address"], "172.17.0.1");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_global_request_of_an_engine_fails_in_time() {
    let node = lonely();
    let begun = Instant::now();
    let body = r#"{"AddressSpace":"GlobalDefault","Pool":"","SubPool":"","Options":{},"V6":false}"#;
    let answer = node.call("RequestPool", body);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let error = answer["Error"].as_str().unwrap_or_default();
    assert!(error.contains("leader"), "{answer}");
}
