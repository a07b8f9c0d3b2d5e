//! The record of changes: who asked for what, and what came of it. Each is one line of the log, with
//! the target `audit`, on the host where it was asked.
//!
//! What others chose (names, notes, paths) stands in quoted fields, so that it cannot pass for a line
//! or a field of its own. *Invariant:* what was begun gets a line, also when whoever asked is gone.

mod change;
mod outcome;
mod pending;
mod requests;

use std::future::Future;
use std::sync::Arc;

use berth_allocator::{Role, TokenId};
use berth_replication::NodeName;
use ipamapi::Peer;
use tracing::Level;

pub(crate) use self::pending::Pending;
pub(crate) use self::requests::of_requests;

use self::change::Change;
use self::outcome::Outcome;

/// The log's target.
pub(crate) const TARGET: &str = "audit";

/// Bytes of a path or a reason that are recorded: either may hold what the asker sent.
const TEXT_BYTES_MAX: usize = 512;

/// Who asks for a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Asker {
    /// A user of the API's socket.
    User(Process),
    /// Whoever speaks on the plugin socket.
    Engine(Option<Peer>),
    /// A user elsewhere, by a token.
    Bearer(Bearer),
    /// Nobody knows: what is wrong with the token, if one was shown.
    Stranger(&'static str),
    /// An agent, by the name in its certificate, or the one that it claims where plaintext is spoken.
    Agent(NodeName),
    /// Another node of the cluster.
    Node,
    /// The doctor, about what the engine lost.
    Doctor,
    /// The doctor, about what the engine released: the end of a release.
    Observer,
    /// This process itself.
    #[default]
    Berth,
}

/// Whoever shows a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// The token.
    pub(crate) token: TokenId,
    /// What it allows.
    pub(crate) role: Role,
    /// Where the connection comes from.
    pub(crate) peer: Arc<str>,
}

/// A process on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Whose, as the kernel says.
    pub(crate) uid: u32,
    /// Which; nothing where it cannot be told, such as from another container.
    pid: Option<u32>,
    /// What it calls itself, which is its own choice.
    command: Option<String>,
}

impl Process {
    /// The process with these credentials.
    pub(crate) fn of(uid: u32, pid: Option<u32>) -> Self {
        let pid = pid.filter(|&pid| pid > 0);
        let command = pid.and_then(|pid| std::fs::read(format!("/proc/{pid}/comm")).ok());
        let command = command.map(|it| String::from_utf8_lossy(&it).trim_end().to_owned());
        Self { uid, pid, command }
    }
}

tokio::task_local! {
    static ASKER: Asker;
}

/// Works on behalf of somebody.
pub(crate) async fn on_behalf_of<T>(asker: Asker, work: impl Future<Output = T>) -> T {
    ASKER.scope(asker, work).await
}

/// On whose behalf this task works.
pub(crate) fn asker() -> Asker {
    ASKER.try_with(Asker::clone).unwrap_or_default()
}

/// Whether changes of this kind are on record: engines' routine is thousands a second.
fn is_kept(routine: bool) -> bool {
    if routine {
        tracing::enabled!(target: TARGET, Level::DEBUG)
    } else {
        tracing::enabled!(target: TARGET, Level::INFO)
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// Writes a line.
fn write(asker: &Asker, change: &Change, outcome: &Outcome) {
    let (mut process, mut agent, mut bearer) = (None, None, None);
    let who = match asker {
        Asker::User(it) => {
            process = Some(it.clone());
            "user"
        }
        Asker::Engine(peer) => {
            process = peer.map(|peer| Process::of(peer.uid, peer.pid));
            "engine"
        }
        Asker::Bearer(it) => {
            bearer = Some(it);
            "bearer"
        }
        Asker::Stranger(_) => "stranger",
        Asker::Agent(name) => {
            agent = Some(name.as_str());
            "agent"
        }
        Asker::Node => "node",
        Asker::Doctor | Asker::Observer => "doctor",
        Asker::Berth => "berth",
    };
    let uid = process.as_ref().map(|process| process.uid);
    let pid = process.as_ref().and_then(|process| process.pid);
    let command = process.as_ref().and_then(|process| process.command.as_deref());
    let token = bearer.map(|bearer| bearer.token.get());
    let peer = bearer.map(|bearer| &*bearer.peer);
    let Change { what, space, pool, address, client, note, routine } = change;
    let Outcome { result, code, why, log_index, revision } = outcome;
    macro_rules! line {
        ($level:expr) => {
            tracing::event!(
                target: TARGET, $level, audit = result, who, uid, pid, command, agent, token, peer,
                what = what.as_ref(), space = space.as_deref(), pool = pool.as_deref(),
                address = address.as_deref(), client = client.as_deref(), note = note.as_deref(),
                code = code.as_deref(), why = why.as_deref(), log_index, revision
            )
        };
    }
    // The level says only which lines are kept.
    if *routine { line!(Level::DEBUG) } else { line!(Level::INFO) }
}

#[cfg(test)]
mod tests;
