//! Which engine process is at the other end of the plugin socket (rule 1).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ipamapi::Peer;
use serde::{Deserialize, Serialize};

/// One run of an engine's process, or of whatever else speaks to the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Engine {
    /// The kernel's random name for this boot: pids and start times begin anew with each.
    boot: String,
    pid: u32,
    /// Clock ticks since boot at which the process began.
    started: u64,
}

impl Engine {
    /// The process of a peer; `None` where it cannot be told (another pid namespace, or it ended).
    pub(super) fn of(peer: Option<Peer>) -> Option<Self> {
        let pid = peer?.pid?;
        Some(Self { boot: boot()?, pid, started: started(pid)? })
    }

    /// An example, for the encoding.
    #[cfg(test)]
    pub(super) fn golden() -> Self {
        Self { boot: "6a1e".into(), pid: 4_242, started: 70_000 }
    }

    /// Whether the process still runs.
    pub(super) fn lives(&self) -> bool {
        boot().as_deref() == Some(&self.boot) && started(self.pid) == Some(self.started)
    }
}

/// A directory, as the kernel knows it: a copy of it is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    device: u64,
    inode: u64,
}

impl Place {
    /// The directory in which a file is.
    pub fn of(path: &Path) -> Option<Self> {
        let directory = fs::metadata(path.parent()?).ok()?;
        Some(Self { device: directory.dev(), inode: directory.ino() })
    }
}

/// The kernel's random name for this boot.
pub fn boot() -> Option<String> {
    #[cfg(feature = "sim")]
    if let Some(machine) = berth_replication::sim::current() {
        return Some(machine.boot());
    }
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// Field 22 of `/proc/PID/stat` (proc(5)). Field 2, the command, may hold anything, so fields are
/// counted from its closing parenthesis.
fn started(pid: u32) -> Option<u64> {
    #[cfg(feature = "sim")]
    if let Some(machine) = berth_replication::sim::current() {
        return machine.started(pid);
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_command) = stat.rsplit_once(')')?;
    let mut fields = after_command.split_whitespace();
    let zombie = fields.next()? == "Z";
    fields.nth(18)?.parse().ok().filter(|_| !zombie)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_its_successor() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let peer = Peer { pid: Some(child.id()), uid: 0, gid: 0 };
        let engine = Engine::of(Some(peer)).unwrap();
        assert!(engine.lives());
        assert_eq!(Engine::of(Some(peer)), Some(engine.clone()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!engine.lives());
        assert_eq!(Engine::of(Some(peer)), None);
        assert_eq!(Engine::of(None), None);
    }
}
