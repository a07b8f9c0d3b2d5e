//! A service manager's end of `NOTIFY_SOCKET`.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use berth_tests::{Node, eventually};

/// Bytes of a datagram; what is told is a few lines.
const DATAGRAM_BYTES_MAX: usize = 4096;

/// Hears what processes tell.
pub(crate) struct Manager {
    socket: UnixDatagram,
    path: String,
    heard: Vec<String>,
}

impl Manager {
    pub(crate) fn new(dir: &Path) -> Self {
        let path = dir.join("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, path: path.display().to_string(), heard: Vec::new() }
    }

    /// Has a node tell this manager; a sign of life at least every so often.
    pub(crate) fn watch(&self, node: &mut Node, life: Option<Duration>) {
        let watchdog = life.map(|life| ("WATCHDOG_USEC".into(), life.as_micros().to_string()));
        node.environment = vec![("NOTIFY_SOCKET".into(), self.path.clone())];
        node.environment.extend(watchdog);
    }

    /// All lines heard so far.
    pub(crate) fn heard(&mut self) -> &mut Vec<String> {
        let mut datagram = [0; DATAGRAM_BYTES_MAX];
        while let Ok(bytes) = self.socket.recv(&mut datagram) {
            let text = String::from_utf8(datagram[..bytes].to_vec()).unwrap();
            self.heard.extend(text.lines().map(str::to_owned));
        }
        &mut self.heard
    }

    /// Waits for a line.
    pub(crate) async fn hears(&mut self, wanted: impl Fn(&str) -> bool, what: &str) {
        let heard = async || self.heard().iter().any(|line| wanted(line)).then_some(());
        eventually(what, heard).await;
    }
}
