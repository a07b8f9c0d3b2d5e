//! A leader that sleeps: what lay in its socket is out of date when it wakes up.

use std::time::Duration;

use berth_tests::{Cluster, GLOBAL, eventually, request};
use ipamapi::ErrorKind;
use ipamapi::constants::RELEASE_ADDRESS;
use rustix::process::Signal;
use serde_json::json;
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_leaders_release_frees_nothing_that_was_given_anew() {
    const PAUSE: Duration = Duration::from_secs(5);
    let cluster = Cluster::start(3).await;
    let paused = cluster.leader().await;
    let other = (paused + 1) % 3;
    let engine = cluster.nodes[paused].engine();
    engine.handshake().await.unwrap();
    let pool = engine.pool(GLOBAL, "10.73.0.0/24").await.unwrap().id;
    let address = engine.address(&pool).await.unwrap();

    cluster.nodes[paused].signal(Signal::STOP);
    let mut waiting = cluster.nodes[paused].raw().await;
    let body = json!({"PoolID": pool.as_str(), "Address": address.to_string()});
    waiting.send(&request(RELEASE_ADDRESS, body.to_string().as_bytes())).await.unwrap();

    let anew = cluster.nodes[other].engine();
    eventually("another node leads", async || anew.release(&pool, address).await.ok()).await;
    assert_eq!(anew.exact(&pool, address).await.unwrap(), address);
    sleep(PAUSE).await;
    cluster.nodes[paused].signal(Signal::CONT);

    let (status, answer) = waiting.answer().await.unwrap();
    assert_eq!((status, answer), (200, json!({})), "a late release is answered as success");
    cluster.agree().await;
    for node in 0..cluster.nodes.len() {
        assert!(cluster.held(node, pool.as_str()).await.contains(&address));
    }
    let taken = engine.exact(&pool, address).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddressInUse, "{taken}");
}
