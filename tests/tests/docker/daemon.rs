//! An engine of the test's own: its files, its socket and its network namespace are nobody else's,
//! so that it can be killed, and leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use berth_tests::{PATIENCE, eventually, is_root};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Runs a command in another root file system, which shares with this host what the tests share with
/// their engine.
const INSIDE: [&str; 6] = ["unshare", "--mount", "--propagation=slave", "sh", "-ec", INSIDE_SCRIPT];
const INSIDE_SCRIPT: &str = "
    mount --bind \"$0\" \"$0\"
    mkdir -p \"$0/etc/docker\"
    mount -t tmpfs run \"$0/run\"
    for shared in proc sys dev tmp etc/docker; do mount --rbind \"/$shared\" \"$0/$shared\"; done
    cd \"$0\"
    pivot_root . mnt
    umount --lazy /mnt
    exec \"$@\"";

/// Whether an engine can be started; a test returns if not.
#[track_caller]
pub(crate) fn may_start() -> bool {
    is_root("only root may start an engine")
}

/// The engine and the driver that it knows. Ends with everything it made when it is dropped.
pub(crate) struct Engine {
    name: String,
    dir: TempDir,
    daemon: Option<Child>,
}

impl Engine {
    /// A running engine that finds its IPAM driver at this plugin socket.
    pub(crate) async fn start(plugin_socket: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("berth-test-{}-{count}", std::process::id());
        let dir = tempfile::Builder::new().prefix("berth-docker-").tempdir().unwrap();
        let mut engine = Self { name, dir, daemon: None };
        succeed("ip", &["netns", "add", &engine.name]);
        fs::create_dir_all("/etc/docker/plugins").unwrap();
        fs::write(engine.spec(), format!("unix://{}\n", plugin_socket.display())).unwrap();
        engine.begin().await;
        let version = engine.docker(&["version", "--format", "{{.Server.Version}}"]).await;
        println!("engine {version}");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let script = root.join("scripts/base-image");
        let made = Command::new(script).arg("busybox").env("DOCKER_HOST", engine.host()).status();
        assert!(made.await.unwrap().success(), "there is no image to run");
        engine
    }

    /// The name of the IPAM driver.
    pub(crate) fn driver(&self) -> &str {
        &self.name
    }

    /// Starts the daemon, again if need be.
    pub(crate) async fn begin(&mut self) {
        // A killed daemon leaves these, and its successor would take any process for it.
        for pid_file in ["docker.pid", "exec/containerd/containerd.pid"] {
            let _ = fs::remove_file(self.dir.path().join(pid_file));
        }
        let log = fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let root = std::env::var("BERTH_TEST_ENGINE_ROOT").ok();
        let inside = root.map(|root| INSIDE.map(str::to_owned).into_iter().chain([root]));
        let inside: Option<Vec<String>> = inside.map(Iterator::collect);
        let daemon = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.name))
            .args(inside.iter().flatten())
            .args(["dockerd", "--host", &self.host()])
            .arg("--data-root")
            .arg(self.dir.path().join("data"))
            .arg("--exec-root")
            .arg(self.dir.path().join("exec"))
            .arg("--pidfile")
            .arg(self.dir.path().join("docker.pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.daemon = Some(daemon.unwrap());
        eventually("the engine answers", async || self.try_docker(&["version"]).await.ok()).await;
    }

    /// Ends the daemon in good order.
    pub(crate) async fn stop(&mut self) {
        let mut daemon = self.daemon.take().expect("the engine runs");
        let pid = i32::try_from(daemon.id().unwrap()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        timeout(PATIENCE, daemon.wait()).await.expect("the engine ends").unwrap();
    }

    /// Ends the daemon as a crash does; its containers go on.
    pub(crate) async fn kill(&mut self) {
        self.daemon.take().expect("the engine runs").kill().await.unwrap();
    }

    /// What a command of the engine's client says, or its error.
    pub(crate) async fn try_docker(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("docker").args(["--host", &self.host()]).args(arguments).output();
        let output = output.await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The same for one that must succeed.
    pub(crate) async fn docker(&self, arguments: &[&str]) -> String {
        let said = self.try_docker(arguments).await;
        said.unwrap_or_else(|error| panic!("docker {arguments:?}: {error}"))
    }

    /// What the engine knows of its running containers.
    pub(crate) async fn containers(&self) -> Vec<Value> {
        let ids = self.docker(&["ps", "--quiet"]).await;
        let ids: Vec<&str> = ids.lines().collect();
        if ids.is_empty() {
            return Vec::new();
        }
        let containers = self.docker(&[&["inspect"], ids.as_slice()].concat()).await;
        serde_json::from_str(&containers).unwrap()
    }

    /// The socket of its API.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// Its files.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn spec(&self) -> PathBuf {
        Path::new("/etc/docker/plugins").join(format!("{}.spec", self.name))
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("docker.log")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(20)..];
            eprintln!("last words of the engine:\n{}", last.join("\n"));
        }
        let ends = "docker --host \"$0\" ps --all --quiet | xargs -r docker --host \"$0\" rm -f; \
                    kill $(cat \"$1/docker.pid\"); \
                    for _ in $(seq 50); do [ -e \"$1/docker.pid\" ] || break; sleep 0.1; done; \
                    umount --lazy --recursive \"$1/data\"";
        // Whatever of it is gone already need not be ended.
        let _ = std::process::Command::new("sh")
            .args(["-c", ends, &self.host()])
            .arg(self.dir.path())
            .output();
        let _ = std::process::Command::new("ip").args(["netns", "del", &self.name]).output();
        let _ = fs::remove_file(self.spec());
    }
}

fn succeed(program: &str, arguments: &[&str]) {
    let output = std::process::Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}
