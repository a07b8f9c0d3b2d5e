//! Servers and an agent as hosts, on which the commands of a page run: what systemd would do is done here.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use berth_tests::{Cluster, Node, binary};
use tokio::process::Command;

use crate::page::Block;

pub(crate) struct Hosts {
    pub(crate) cluster: Cluster,
    pub(crate) agent: Node,
    /// Where the commands run, and find what one left for the other.
    dir: tempfile::TempDir,
    /// Settings of all hosts.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Hosts {
    /// One server that runs, more that know no cluster yet, and an agent.
    pub(crate) async fn start(more: &[&str]) -> Self {
        let mut cluster = Cluster::start(1).await;
        let agent = cluster.agent("w1");
        agent.ready().await;
        // As its settings are once it has formed its cluster.
        cluster.nodes[0].forget_its_list();
        for name in more {
            let host = cluster.newcomer(name, "");
            cluster.nodes.push(host);
        }
        let dir = tempfile::tempdir().unwrap();
        symlink(binary(), dir.path().join("berth")).unwrap();
        let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
        Self { cluster, agent, dir, environment: BTreeMap::from([("PATH".to_owned(), path)]) }
    }

    pub(crate) fn host(&mut self, name: &str) -> &mut Node {
        let mut hosts = self.cluster.nodes.iter_mut().chain([&mut self.agent]);
        hosts.find(|host| host.name() == name).unwrap()
    }

    /// Runs all commands of a block, each of which must succeed; gives what they said.
    pub(crate) async fn run(&mut self, block: &Block) -> String {
        let mut said = String::new();
        for host in &block.hosts {
            for line in &block.commands {
                match line.as_str() {
                    "systemctl stop berth" => self.host(host).stop().await,
                    "systemctl start berth" => self.host(host).start(),
                    line => said += &self.shell(host, line).await,
                }
            }
        }
        said
    }

    async fn shell(&mut self, host: &str, line: &str) -> String {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(self.dir.path()).env_clear().envs(&self.environment);
        let node = self.host(host);
        shell
            .env("BERTH_NAME", node.name())
            .env("BERTH_DATA_DIR", &node.data_dir)
            .env("BERTH_CONFIG", node.dir().join("berth.toml"))
            .env("BERTH_API_SOCKET", node.dir().join("api.sock"));
        if !node.listen().is_empty() {
            shell.env("BERTH_LISTEN", node.listen());
        }
        let output = shell.output().await.unwrap();
        assert!(output.status.success(), "{line} on {host}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}
