//! Who asks, until when, and whether anybody still waits for the answer.

use std::fmt;
use std::future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How long a request may take where nobody says otherwise. Engines wait without limit, holding
/// locks and their own start; ten seconds is what their users bear.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(9);

/// What comes with each request besides its words.
#[derive(Clone, Debug)]
pub struct RequestContext {
    id: u64,
    peer: Option<Peer>,
    deadline: Instant,
    caller: Option<watch::Receiver<()>>,
}

impl RequestContext {
    /// The context of a call made within this process: nobody can drop it but by dropping the
    /// future, and it has [`DEFAULT_DEADLINE`].
    pub fn in_process() -> Self {
        Self { id: 0, peer: None, deadline: Instant::now() + DEFAULT_DEADLINE, caller: None }
    }

    /// The context of a request that came through a socket.
    pub(crate) fn of_request(id: u64, peer: Option<Peer>, deadline: Instant) -> Self {
        Self { id, peer, deadline, caller: None }
    }

    /// The same context with a caller who may go away, which it has when its [`Caller`] is dropped.
    #[must_use]
    pub fn with_caller(mut self) -> (Self, Caller) {
        let (waiting, caller) = watch::channel(());
        self.caller = Some(caller);
        (self, Caller(waiting))
    }

    /// The same context with this peer.
    #[must_use]
    pub fn with_peer(mut self, peer: Peer) -> Self {
        self.peer = Some(peer);
        self
    }

    /// The same context with this deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = deadline;
        self
    }

    /// Number of the request in this process's logs; 0 within the process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The process at the other end of the socket, where the kernel tells.
    pub fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// When the caller is given an error instead of an answer.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether nobody waits for the answer any more: the caller dropped the connection, or the
    /// deadline passed.
    pub fn is_caller_gone(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.has_changed().is_err())
    }

    /// Waits until [`is_caller_gone`](Self::is_caller_gone); for ever if the caller stays.
    pub async fn caller_gone(&self) {
        let Some(mut caller) = self.caller.clone() else {
            return future::pending().await;
        };
        while caller.changed().await.is_ok() {}
    }
}

/// Stands for whoever waits for an answer; to drop it says that nobody does any more.
#[derive(Debug)]
pub struct Caller(#[expect(dead_code, reason = "its drop is what counts")] watch::Sender<()>);

/// A process at the other end of a Unix socket, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Process id, where it is in our view: a managed plugin sees the engine's only with
    /// `"pidhost": true`.
    pub pid: Option<u32>,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "pid {pid} uid {}", self.uid),
            None => write!(f, "uid {}", self.uid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_handle_means_a_gone_caller() {
        let (context, caller) = RequestContext::in_process().with_caller();
        assert!(!context.is_caller_gone());
        drop(caller);
        assert!(context.is_caller_gone());
        context.caller_gone().await;
    }
}
