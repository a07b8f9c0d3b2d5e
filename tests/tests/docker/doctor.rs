//! `berth doctor` finds what is lost and what is missing, on a real engine, and frees nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_node::api::types::AddressState;
use berth_tests::{Cluster, LOCAL, eventually};
use ipamapi::PoolId;
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::daemon::{Engine, may_start};

/// Exit code and findings, by kind and what they are about.
pub(crate) type Found = (Option<i32>, BTreeSet<(String, String)>);

/// What the doctor finds of this engine.
pub(crate) async fn doctor(cluster: &Cluster, engine: &Engine, further: &[&str]) -> Found {
    let socket = engine.socket();
    let socket = socket.to_str().unwrap();
    let usual = ["doctor", "--output=json", "--docker-socket", socket, "--driver", engine.driver()];
    let said = cluster.nodes[0].run(&[&usual, further].concat()).await;
    let found: Vec<Value> = match said.stdout.as_slice() {
        [] => panic!("{}", String::from_utf8_lossy(&said.stderr)),
        json => serde_json::from_slice(json).unwrap(),
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = found.iter().map(|finding| (text(&finding["kind"]), text(&finding["about"])));
    (said.status.code(), found.collect())
}

fn found(kind: &str, about: &str) -> (String, String) {
    (kind.to_owned(), about.to_owned())
}

/// A cluster, an engine of one of its hosts, and a network of it with one container.
struct Examined {
    cluster: Cluster,
    engine: Engine,
    pool: PoolId,
    caller: berth_tests::Engine,
}

fn clean() -> Found {
    (Some(0), BTreeSet::new())
}

impl Examined {
    async fn start() -> Self {
        let cluster = Cluster::start(3).await;
        let engine = Engine::start(&cluster.nodes[0].plugin_socket).await;
        let pool = PoolId::new(format!("{LOCAL}/10.77.0.0/24")).unwrap();
        let caller = cluster.nodes[0].engine();
        let examined = Self { cluster, engine, pool, caller };
        examined.network().await;
        examined
    }

    async fn network(&self) {
        let driver = ["network", "create", "--ipam-driver", self.engine.driver()];
        self.engine.docker(&[&driver[..], &["--subnet=10.77.0.0/24", "examined"]].concat()).await;
        let run = ["run", "--detach", "--restart=always", "--stop-signal=KILL", "--name=one"];
        let on = ["--network=examined", "busybox", "sleep", "1d"];
        self.engine.docker(&[&run[..], &on].concat()).await;
    }

    async fn doctor(&self, further: &[&str]) -> Found {
        doctor(&self.cluster, &self.engine, further).await
    }

    /// The engine crashes, and begins anew.
    async fn crash(&mut self) {
        self.engine.kill().await;
        self.engine.begin().await;
        let engine = &self.engine;
        let one = async || (engine.containers().await.len() == 1).then_some(());
        eventually("the container is back", one).await;
    }

    /// An address that the engine does not know of.
    async fn lose(&self) -> IpAddr {
        self.caller.address(&self.pool).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_what_is_lost_and_frees_nothing_else() {
    if !may_start() {
        return;
    }
    let mut examined = Examined::start().await;
    assert_eq!(examined.doctor(&[]).await, clean());

    // What an engine holds in memory only is shown, and left.
    let about = format!("{} in {}", examined.lose().await, examined.pool);
    let unseen = (Some(1), BTreeSet::from([found("unseen", &about)]));
    assert_eq!(examined.doctor(&["--fix"]).await, unseen);

    // Once the engine has begun anew without it, it is a leak.
    examined.crash().await;
    let leak = (Some(1), BTreeSet::from([found("leak", &about)]));
    assert_eq!(examined.doctor(&[]).await, leak);

    // An engine that does not tell proves nothing, and one that errs neither.
    let node = &examined.cluster.nodes[0];
    for answer in ["", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"] {
        let liar = liar(examined.engine.dir(), answer);
        let said = node.run(&["doctor", "--fix", "--docker-socket", liar.to_str().unwrap()]).await;
        let text = String::from_utf8_lossy(&said.stderr);
        assert!(!said.status.success() && text.contains("BERTH-0113"), "{text}");
    }
    let gone = node.run(&["doctor", "--fix", "--docker-socket=/nowhere"]).await;
    let text = String::from_utf8_lossy(&gone.stderr);
    assert!(text.contains("BERTH-0113") && text.contains("--docker-socket"), "{text}");
    assert_eq!(examined.doctor(&[]).await, leak, "nothing was freed");

    assert_eq!(examined.doctor(&["--fix"]).await, (Some(0), leak.1));
    assert_eq!(examined.doctor(&[]).await, clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_what_is_used_and_not_held() {
    if !may_start() {
        return;
    }
    let mut examined = Examined::start().await;
    // A release behind the engine's back.
    let containers = examined.engine.containers().await;
    let address = &containers[0]["NetworkSettings"]["Networks"]["examined"]["IPAddress"];
    let address: IpAddr = address.as_str().unwrap().parse().unwrap();
    examined.caller.release(&examined.pool, address).await.unwrap();
    let missing = found("missing", &format!("{address} in {LOCAL}"));
    let missing = (Some(1), BTreeSet::from([missing]));
    assert_eq!(examined.doctor(&["--fix"]).await, missing);
    examined.engine.docker(&["restart", "--time=0", "one"]).await;
    assert_eq!(examined.doctor(&[]).await, clean());

    // Removed while its node stands still, and the engine crashes.
    examined.engine.docker(&["rm", "--force", "one"]).await;
    examined.cluster.nodes[0].signal(Signal::STOP);
    let removed = examined.engine.try_docker(&["network", "rm", "examined"]);
    let removed = timeout(Duration::from_secs(2), removed).await;
    println!("with the node stopped: {removed:?}");
    examined.engine.kill().await;
    examined.cluster.nodes[0].signal(Signal::CONT);
    examined.engine.begin().await;
    // It may be gone already.
    let _ = examined.engine.try_docker(&["network", "rm", "examined"]).await;
    println!("afterwards: {:?}", examined.doctor(&["--fix"]).await);
    assert_eq!(examined.doctor(&[]).await, clean());
    assert_eq!(examined.cluster.nodes[0].pools().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_sees_the_engine_frees_what_it_lost() {
    if !may_start() {
        return;
    }
    let mut examined = Examined::start().await;
    let settings = format!(
        "docker-socket = {:?}\nreconcile-seconds = 1\n",
        examined.engine.socket().display().to_string()
    );
    let node = &mut examined.cluster.nodes[0];
    fs::write(node.dir().join("berth.toml"), settings).unwrap();
    node.kill().await;
    node.start();
    node.ready().await;
    let (lost, pool) = (examined.lose().await, examined.pool.clone());
    // Three looks and more: it is of the current session.
    sleep(Duration::from_secs(4)).await;
    assert!(examined.cluster.held(0, pool.as_str()).await.contains(&lost));
    examined.crash().await;
    eventually("what the engine lost is freed", async || {
        let addresses = examined.cluster.nodes[0].addresses(pool.as_str()).await;
        let claimed = |state| !matches!(state, AddressState::Free | AddressState::Cooling);
        let held = addresses.iter().any(|held| held.address == lost && claimed(held.state));
        (!held).then_some(())
    })
    .await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(examined.doctor(&[]).await, clean());
}

/// A socket on which every request gets this answer.
fn liar(dir: &Path, answer: &'static str) -> PathBuf {
    let path = dir.join(format!("liar-{}.sock", answer.len()));
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // A request without a body fits.
            let _ = stream.read(&mut [0; 4_096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    path
}
