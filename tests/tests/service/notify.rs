//! What a process tells of itself.

use std::time::Duration;

use berth_tests::Cluster;
use rustix::process::Signal;
use tokio::time::sleep;

use crate::manager::Manager;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_tells_when_it_serves_what_it_does_and_when_it_stops() {
    let dir = tempfile::tempdir().unwrap();
    let mut manager = Manager::new(dir.path());
    let mut cluster = Cluster::new(2);
    manager.watch(&mut cluster.nodes[0], None);
    cluster.nodes[0].start();
    // The host's own networks need no quorum, so its engine need not wait for one.
    manager.hears(|line| line == "READY=1", "the server serves").await;
    cluster.nodes[0].engine().handshake().await.unwrap();
    manager.hears(|line| line.contains("no leader known"), "it has no leader").await;
    cluster.start_stopped();
    cluster.ready().await;
    let leader = format!("{} leads", cluster.nodes[cluster.leader().await].name());
    manager.hears(|line| line.starts_with("STATUS=") && line.ends_with(&leader), &leader).await;
    assert!(!manager.heard().iter().any(|line| line == "STOPPING=1" || line == "WATCHDOG=1"));
    cluster.nodes[0].stop().await;
    manager.hears(|line| line == "STOPPING=1", "the server stops").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_tells_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut manager = Manager::new(dir.path());
    let mut cluster = Cluster::start(1).await;
    let mut agent = cluster.unstarted_agent("w1", &cluster.servers());
    manager.watch(&mut agent, None);
    agent.start();
    manager.hears(|line| line == "READY=1", "the agent serves").await;
    let server = format!("STATUS=agent of {}", cluster.nodes[0].listen());
    manager.hears(|line| line == server, &server).await;
    cluster.nodes[0].kill().await;
    manager.hears(|line| line.contains("no server answers"), "it has no server").await;
    agent.stop().await;
    manager.hears(|line| line == "STOPPING=1", "the agent stops").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signs_of_life_end_with_it() {
    const LIFE: Duration = Duration::from_millis(600);
    let dir = tempfile::tempdir().unwrap();
    let mut manager = Manager::new(dir.path());
    let mut cluster = Cluster::new(1);
    manager.watch(&mut cluster.nodes[0], Some(LIFE));
    cluster.nodes[0].start();
    cluster.ready().await;
    for _ in 0..3 {
        manager.heard().clear();
        sleep(LIFE).await;
        assert!(manager.heard().iter().any(|line| line == "WATCHDOG=1"));
    }
    cluster.nodes[0].signal(Signal::STOP);
    sleep(LIFE).await;
    manager.heard().clear();
    sleep(LIFE).await;
    assert_eq!(*manager.heard(), Vec::<String>::new());
    cluster.nodes[0].signal(Signal::CONT);
    manager.hears(|line| line == "WATCHDOG=1", "it goes on").await;
    cluster.nodes[0].stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manager_that_is_gone_is_no_reason_to_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::new(1);
    Manager::new(dir.path()).watch(&mut cluster.nodes[0], None);
    std::fs::remove_file(dir.path().join("notify.sock")).unwrap();
    cluster.nodes[0].start();
    cluster.ready().await;
    assert!(cluster.nodes[0].log().contains("the service manager cannot be told"));
    cluster.nodes[0].stop().await;
}
