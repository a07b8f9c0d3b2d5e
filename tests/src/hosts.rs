//! Servers and an agent as hosts, on which the commands of a page run: what systemd would do is done here.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Output;

use tokio::process::Command;

use crate::page::Block;
use crate::{Cluster, Node, binary};

/// Servers, an agent, and a directory in which commands run and find what one left for the other.
pub struct Hosts {
    /// The servers.
    pub cluster: Cluster,
    /// The agent, `w1`.
    pub agent: Node,
    /// Settings of all hosts.
    pub environment: BTreeMap<String, String>,
    dir: tempfile::TempDir,
}

impl Hosts {
    /// Hosts of a cluster and an agent that serves.
    pub async fn of(cluster: Cluster) -> Self {
        let agent = cluster.agent("w1");
        agent.ready().await;
        let dir = tempfile::tempdir().unwrap();
        symlink(binary(), dir.path().join("berth")).unwrap();
        let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
        Self { cluster, agent, environment: BTreeMap::from([("PATH".to_owned(), path)]), dir }
    }

    /// The host of a name.
    pub fn host(&self, name: &str) -> &Node {
        let mut hosts = self.cluster.nodes.iter().chain([&self.agent]);
        hosts.find(|host| host.name() == name).unwrap()
    }

    /// The same, to be started and stopped.
    pub fn host_mut(&mut self, name: &str) -> &mut Node {
        let mut hosts = self.cluster.nodes.iter_mut().chain([&mut self.agent]);
        hosts.find(|host| host.name() == name).unwrap()
    }

    /// A file that a command left.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command line on a host.
    pub async fn shell(&self, host: &str, line: &str) -> Output {
        let node = self.host(host);
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(self.dir.path()).env_clear().envs(&self.environment);
        shell
            .env("BERTH_NAME", node.name())
            .env("BERTH_DATA_DIR", &node.data_dir)
            .env("BERTH_CONFIG", node.dir().join("berth.toml"))
            .env("BERTH_API_SOCKET", node.dir().join("api.sock"));
        if !node.listen().is_empty() {
            shell.env("BERTH_LISTEN", node.listen());
        }
        shell.output().await.unwrap()
    }

    /// Runs all commands of a block, each of which must succeed; gives what they said.
    pub async fn run(&mut self, block: &Block) -> String {
        let mut said = String::new();
        for host in &block.hosts {
            for line in &block.commands {
                match line.as_str() {
                    "systemctl stop berth" | "systemctl stop berth-agent" => {
                        self.host_mut(host).stop().await;
                    }
                    "systemctl start berth" | "systemctl start berth-agent" => {
                        self.host_mut(host).start();
                    }
                    // The tests' own engines.
                    "systemctl restart docker" => {}
                    line => {
                        let output = self.shell(host, line).await;
                        assert!(output.status.success(), "{line} on {host}: {output:?}");
                        said += &String::from_utf8(output.stdout).unwrap();
                    }
                }
            }
        }
        said
    }
}
