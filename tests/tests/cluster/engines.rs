//! Engines that misbehave, and nodes that are restarted under their engines.

use std::net::IpAddr;
use std::time::Duration;

use berth_tests::{Cluster, GLOBAL, LOCAL, eventually, request};
use ipamapi::ErrorKind;
use ipamapi::constants::{REQUEST_ADDRESS, REQUEST_POOL};
use serde_json::json;
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_31_dropped_requests_leak_nothing() {
    const DROPPED: u64 = 60;
    let cluster = Cluster::start(3).await;
    let engine = cluster.nodes[0].engine();
    engine.handshake().await.unwrap();
    let pool = engine.pool(GLOBAL, "10.71.0.0/24").await.unwrap();
    let gateway = engine.gateway(&pool.id, None).await.unwrap();

    let any = json!({"PoolID": pool.id.as_str(), "Address": "", "Options": null});
    let any_pool = json!({"AddressSpace": GLOBAL, "Pool": "", "SubPool": "", "V6": false});
    for number in 0..DROPPED {
        for (method, body) in [(REQUEST_ADDRESS, &any), (REQUEST_POOL, &any_pool)] {
            let node = &cluster.nodes[usize::try_from(number % 3).unwrap()];
            let mut connection = node.raw().await;
            connection.send(&request(method, body.to_string().as_bytes())).await.unwrap();
            // Gone at once, or while it is executed, or with the answer unread.
            sleep(Duration::from_millis(number % 4 * 5)).await;
            drop(connection);
            // The engine's repetition.
            let (status, _) = node.raw().await.call(method, b"").await.unwrap();
            assert_eq!(status, 400);
        }
    }
    eventually("only the gateway is held", async || {
        let held = cluster.held(0, pool.id.as_str()).await;
        held.into_iter().eq([gateway]).then_some(())
    })
    .await;
    eventually("only the one pool is held", async || {
        (cluster.nodes[0].pools().await.len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_node_keeps_its_engines_sessions() {
    let mut cluster = Cluster::start(3).await;
    let engine = cluster.nodes[0].engine();
    engine.handshake().await.unwrap();
    let local = engine.pool(LOCAL, "172.30.0.0/24").await.unwrap();
    let global = engine.pool(GLOBAL, "10.72.0.0/24").await.unwrap();
    let mut held: Vec<IpAddr> = Vec::new();
    for pool in [&local, &global] {
        held.push(engine.address(&pool.id).await.unwrap());
    }

    for graceful in [true, false] {
        let node = &mut cluster.nodes[0];
        if graceful {
            node.stop().await;
        } else {
            node.kill().await;
        }
        node.start();
        node.ready().await;
        // The engine noticed nothing, and goes on with the ids that it has.
        for (pool, held) in [&local, &global].into_iter().zip(&held) {
            let taken = engine.exact(&pool.id, *held).await.unwrap_err();
            assert_eq!(taken.kind(), ErrorKind::AddressInUse, "{taken}");
            let another = engine.address(&pool.id).await.unwrap();
            assert_ne!(another, *held);
            engine.release(&pool.id, another).await.unwrap();
            let space = if pool.id == local.id { LOCAL } else { GLOBAL };
            let again = engine.pool(space, &pool.pool.to_string()).await.unwrap_err();
            assert_eq!(again.kind(), ErrorKind::PoolOverlap, "{again}");
        }
    }
    for (pool, held) in [&local, &global].into_iter().zip(held) {
        engine.release(&pool.id, held).await.unwrap();
        engine.release_pool(&pool.id).await.unwrap();
    }
    assert_eq!(cluster.nodes[0].pools().await, []);
    cluster.agree().await;
}
