//! A node that is alone: the cluster's spaces wait, its host's own does not.

use std::time::Duration;

use berth_tests::{Cluster, GLOBAL, LOCAL, eventually};
use ipamapi::ErrorKind;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_the_local_space_answers_as_before() {
    const REFUSED_WITHIN: Duration = Duration::from_secs(10);
    const LOCAL_WITHIN: Duration = Duration::from_secs(1);
    let mut cluster = Cluster::start(3).await;
    let engine = cluster.nodes[0].engine();
    engine.handshake().await.unwrap();
    let global = engine.pool(GLOBAL, "10.70.0.0/24").await.unwrap();
    let local = engine.pool(LOCAL, "172.30.0.0/24").await.unwrap();
    let held = engine.address(&local.id).await.unwrap();
    cluster.nodes[1].kill().await;
    cluster.nodes[2].kill().await;

    let asked = Instant::now();
    let refused = engine.address(&global.id).await.unwrap_err();
    let waited = asked.elapsed();
    println!("refused after {waited:.2?}: {refused}");
    assert!(waited < REFUSED_WITHIN, "refused after {waited:?} only");
    assert!(
        matches!(refused.kind(), ErrorKind::Unavailable | ErrorKind::DeadlineExceeded),
        "{refused:?}"
    );

    let asked = Instant::now();
    engine.release(&local.id, held).await.unwrap();
    assert_eq!(engine.address(&local.id).await.unwrap(), held, "the lowest free address");
    let another = engine.pool(LOCAL, "").await.unwrap();
    engine.gateway(&another.id, None).await.unwrap();
    engine.release_pool(&another.id).await.unwrap();
    let waited = asked.elapsed();
    assert!(waited < LOCAL_WITHIN, "the local space took {waited:?} for five requests");

    let status = cluster.nodes[0].run(&["status"]).await;
    assert_eq!(status.status.code(), Some(3), "{status:?}");
    let text = String::from_utf8_lossy(&status.stderr);
    assert!(text.contains("BERTH-0101") && text.contains("majority"), "{text}");

    cluster.start_stopped();
    cluster.ready().await;
    let given = engine.address(&global.id).await.unwrap();
    eventually("what was refused is not held", async || {
        cluster.held(0, global.id.as_str()).await.into_iter().eq([given]).then_some(())
    })
    .await;
    cluster.agree().await;
}
