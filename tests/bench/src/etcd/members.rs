//! Three members on this host, each with its data in a directory of its own.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use berth_tests::free_ports;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::kv::Kv;

const MEMBERS: usize = 3;
/// How long they may take to have a leader.
const PATIENCE: Duration = Duration::from_secs(30);

/// Members; those that it started run until this is dropped.
pub(crate) struct Members {
    pub(crate) endpoints: Vec<String>,
    _started: Option<(Vec<Child>, TempDir)>,
}

impl Members {
    /// Starts them. They keep to their defaults, but for room and where they listen.
    pub(crate) async fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("etcd-").tempdir()?;
        let ports = free_ports(2 * MEMBERS);
        let url = |port: &u16| format!("http://127.0.0.1:{port}");
        let endpoints: Vec<String> = ports[..MEMBERS].iter().map(url).collect();
        let peers: Vec<String> = ports[MEMBERS..].iter().map(url).collect();
        let list = peers.iter().enumerate().map(|(number, url)| format!("m{number}={url}"));
        let list = list.collect::<Vec<_>>().join(",");
        let mut processes = Vec::new();
        for (number, (endpoint, peer)) in endpoints.iter().zip(&peers).enumerate() {
            let mut member = Command::new("etcd");
            member
                .args(["--name", &format!("m{number}"), "--initial-cluster", &list])
                .args(["--listen-client-urls", endpoint, "--advertise-client-urls", endpoint])
                .args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer])
                .args(["--quota-backend-bytes", "8589934592", "--log-level", "error"])
                .arg("--data-dir")
                .arg(dir.path().join(format!("m{number}")))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true);
            processes.push(member.spawn().context("cannot start etcd: scripts/setup bench")?);
        }
        let members = Self { endpoints, _started: Some((processes, dir)) };
        let began = Instant::now();
        while let Err(error) = members.leader().await {
            if began.elapsed() > PATIENCE {
                return Err(error.context("etcd did not start"));
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(members)
    }

    /// Members that somebody else started.
    pub(crate) fn at(endpoints: Vec<String>) -> Self {
        Self { endpoints, _started: None }
    }

    /// Where the member that leads is asked.
    pub(crate) async fn leader(&self) -> Result<String> {
        for endpoint in &self.endpoints {
            if Kv::connect(endpoint).await?.leads().await? {
                return Ok(endpoint.clone());
            }
        }
        bail!("no member says that it leads")
    }
}
