//! One node: its directory, its process, and its commands.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use berth_node::api::types::{Address, Fingerprint, Pool, Status};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::{Engine, PATIENCE, RawConnection, eventually};

/// What all clusters of a test know: they speak TLS, and tell each other apart by their names.
const SECRET: &str = "a secret of all clusters under test";

/// The binary under test.
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("BERTH_BIN") {
        return named.into();
    }
    // Tests lie in `deps`, below the package's binaries.
    let test = std::env::current_exe().unwrap();
    let beside = test.ancestors().nth(2).unwrap().join("berth-under-test");
    assert!(beside.exists(), "{} was not built; or name another with BERTH_BIN", beside.display());
    beside
}

/// A node of a cluster. Its process is killed when this is dropped; its directory stays.
pub struct Node {
    name: String,
    dir: PathBuf,
    /// Where its data lies: in its directory, unless a test has put it elsewhere.
    pub data_dir: PathBuf,
    /// The socket for its engine, likewise.
    pub plugin_socket: PathBuf,
    role: Role,
    /// Further arguments of its process; a name among them replaces its own.
    pub further: Vec<String>,
    /// Another build than the one under test.
    pub binary: Option<PathBuf>,
    /// Variables of its process.
    pub environment: Vec<(String, String)>,
    process: Option<Child>,
}

/// What a process is in its cluster.
enum Role {
    /// A node, where it listens, and the list of all nodes.
    Member { listen: String, members: String },
    /// A node that joins, where it listens, and with which token.
    Newcomer { listen: String, token: String },
    /// A host without a replica, and the nodes that it knows.
    Agent { servers: String },
}

impl Node {
    /// A node that was not started yet. `members` is the cluster's list of `NAME=HOST:PORT`.
    pub fn new(parent: &Path, name: &str, listen: &str, members: &str) -> Self {
        let (listen, members) = (listen.to_owned(), members.to_owned());
        Self::of(parent, name, Role::Member { listen, members })
    }

    /// A node that was not started yet, and joins when it is.
    pub fn newcomer(parent: &Path, name: &str, listen: &str, token: &str) -> Self {
        let (listen, token) = (listen.to_owned(), token.to_owned());
        Self::of(parent, name, Role::Newcomer { listen, token })
    }

    /// From now on it is started with nothing but its name, its data and where it listens; what its data
    /// does not tell it does not know.
    pub fn forget_its_list(&mut self) {
        if let Role::Member { members: known, .. } | Role::Newcomer { token: known, .. } =
            &mut self.role
        {
            known.clear();
        }
    }

    /// An agent that was not started yet, in a directory of its own. `servers` is a list of
    /// `HOST:PORT`.
    pub fn agent(parent: &Path, name: &str, servers: &str) -> Self {
        Self::of(parent, name, Role::Agent { servers: servers.to_owned() })
    }

    fn of(parent: &Path, name: &str, role: Role) -> Self {
        let dir = parent.join(name);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("berth.toml"), "").unwrap();
        fs::write(dir.join("secret"), SECRET).unwrap();
        Self {
            name: name.to_owned(),
            data_dir: dir.join("data"),
            plugin_socket: dir.join("plugin.sock"),
            dir,
            role,
            further: Vec::new(),
            binary: None,
            environment: Vec::new(),
            process: None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens for the others; nothing for an agent.
    pub fn listen(&self) -> &str {
        match &self.role {
            Role::Member { listen, .. } | Role::Newcomer { listen, .. } => listen,
            Role::Agent { .. } => "",
        }
    }

    /// Where its sockets and its log are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `berth` with these arguments, free of the caller's own settings.
    pub fn berth(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.binary.clone().unwrap_or_else(binary));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.dir.join("berth.toml"))
            .arg("--api-socket")
            .arg(self.dir.join("api.sock"))
            .env_clear()
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// The command that is this node.
    pub fn server(&self) -> Command {
        let role = match &self.role {
            Role::Member { listen, members: list } | Role::Newcomer { listen, token: list }
                if list.is_empty() =>
            {
                vec!["server", "--listen", listen]
            }
            Role::Newcomer { listen, token } => {
                vec!["server", "--listen", listen, "--join", token]
            }
            Role::Member { listen, members } => {
                vec!["server", "--bootstrap", "--listen", listen, "--initial-cluster", members]
            }
            Role::Agent { servers } => vec!["agent", "--server", servers],
        };
        let mut command = self.berth(&role);
        if !self.further.iter().any(|argument| argument == "--name") {
            command.args(["--name", &self.name]);
        }
        // Whoever joins is told the secret.
        let told = matches!(self.role, Role::Newcomer { .. });
        if !told && !self.further.iter().any(|argument| argument == "--bootstrap-secret-file") {
            command.arg("--bootstrap-secret-file").arg(self.dir.join("secret"));
        }
        command
            .args(&self.further)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .arg("--data-dir")
            .arg(&self.data_dir)
            .arg("--plugin-socket")
            .arg(&self.plugin_socket);
        command
    }

    /// Starts its process, or starts it again.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        let process = self.server().stdout(Stdio::null()).stderr(log).spawn();
        self.process = Some(process.unwrap());
    }

    /// Whether it was started, and not seen to end.
    pub fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        let process = self.process.as_ref().expect("the node was started");
        process.id().expect("the node was not seen to end")
    }

    /// Ends it as a power failure does.
    pub async fn kill(&mut self) {
        self.process.take().expect("the node runs").kill().await.unwrap();
    }

    /// Ends it in good order.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.ended(PATIENCE).await;
        assert!(status.success(), "{} ended with {status}", self.name);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Whether it has ended by itself by now.
    pub fn has_ended(&mut self) -> bool {
        let ended = self.process.as_mut().is_some_and(|process| {
            process.try_wait().expect("a child can be waited for").is_some()
        });
        if ended {
            self.process = None;
        }
        ended
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self, patience: Duration) -> ExitStatus {
        let process = self.process.as_mut().expect("the node was started");
        let ended = timeout(patience, process.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("{} runs after {patience:?}", self.name));
        self.process = None;
        status.unwrap()
    }

    /// Waits until it can serve the cluster's spaces.
    pub async fn ready(&self) {
        let what = format!("{} is ready", self.name);
        eventually(&what, async || self.run(&["status"]).await.status.success().then_some(()))
            .await;
    }

    /// Its engine.
    pub fn engine(&self) -> Engine {
        Engine::new(&self.plugin_socket)
    }

    /// A connection to its plugin socket, for bytes of the test's own.
    pub async fn raw(&self) -> RawConnection {
        RawConnection::open(&self.plugin_socket).await.unwrap()
    }

    /// Runs one of its commands.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.berth(arguments).output().await.unwrap()
    }

    /// What one of its commands says, which must succeed.
    pub async fn ask<T: DeserializeOwned>(&self, arguments: &[&str]) -> T {
        let output = self.run(&[arguments, &["--output", "json"]].concat()).await;
        assert!(output.status.success(), "berth {arguments:?} on {}: {output:?}", self.name);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// `berth status`, if the node answers; whether or not it can serve.
    pub async fn status(&self) -> Option<Status> {
        let output = self.run(&["status", "--output", "json"]).await;
        serde_json::from_slice(&output.stdout).ok()
    }

    /// `berth status --fingerprint`
    pub async fn fingerprint(&self) -> Fingerprint {
        self.ask(&["status", "--fingerprint"]).await
    }

    /// What its API has at a path, if it answers.
    pub async fn api<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--unix-socket"]).arg(self.dir.join("api.sock"));
        let output = curl.arg(format!("http://berth{path}")).output().await.ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    /// `berth pool ls`
    pub async fn pools(&self) -> Vec<Pool> {
        self.ask(&["pool", "ls"]).await
    }

    /// `berth pool show`
    pub async fn pool(&self, id: &str) -> Pool {
        self.ask(&["pool", "show", id]).await
    }

    /// `berth address ls POOL`
    pub async fn addresses(&self, pool: &str) -> Vec<Address> {
        self.ask(&["address", "ls", pool]).await
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.join("berth.log")
    }
}
