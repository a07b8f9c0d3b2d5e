//! A node dies between an engine's request and its answer (rule 10).

use std::time::Duration;

use berth_tests::{Cluster, GLOBAL, eventually};
use ipamapi::ErrorKind;
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_node_never_answered_is_answered_later_or_given_back() {
    /// The requests are with the leader by then, and cannot be committed.
    const UNDER_WAY: Duration = Duration::from_millis(500);
    let mut cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let engine = cluster.nodes[leader].engine();
    engine.handshake().await.unwrap();
    let pool = engine.pool(GLOBAL, "10.75.0.0/24").await.unwrap().id;
    let held = engine.address(&pool).await.unwrap();
    let released = engine.address(&pool).await.unwrap();
    for node in (0..3).filter(|node| *node != leader) {
        cluster.nodes[node].kill().await;
    }
    let wanted = "10.75.0.55".parse().unwrap();
    let gateway = "10.75.0.254".parse().unwrap();
    let (explicit, as_gateway, dynamic, release, pool_asked, ()) = tokio::join!(
        engine.exact(&pool, wanted),
        engine.gateway(&pool, Some(gateway)),
        engine.address(&pool),
        engine.release(&pool, released),
        engine.pool(GLOBAL, "10.76.0.0/24"),
        async {
            sleep(UNDER_WAY).await;
            cluster.nodes[leader].kill().await;
        }
    );
    explicit.unwrap_err();
    as_gateway.unwrap_err();
    dynamic.unwrap_err();
    release.unwrap_err();
    pool_asked.unwrap_err();

    cluster.start_stopped();
    cluster.ready().await;
    assert_eq!(engine.exact(&pool, wanted).await.unwrap(), wanted, "the same request again");
    assert_eq!(engine.gateway(&pool, Some(gateway)).await.unwrap(), gateway);
    let again = engine.exact(&pool, wanted).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AddressInUse, "it was heard by now: {again}");
    let other = engine.pool(GLOBAL, "10.76.0.0/24").await.unwrap();
    assert_eq!(
        engine.pool(GLOBAL, "10.76.0.0/24").await.unwrap_err().kind(),
        ErrorKind::PoolOverlap
    );
    engine.release_pool(&other.id).await.unwrap();
    let expected = [held, wanted, gateway];
    eventually("what nobody heard of is given back, and the release is carried out", async || {
        cluster.held(leader, pool.as_str()).await.into_iter().eq(expected).then_some(())
    })
    .await;
    cluster.agree().await;
}
