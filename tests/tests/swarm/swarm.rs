//! Three managers of one Swarm, each a member of one Berth.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use berth_tests::{GLOBAL, eventually_within};
use tempfile::TempDir;

use crate::docker::outer;
use crate::host::{DRIVER, Host};

/// How long a Swarm may take: to find a manager dead, to start its tasks elsewhere.
pub(crate) const SWARM_PATIENCE: Duration = Duration::from_secs(150);
/// The hosts' own networks, `198.18.N.0/24`, one for each test that may run beside others. Neither
/// Docker's default ranges nor Berth's hold them.
pub(crate) const NETWORKS: &str = "198.18";
/// Of tests of whole Swarms.
pub(crate) const OF_SWARMS: u8 = 77;
/// Of the plugin's.
pub(crate) const OF_PLUGIN: u8 = 78;
/// Where Swarm's own allocator takes the ingress network from: apart from Berth's ranges.
const INGRESS: &str = "10.200.0.0/16";
pub(crate) const PORT: u16 = 7100;
/// Lines of each engine's log that are shown when a test fails.
const LAST_WORDS: usize = 60;

/// The Swarm. Everything it consists of is removed when it is dropped.
pub(crate) struct Swarm {
    pub(crate) hosts: Vec<Host>,
    /// Its space in Berth.
    pub(crate) space: String,
    /// What its hosts stand on, unless another Swarm has it.
    ground: Option<Ground>,
}

/// The network that joins hosts, and where their files are.
struct Ground {
    network: String,
    dir: TempDir,
}

impl Swarm {
    /// Three managers that can serve.
    pub(crate) async fn start() -> Self {
        let mut swarm = Self::hosts(3, OF_SWARMS).await;
        swarm.install().await;
        swarm.join("manager").await;
        swarm
    }

    /// Hosts with engines, and nothing else, on a network of this number.
    pub(crate) async fn hosts(count: u8, network_number: u8) -> Self {
        let dir = tempfile::Builder::new().prefix("berth-swarm-").tempdir().unwrap();
        let network = format!("berth-swarm-{network_number}-{}", std::process::id());
        let subnet = format!("{NETWORKS}.{network_number}.0/24");
        outer(&["network", "create", "--subnet", &subnet, &network]).await;
        let mut hosts = Vec::new();
        for number in 1..=count {
            let address = IpAddr::V4(Ipv4Addr::new(198, 18, network_number, 10 + number));
            let host = Host::start(&network, &format!("h{number}"), address, dir.path()).await;
            hosts.push(host);
        }
        let swarm = Self { hosts, space: GLOBAL.into(), ground: Some(Ground { network, dir }) };
        let dir = swarm.ground.iter().map(|ground| ground.dir.path()).next().unwrap();
        let images = dir.join("images.tar").display().to_string();
        outer(&["save", "--output", &images, "busybox"]).await;
        for host in &swarm.hosts {
            host.docker(&["load", "--input", &images]).await;
        }
        swarm
    }

    /// The directory that `make plugin` left.
    pub(crate) fn plugin() -> PathBuf {
        let named = std::env::var_os("BERTH_PLUGIN").map(PathBuf::from);
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let plugin = named.unwrap_or_else(|| root.parent().unwrap().join(".plugin"));
        assert!(
            plugin.join("config.json").exists(),
            "{} is not there: make plugin",
            plugin.display()
        );
        plugin
    }

    /// Has the hosts from this one on form a Swarm of their own, while this one lives.
    pub(crate) fn split_off(&mut self, first: usize) -> Self {
        Self { hosts: self.hosts.split_off(first), space: self.space.clone(), ground: None }
    }

    async fn install(&mut self) {
        let members: Vec<String> = self
            .hosts
            .iter()
            .map(|host| format!("{}={}:{PORT}", host.name, host.address))
            .collect();
        let members = format!("BERTH_INITIAL_CLUSTER={}", members.join(","));
        let plugin = Self::plugin();
        for host in &self.hosts {
            host.shell("umask 077 && echo 'a secret of three hosts' >/shared/secret").await;
            let listen = format!("BERTH_LISTEN={}:{PORT}", host.address);
            let name = format!("BERTH_NAME={}", host.name);
            let settings = [
                &members,
                &listen,
                &name,
                "BERTH_INSECURE=true",
                "BERTH_BOOTSTRAP_SECRET_FILE=/var/lib/secret",
            ];
            host.install(&plugin, &settings).await;
        }
        for host in &self.hosts {
            host.ready().await;
        }
    }

    /// The first host begins the Swarm, the others join it as managers or workers.
    pub(crate) async fn join(&mut self, role: &str) {
        let first = &self.hosts[0];
        let advertised = first.address.to_string();
        let init = ["swarm", "init", "--advertise-addr", &advertised];
        first.docker(&[&init, &["--default-addr-pool", INGRESS][..]].concat()).await;
        let token = first.docker(&["swarm", "join-token", "--quiet", role]).await;
        for host in &self.hosts[1..] {
            let own = host.address.to_string();
            let join = ["swarm", "join", "--advertise-addr", &own, "--token", &token];
            host.docker(&[&join[..], &[&format!("{advertised}:2377")]].concat()).await;
        }
    }

    /// The number of the manager that leads, in the eyes of one that has not the given number.
    pub(crate) async fn leader(&self, but: Option<usize>) -> usize {
        eventually_within(SWARM_PATIENCE, "a manager leads", async || {
            let asked = self.hosts.iter().enumerate().find(|(number, _)| Some(*number) != but)?.1;
            let format = "{{.Hostname}} {{.ManagerStatus}} {{.Status}}";
            let nodes = asked.try_docker(&["node", "ls", "--format", format]).await.ok()?;
            let leader = nodes.lines().find(|line| line.contains(" Leader "))?;
            let name = leader.split(' ').next()?;
            let number = self.hosts.iter().position(|host| host.name == name)?;
            (Some(number) != but).then_some(number)
        })
        .await
    }

    /// Makes an overlay network with addresses from Berth.
    pub(crate) async fn network(&self, manager: usize, name: &str, arguments: &[&str]) {
        let create = ["network", "create", "--driver", "overlay", "--attachable"];
        let driver = ["--ipam-driver", DRIVER];
        let manager = &self.hosts[manager];
        manager.docker(&[&create[..], &driver, arguments, &[name]].concat()).await;
    }

    /// Makes a service of tasks that wait.
    pub(crate) async fn service(&self, manager: usize, name: &str, network: &str, tasks: usize) {
        let replicas = tasks.to_string();
        let create = ["service", "create", "--detach", "--no-resolve-image", "--name", name];
        // Nobody waits for a shell that ignores signals.
        let stop = ["--stop-signal", "KILL", "--replicas", &replicas, "--network", network];
        let command = ["busybox", "sleep", "infinity"];
        self.hosts[manager].docker(&[&create[..], &stop, &command].concat()).await;
    }

    /// Has a service run this many tasks.
    pub(crate) async fn scale(&self, manager: usize, name: &str, tasks: usize) {
        self.hosts[manager]
            .docker(&["service", "scale", "--detach", &format!("{name}={tasks}")])
            .await;
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for host in &self.hosts {
                eprintln!("last words of {}:\n{}", host.name, host.last_words(LAST_WORDS));
            }
        }
        for host in &self.hosts {
            host.remove();
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let remove = "docker rm --force --volumes $(docker ps --all --quiet --filter network=$0)
            docker network rm $0";
        let mut shell = std::process::Command::new("sh");
        let _ = shell.args(["-c", remove, &self.network]).output();
    }
}
