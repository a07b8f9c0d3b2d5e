//! The example driver of `ipamapi`, with an engine that is not told that it is one.

use std::path::Path;
use std::process::Stdio;

use berth_tests::eventually;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::daemon::{Engine, may_start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_accepts_the_example_driver() {
    if !may_start() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("one-subnet.sock");
    let mut driver = start(&socket).await;
    let engine = Engine::start(&socket).await;
    let create = ["network", "create", "--ipam-driver", engine.driver()];
    engine.docker(&[&create[..], &["first"]].concat()).await;

    let show = ["busybox", "ip", "-4", "address", "show", "eth0"];
    let run = ["run", "--rm", "--network", "first"];
    let shown = engine.docker(&[&run[..], &show].concat()).await;
    assert!(shown.contains("inet 10.77.0.2/24"), "{shown}");
    let refused = engine.try_docker(&[&create[..], &["second"]].concat()).await.unwrap_err();
    assert!(refused.contains("this driver gives 10.77.0.0/24, and once"), "{refused}");
    engine.docker(&["network", "rm", "first"]).await;
    engine.docker(&[&create[..], &["second"]].concat()).await;
    engine.docker(&["network", "rm", "second"]).await;

    let pid = i32::try_from(driver.id().unwrap()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(driver.wait().await.unwrap().success());
    assert!(!socket.exists(), "it leaves its socket");
}

async fn start(socket: &Path) -> Child {
    let mut driver = Command::new(env!("CARGO_BIN_EXE_one-subnet"));
    let driver = driver.arg(socket).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    eventually("the driver's socket is there", async || socket.exists().then_some(())).await;
    driver
}
