//! `berth doctor` finds what is lost and what is missing, on a real engine, and frees nothing else.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;

use berth_tests::{Cluster, LOCAL, eventually};
use ipamapi::PoolId;
use serde_json::Value;

use crate::daemon::Engine;

/// Exit code and findings, by kind and what they are about.
pub(crate) type Found = (Option<i32>, BTreeSet<(String, String)>);

/// What the doctor finds, of this engine or of whatever answers on its socket.
pub(crate) async fn doctor(
    cluster: &Cluster,
    engine: &Engine,
    socket: &Path,
    further: &[&str],
) -> Found {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_finds_what_is_lost_and_frees_nothing_else() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root may start an engine");
        return;
    }
    let cluster = Cluster::start(3).await;
    let mut engine = Engine::start(&cluster.nodes[0].plugin_socket).await;
    let driver = engine.driver().to_owned();
    let create =
        ["network", "create", "--ipam-driver", &driver, "--subnet=10.77.0.0/24", "examined"];
    engine.docker(&create).await;
    let run = ["run", "--detach", "--restart=always", "--stop-signal=KILL", "--name=one"];
    engine.docker(&[&run, &["--network=examined", "busybox", "sleep", "1d"][..]].concat()).await;
    let socket = engine.socket();
    let clean = (Some(0), BTreeSet::new());
    assert_eq!(doctor(&cluster, &engine, &socket, &[]).await, clean);

    // What an engine holds in memory only is shown, and left.
    let pool = PoolId::new(format!("{LOCAL}/10.77.0.0/24")).unwrap();
    let caller = cluster.nodes[0].engine();
    let lost = caller.address(&pool).await.unwrap();
    let about = format!("{lost} in {pool}");
    let unseen = (Some(1), BTreeSet::from([found("unseen", &about)]));
    assert_eq!(doctor(&cluster, &engine, &socket, &["--fix"]).await, unseen);

    // Once the engine has begun anew without it, it is a leak.
    engine.kill().await;
    engine.begin().await;
    eventually("the container is back", async || {
        (engine.containers().await.len() == 1).then_some(())
    })
    .await;
    let leak = (Some(1), BTreeSet::from([found("leak", &about)]));
    assert_eq!(doctor(&cluster, &engine, &socket, &[]).await, leak);

    // An engine that does not tell proves nothing, and one that errs neither.
    for (answer, told) in [("", false), ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", false)] {
        let liar = liar(engine.dir(), answer);
        let usual = ["doctor", "--fix", "--docker-socket", liar.to_str().unwrap()];
        let said = cluster.nodes[0].run(&usual).await;
        assert_eq!(said.status.success(), told);
        let text = String::from_utf8_lossy(&said.stderr);
        assert!(text.contains("BERTH-0113"), "{text}");
    }
    let gone = cluster.nodes[0].run(&["doctor", "--fix", "--docker-socket=/nowhere"]).await;
    let text = String::from_utf8_lossy(&gone.stderr);
    assert!(text.contains("BERTH-0113") && text.contains("--docker-socket"), "{text}");
    assert_eq!(doctor(&cluster, &engine, &socket, &[]).await, leak, "nothing was freed");

    let (code, fixed) = doctor(&cluster, &engine, &socket, &["--fix"]).await;
    assert_eq!((code, &fixed), (Some(0), &leak.1));
    assert_eq!(doctor(&cluster, &engine, &socket, &[]).await, clean);

    // A release behind the engine's back: what is used is not held any more.
    let containers = engine.containers().await;
    let address = containers[0]["NetworkSettings"]["Networks"]["examined"]["IPAddress"].clone();
    let address = address.as_str().unwrap().to_owned();
    caller.release(&pool, address.parse().unwrap()).await.unwrap();
    let missing = found("missing", &format!("{address} in {LOCAL}"));
    let missing = (Some(1), BTreeSet::from([missing]));
    assert_eq!(doctor(&cluster, &engine, &socket, &["--fix"]).await, missing);
    engine.docker(&["restart", "--time=0", "one"]).await;
    assert_eq!(doctor(&cluster, &engine, &socket, &[]).await, clean);

    // Removed while its node is down: the release never arrives, the next session shows it.
    engine.docker(&["rm", "--force", "one"]).await;
    cluster.nodes[0].signal(rustix::process::Signal::STOP);
    let removed = engine.try_docker(&["network", "rm", "examined"]);
    let removed = tokio::time::timeout(std::time::Duration::from_secs(2), removed).await;
    println!("with the node stopped: {removed:?}");
    engine.kill().await;
    cluster.nodes[0].signal(rustix::process::Signal::CONT);
    engine.begin().await;
    let _ = engine.try_docker(&["network", "rm", "examined"]).await;
    let (_, after) = doctor(&cluster, &engine, &socket, &["--fix"]).await;
    println!("after a removal that nobody heard: {after:?}");
    assert_eq!(doctor(&cluster, &engine, &socket, &[]).await, clean);
    assert_eq!(cluster.nodes[0].pools().await, []);
}

/// A socket on which every request gets this answer.
fn liar(dir: &Path, answer: &'static str) -> std::path::PathBuf {
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
