//! File descriptors: a process takes as many as it may have, and tells of few.

use std::fs;
use std::process::Stdio;

use berth_tests::{Cluster, eventually};
use tokio::process::{Child, Command};

/// Starts a node under limits of its own.
fn start(cluster: &Cluster, soft: u64, hard: u64) -> Child {
    let node = &cluster.nodes[0];
    let server = node.server();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("ulimit -Sn {soft}; ulimit -Hn {hard}; exec \"$0\" \"$@\"")])
        .arg(server.as_std().get_program())
        .args(server.as_std().get_args())
        .env_clear()
        .stderr(fs::File::create(node.dir().join("berth.log")).unwrap())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    shell.spawn().unwrap()
}

/// Its soft and its hard limit.
fn limits(process: &Child) -> Option<(u64, u64)> {
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.id()?)).ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_is_raised_and_a_low_one_told() {
    for (soft, hard, told) in [(256, 4_000, true), (1_024, 20_000, false)] {
        let cluster = Cluster::new(1);
        let process = start(&cluster, soft, hard);
        cluster.ready().await;
        eventually("the limit is raised", async || {
            (limits(&process) == Some((hard, hard))).then_some(())
        })
        .await;
        assert_eq!(cluster.nodes[0].log().contains("few file descriptors"), told);
    }
}
