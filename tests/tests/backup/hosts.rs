//! Three servers and an agent as hosts, on which commands of a page run: what systemd would do is done here.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Output;

use berth_tests::{Cluster, Node, binary};
use tokio::process::Command;

use crate::page::Block;

pub(crate) struct Hosts {
    pub(crate) cluster: Cluster,
    pub(crate) agent: Node,
    /// Where the commands run, and find what one left for the other.
    pub(crate) dir: tempfile::TempDir,
    /// Settings of all hosts.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Hosts {
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::start(3).await;
        let agent = cluster.agent("w1");
        agent.ready().await;
        let dir = tempfile::tempdir().unwrap();
        symlink(binary(), dir.path().join("berth")).unwrap();
        let members: Vec<String> =
            cluster.nodes.iter().map(|node| format!("{}={}", node.name(), node.listen())).collect();
        let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
        let environment = BTreeMap::from([
            ("BERTH_INITIAL_CLUSTER".to_owned(), members.join(",")),
            ("PATH".to_owned(), path),
        ]);
        Self { cluster, agent, dir, environment }
    }

    pub(crate) fn host(&self, name: &str) -> &Node {
        let mut hosts = self.cluster.nodes.iter().chain([&self.agent]);
        hosts.find(|host| host.name() == name).unwrap()
    }

    fn host_mut(&mut self, name: &str) -> &mut Node {
        let mut hosts = self.cluster.nodes.iter_mut().chain([&mut self.agent]);
        hosts.find(|host| host.name() == name).unwrap()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command line on a host.
    pub(crate) async fn shell(&self, host: &str, line: &str) -> Output {
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
    pub(crate) async fn run(&mut self, block: &Block) -> String {
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
