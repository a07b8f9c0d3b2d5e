//! A host: a container with an engine of its own, and Berth as its managed plugin.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use berth_node::api::types::{Address, AddressState, Pool, Status};
use berth_tests::{RawConnection, binary, eventually_within};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::process::Command;

use crate::docker::{outer, run};
use crate::swarm::SWARM_PATIENCE;

/// The driver, with its tag: an engine knows it by no other name.
pub(crate) const DRIVER: &str = "berth:latest";

/// What an engine says at every container's start.
const NOISE: &[&str] =
    &["kernel parameter", "loading plugin", "signal loop", "external servers", "br0"];

/// What an engine needs in a container. `--privileged` asks for more than some machines have.
const CAPABILITIES: &[&str] = &[
    "SYS_ADMIN",
    "NET_ADMIN",
    "NET_RAW",
    "SYS_PTRACE",
    "SYS_MODULE",
    "SYS_CHROOT",
    "MKNOD",
    "SETFCAP",
    "AUDIT_WRITE",
    "DAC_READ_SEARCH",
    "LINUX_IMMUTABLE",
    "IPC_LOCK",
    "SYS_NICE",
    "SYS_TIME",
    "SYSLOG",
    "MAC_ADMIN",
    "NET_BROADCAST",
];

/// The host's first process keeps its engine running, as a service manager does.
const INIT: &str = "\
mount -t tmpfs tmpfs /run; mount -o remount,rw /proc/sys; mount -o remount,rw /sys
while :; do
    rm -f /run/docker.pid /run/docker/containerd/containerd.pid
    dockerd --host unix:///shared/docker.sock --host unix:///var/run/docker.sock \
        --insecure-registry 198.18.0.0/16
    sleep 1
done";

/// A host. What it shares with the test lies in its directory: both sockets, and Berth's data.
pub(crate) struct Host {
    /// Its name, in the Swarm and in Berth's cluster.
    pub(crate) name: String,
    /// Where the others reach it.
    pub(crate) address: IpAddr,
    container: String,
    dir: PathBuf,
}

impl Host {
    /// Starts a host on a network of the outer engine.
    pub(crate) async fn start(network: &str, name: &str, address: IpAddr, parent: &Path) -> Self {
        let dir = parent.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let container = format!("{network}-{name}");
        let shared = format!("{}:/shared", dir.display());
        let ip = address.to_string();
        let mut arguments = vec!["run", "--detach", "--name", &container, "--hostname", name];
        arguments.extend(["--network", network, "--ip", &ip, "--volume", &shared]);
        arguments.extend(["--volume", "/var/lib/docker"]);
        arguments.extend(["--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]);
        arguments.extend(["--security-opt", "seccomp=unconfined"]);
        arguments.extend(["--security-opt", "apparmor=unconfined"]);
        arguments.extend(CAPABILITIES.iter().flat_map(|capability| ["--cap-add", capability]));
        let image = std::env::var("BERTH_HOST_IMAGE");
        let image = image.unwrap_or_else(|_| "berth-host:bookworm".to_owned());
        arguments.extend([&image, "sh", "-c", INIT]);
        outer(&arguments).await;
        let host = Self { name: name.to_owned(), address, container, dir };
        host.answers().await;
        host
    }

    /// Waits until its engine answers.
    pub(crate) async fn answers(&self) {
        let what = format!("the engine of {} answers", self.name);
        eventually_within(SWARM_PATIENCE, &what, async || self.try_docker(&["version"]).await.ok())
            .await;
    }

    /// Installs the plugin, with these settings, and enables it.
    pub(crate) async fn install(&self, plugin: &Path, settings: &[&str]) {
        self.docker(&["plugin", "create", DRIVER, &plugin.display().to_string()]).await;
        let mounts = ["data.source=/shared", "engine.source=/run"];
        self.docker(&[&["plugin", "set", DRIVER], &mounts[..], settings].concat()).await;
        self.docker(&["plugin", "enable", DRIVER]).await;
    }

    /// What a command of its engine says, or its error.
    pub(crate) async fn try_docker(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("docker");
        let socket = self.dir.join("docker.sock");
        command.arg("--host").arg(format!("unix://{}", socket.display())).args(arguments);
        run(command).await
    }

    /// The same for one that must succeed.
    pub(crate) async fn docker(&self, arguments: &[&str]) -> String {
        let said = self.try_docker(arguments).await;
        said.unwrap_or_else(|error| panic!("docker {arguments:?} on {}: {error}", self.name))
    }

    /// What `docker inspect` or the like shows of several things; nothing of none.
    pub(crate) async fn inspect(&self, what: &[&str], ids: &[&str]) -> Option<Vec<Value>> {
        if ids.is_empty() {
            return Some(Vec::new());
        }
        let shown = self.try_docker(&[what, ids].concat()).await.ok()?;
        Some(serde_json::from_str(&shown).unwrap())
    }

    /// What a command of Berth says, as JSON, if this node answers.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, arguments: &[&str]) -> Option<T> {
        let mut command = Command::new(binary());
        command.args(arguments).args(["--output", "json", "--api-socket"]);
        command.arg(self.dir.join("berth/api.sock")).env_clear();
        let said = run(command).await.ok()?;
        Some(serde_json::from_str(&said).unwrap())
    }

    /// Runs a command of Berth that must succeed.
    pub(crate) async fn berth(&self, arguments: &[&str]) {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--api-socket").arg(self.dir.join("berth/api.sock"));
        let said = run(command).await;
        said.unwrap_or_else(|error| panic!("berth {arguments:?} on {}: {error}", self.name));
    }

    /// Waits until its node can serve the cluster's spaces.
    pub(crate) async fn ready(&self) {
        let what = format!("Berth on {} is ready", self.name);
        // Its engine has to come up first, and to start its plugins.
        eventually_within(SWARM_PATIENCE, &what, async || self.ask::<Status>(&["status"]).await)
            .await;
    }

    /// The addresses that Berth holds in a space, and the doubtful ones, as this node has them.
    pub(crate) async fn held(&self, space: &str) -> Option<(BTreeSet<IpAddr>, Vec<Address>)> {
        let all: Vec<Address> = self.ask(&["address", "ls"]).await?;
        let here = all.into_iter().filter(|address| address.space == space);
        let (held, rest): (Vec<_>, Vec<_>) =
            here.partition(|address| address.state == AddressState::Held);
        let doubtful = |address: &Address| {
            matches!(address.state, AddressState::Stale | AddressState::Suspect)
        };
        let held = held.into_iter().map(|address| address.address).collect();
        Some((held, rest.into_iter().filter(doubtful).collect()))
    }

    /// Those of these addresses that do not answer a container here.
    pub(crate) async fn silent(
        &self,
        container: &str,
        addresses: &BTreeSet<IpAddr>,
    ) -> Option<BTreeSet<IpAddr>> {
        let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let ping = "for a; do ping -c1 -W2 $a >/dev/null || echo $a; done";
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        let all = [&["exec", container, "sh", "-c", ping, "sh"], &list[..]].concat();
        let silent = self.try_docker(&all).await.ok()?;
        Some(silent.split_whitespace().map(|address| address.parse().unwrap()).collect())
    }

    /// All pools that Berth holds here.
    pub(crate) async fn pools(&self) -> Option<Vec<Pool>> {
        self.ask(&["pool", "ls"]).await
    }

    /// What `berth doctor` finds here, of the engine inside.
    pub(crate) async fn doctor(&self, further: &[&str]) -> Vec<Value> {
        let mut command = Command::new(binary());
        command.args(["doctor", "--output=json", "--docker-socket"]);
        command.arg(self.dir.join("docker.sock")).args(further);
        command.arg("--api-socket").arg(self.dir.join("berth/api.sock")).env_clear();
        let said = command.output().await.unwrap();
        let text = String::from_utf8_lossy(&said.stderr);
        serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{}: {text}", self.name))
    }

    /// A file of this test, to be read by the engine's client.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// A call of its plugin, as its engine makes it; what it is answered.
    pub(crate) async fn call(&self, method: &str, body: &Value) -> (u16, Value) {
        let format = "{{.State.Pid}}";
        let pid = outer(&["inspect", "--format", format, &self.container]).await;
        let id = self.docker(&["plugin", "inspect", "--format", "{{.Id}}", DRIVER]).await;
        let plugins = format!("/proc/{}/root/run/docker/plugins/{}", pid.trim(), id.trim());
        // A socket's path has at most 108 characters.
        let short = tempfile::tempdir().unwrap();
        let link = short.path().join("plugin");
        std::os::unix::fs::symlink(plugins, &link).unwrap();
        let mut connection = RawConnection::open(&link.join("berth.sock")).await.unwrap();
        connection.call(method, body.to_string().as_bytes()).await.unwrap()
    }

    /// Runs a shell command on the host.
    pub(crate) async fn shell(&self, script: &str) -> String {
        outer(&["exec", &self.container, "sh", "-c", script]).await
    }

    /// Ends the host as a power failure does.
    pub(crate) async fn kill(&self) {
        outer(&["kill", &self.container]).await;
    }

    /// Starts it again.
    pub(crate) async fn boot(&self) {
        outer(&["start", &self.container]).await;
        self.answers().await;
    }

    /// Stops the clock for its engine and for Berth. Its containers go on.
    pub(crate) async fn pause(&self) {
        self.shell("kill -STOP $(pidof berth)").await;
        outer(&["pause", &self.container]).await;
    }

    /// Lets them go on.
    pub(crate) async fn unpause(&self) {
        outer(&["unpause", &self.container]).await;
        self.shell("kill -CONT $(pidof berth)").await;
    }

    /// The last words of its engine, Berth's among them.
    pub(crate) fn last_words(&self, lines: usize) -> String {
        let logs = ["logs", &self.container];
        let output = std::process::Command::new("docker").args(logs).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let telling = said.lines().filter(|line| !NOISE.iter().any(|noise| line.contains(noise)));
        let telling: Vec<&str> = telling.collect();
        telling[telling.len().saturating_sub(lines)..].join("\n")
    }

    /// Removes the host and all that is in it.
    pub(crate) fn remove(&self) {
        let remove = ["rm", "--force", "--volumes", &self.container];
        // Whatever of it is gone already need not be removed.
        let _ = std::process::Command::new("docker").args(remove).output();
    }
}
