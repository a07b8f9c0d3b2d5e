//! One node of the cluster.

mod compare;
mod core;
mod members;
mod question;
mod service;
mod start;
mod status;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use berth_allocator::{Envelope, State};
use openraft::async_runtime::WatchReceiver;
use tokio::task::JoinSet;

pub(crate) use self::core::{Core, Executed, Hindrance, unexpected};
pub use compare::NotMarked;
pub use members::NoToken;
pub(crate) use question::RespondentSlot;
pub use question::{AskError, Respond, UserStream, Witness};
pub use start::{StartError, holds_cluster, told_secret};
pub use status::{Fingerprint, MemberStatus, Role, Status};

use crate::attendants::Attendants;
use crate::blocking;
#[cfg(shuttle)]
use crate::interleavings::JoinSetExt as _;
use crate::proposer::Proposer;
use crate::reads::ReadIndexes;
use crate::{
    Backup, Clock, ClusterId, Config, Consistency, Deadline, Fatal, Gate, LogIndex, NodeId,
    NodeName, NotExecuted, PeerListener, ProposeError, Proposed, Read, ReadError, Secret,
};

/// How long a leader that stops waits for another one to take over.
const HANDOVER_MAX: Duration = Duration::from_secs(2);

/// One node of the cluster. Clones are the same node; it stops with [`Self::shutdown`], or when the
/// last clone goes.
#[derive(Clone)]
pub struct Replica(Arc<Inner>);

struct Inner {
    name: NodeName,
    core: Core,
    proposer: Proposer,
    read_indexes: ReadIndexes,
    fatal: Fatal,
    respondent: RespondentSlot,
    attendants: Attendants,
    secret: Option<Secret>,
    /// What runs beside Raft; it ends with this.
    tasks: tokio::sync::Mutex<JoinSet<()>>,
}

impl Replica {
    /// Starts the node with what is in its data directory; a new cluster, if nothing is.
    ///
    /// Returns as soon as the node runs: [`Self::status_when`] tells when there is a leader.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        start::start(None, config, clock).await
    }

    /// The same, on a port that was opened before: so that nothing is made where it cannot be.
    pub async fn start_on(
        listener: PeerListener,
        config: Config,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        start::start(Some(listener), config, clock).await
    }

    /// This node's number.
    pub fn node(&self) -> NodeId {
        self.0.core.node()
    }

    /// The cluster that it is a node of.
    pub fn cluster(&self) -> ClusterId {
        self.0.core.links().identity().cluster
    }

    /// Has a command executed, by whichever node leads, and gives its answer once it took effect.
    ///
    /// Proposing the same envelope again is safe: it is executed once. So within the deadline this
    /// tries again, with a new leader if need be.
    pub async fn propose(
        &self,
        envelope: Envelope,
        deadline: Deadline,
    ) -> Result<Proposed, ProposeError> {
        let passed = self.gate().pass(std::iter::once(&envelope.command));
        passed.map_err(|reason| ProposeError::NotExecuted(NotExecuted::NoRoom { reason }))?;
        self.0.proposer.propose(envelope, deadline).await
    }

    /// What decides whether this node takes commands that need room: from its host, and from all if it
    /// leads.
    pub fn gate(&self) -> &Gate {
        self.0.core.gate()
    }

    /// Looks at the state. Applying commands waits while it does, so it should be quick.
    pub async fn read<T>(
        &self,
        consistency: Consistency,
        deadline: Deadline,
        look: impl FnOnce(&State) -> T,
    ) -> Result<Read<T>, ReadError> {
        if consistency == Consistency::Linearizable {
            self.catch_up(deadline).await?;
        }
        let (value, applied) = self.0.core.applied().read(look);
        Ok(Read { value, applied })
    }

    /// Waits until the state holds all that was answered before, on any node.
    async fn catch_up(&self, deadline: Deadline) -> Result<(), ReadError> {
        let index = self.0.read_indexes.get(deadline).await?;
        if self.0.core.applied().reaches(index, deadline).await {
            Ok(())
        } else {
            Err(ReadError::Behind { index: LogIndex::new(index) })
        }
    }

    /// How the node is.
    pub fn status(&self) -> Status {
        self.0.core.status()
    }

    /// Waits until the status is as wanted; `None` if the deadline passes before, or the node ends.
    pub async fn status_when(
        &self,
        deadline: Deadline,
        wanted: impl Fn(&Status) -> bool,
    ) -> Option<Status> {
        let mut metrics = self.0.core.raft().metrics();
        loop {
            let status = self.status();
            if wanted(&status) {
                return Some(status);
            }
            tokio::time::timeout_at(deadline.instant(), metrics.changed()).await.ok()?.ok()?;
        }
    }

    /// Hashes the state: nodes that applied the same entries have equal ones. Takes time in
    /// proportion to the state, but holds up nothing.
    pub async fn fingerprint(&self) -> Fingerprint {
        let (state, applied) = self.0.core.applied().read(State::clone);
        let hashing = blocking::spawn(move || Fingerprint {
            applied,
            revision: state.revision(),
            value: state.fingerprint(),
        });
        hashing.await.expect("hashing a state does not panic")
    }

    /// The state as of now, to be written to a file: all that was answered before is in it.
    pub async fn backup(&self, deadline: Deadline) -> Result<Backup, ReadError> {
        self.catch_up(deadline).await?;
        let (core, identity) = (&self.0.core, self.0.core.links().identity());
        let maker = (identity.cluster, &self.0.name);
        Ok(Backup::new(maker, core.now(), core.applied().copy()))
    }

    pub(crate) fn attendants_here(&self) -> &Attendants {
        &self.0.attendants
    }

    /// The certificate of the authority that certifies nodes, in PEM; nothing without TLS.
    pub fn authority(&self) -> Option<String> {
        self.0.core.links().channel().pem().map(str::to_owned)
    }

    /// When this node's certificate expires, unless it is renewed before; nothing without TLS.
    pub fn certificate_expires(&self) -> Option<SystemTime> {
        self.0.core.links().channel().expires()
    }

    /// Tells when the node cannot go on. The process must end then.
    pub fn fatal(&self) -> Fatal {
        self.0.fatal.clone()
    }

    /// Makes a snapshot now, in the background.
    pub async fn make_snapshot(&self) {
        // Fails when the node has stopped: then there is nothing to make.
        let _ = self.0.core.raft().trigger().snapshot().await;
    }

    /// Stops the node: hands over the leadership, then ends all it does. What was not answered yet
    /// is answered as unknown.
    pub async fn shutdown(&self) {
        self.hand_over(Deadline::after(HANDOVER_MAX)).await;
        // It fails if Raft had panicked, which the fatal error told.
        let _ = self.0.core.raft().shutdown().await;
        self.0.core.links().close();
        self.0.tasks.lock().await.shutdown().await;
    }
}
