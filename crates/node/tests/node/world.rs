//! Nodes as processes, each with its own directory and ports.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::ports::free_ports;

/// How long a node may take for what it does at once.
const PATIENCE: Duration = Duration::from_mins(1);

/// A `berth` process's exit code and what it wrote.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) exit: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("berth writes UTF-8");
        Self { exit: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs `berth` with no environment but this.
pub(crate) fn berth(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    free_ports(1)[0]
}

/// A node, whose process ends with it.
pub(crate) struct Node {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    child: Option<Child>,
}

impl Node {
    /// A place for a node, not started yet.
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), port: free_port(), child: None }
    }

    /// A cluster of one, ready.
    pub(crate) fn ready() -> Self {
        let mut node = Self::new();
        node.start(&["--bootstrap"]);
        node.wait_until("it is ready", |node| node.ask(&["status"]).exit == Some(0));
        node
    }

    /// `berth server` for this node, with further arguments. A flag among them replaces the usual.
    pub(crate) fn server(&self, further: &[&str]) -> Command {
        let path = |name| self.path(name).to_str().unwrap().to_owned();
        let usual = [
            ("--name", "N1".to_owned()),
            ("--listen", format!("127.0.0.1:{}", self.port)),
            ("--data-dir", path("data")),
            ("--api-socket", path("api.sock")),
            ("--plugin-socket", path("plugin.sock")),
        ];
        let mut command = berth(&["server"]);
        for (flag, value) in usual.iter().filter(|(flag, _)| !further.contains(flag)) {
            command.args([flag, value.as_str()]);
        }
        command.args(further);
        command
    }

    /// Starts the process.
    pub(crate) fn start(&mut self, further: &[&str]) {
        let mut command = self.server(further);
        self.start_with(&mut command);
    }

    /// Starts the process by this command.
    pub(crate) fn start_with(&mut self, command: &mut Command) {
        let log = fs::File::create(self.path("log")).unwrap();
        self.child = Some(command.stderr(log).stdout(Stdio::null()).spawn().unwrap());
        let until = Instant::now() + PATIENCE;
        while UnixStream::connect(self.path("api.sock")).is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the node ended: {ended:?}; its log:\n{}", self.log());
            assert!(Instant::now() < until, "no API in time; the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs the server where it must refuse to start.
    pub(crate) fn refused(&self, further: &[&str]) -> Said {
        self.server(further).output().unwrap().into()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a command that asks this node.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Said {
        berth(arguments).env("BERTH_API_SOCKET", self.path("api.sock")).output().unwrap().into()
    }

    /// The same, which must succeed; what it wrote, as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let said = self.ask(&[arguments, &["--output", "json"]].concat());
        assert_eq!(said.exit, Some(0), "{arguments:?}: {}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }

    /// What an engine would say to the plugin socket, and the answer's body.
    pub(crate) fn call(&self, method: &str, body: &str) -> serde_json::Value {
        let request = format!("POST /IpamDriver.{method}");
        let (_, body) = http(&self.path("plugin.sock"), &request, body);
        serde_json::from_str(&body).unwrap()
    }

    /// A request to the API: status line and body.
    pub(crate) fn http(&self, request: &str) -> (String, String) {
        self.http_with(request, "")
    }

    /// The same, with a body.
    pub(crate) fn http_with(&self, request: &str, body: &str) -> (String, String) {
        http(&self.path("api.sock"), request, body)
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits for the process to end by itself; its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                return status.code();
            }
            assert!(Instant::now() < until, "the node did not end; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn wait_until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is(self) {
            assert!(Instant::now() < until, "not in time: {what}; its log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// One exchange on a Unix socket, byte for byte.
fn http(socket: &Path, request: &str, body: &str) -> (String, String) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: berth\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server may have refused it, and closed, before it has read it all.
    let _ = stream.write_all(body.as_bytes());
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => {}
    }
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}
