//! What every member does of itself, as long as it runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{LATELY, MemberChange, MembershipError, MembershipRefusal, Standing, is_first};
use crate::address::is_unspecified;
use crate::raft::PeerNode;
use crate::replica::Core;
use crate::transport::{Lane, Request, Response};
use crate::{Deadline, Fatal, NodeId, Role, Status};

/// How often it is looked whether something is to be done.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long one of these things may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a peer may take to say what it thinks of this node.
const STANDING_MAX: Duration = Duration::from_secs(1);
/// Pause between two lines of the log about a learner that catches up.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// When a leader was heard last. Clones are the same.
#[derive(Clone)]
pub(crate) struct Heard(Arc<Mutex<Instant>>);

impl Heard {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// A leader was heard, just now.
    pub(crate) fn now(&self) {
        *self.0.lock().expect("nothing panics while it holds the time") = Instant::now();
    }

    fn ago(&self) -> Duration {
        self.0.lock().expect("nothing panics while it holds the time").elapsed()
    }
}

/// A member that does what is to be done.
pub(crate) struct Duty {
    pub(crate) core: Core,
    pub(crate) fatal: Fatal,
    pub(crate) heard: Heard,
    /// Where this node is reached.
    pub(crate) address: String,
    /// It is to stay a learner.
    pub(crate) learner: bool,
    /// The entry that admitted it, if it was.
    pub(crate) since: Option<u64>,
}

impl Duty {
    /// Goes on until it is dropped, or the node was removed.
    pub(crate) async fn run(self) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = None;
        loop {
            look.tick().await;
            self.learn();
            let status = self.core.status();
            match status.role {
                Role::Stopped => return,
                Role::Leader => self.lead().await,
                _ if status.leader.is_some() => self.report(&status, &mut told).await,
                _ => {}
            }
            if let Some(by) = self.removed_by(&status).await {
                self.end(by);
                return;
            }
        }
    }

    /// Takes over where the members are.
    fn learn(&self) {
        let metrics = self.core.raft().metrics();
        let stored = metrics.borrow_watched().membership_config.clone();
        let members: BTreeMap<u64, PeerNode> =
            stored.membership().nodes().map(|(id, node)| (*id, node.clone())).collect();
        if !members.is_empty() {
            self.core.links().learn(members);
        }
    }

    async fn lead(&self) {
        let me = self.core.node();
        let moved = |node: NodeId, known: &PeerNode| {
            let own = node == me && !is_unspecified(&self.address);
            let filled_in =
                || known.address.is_empty().then(|| self.core.links().address(node, known));
            let address = if own { Some(self.address.clone()) } else { filled_in() };
            address.filter(|address| !address.is_empty())
        };
        if let Err(failure) = self.core.tidy(moved, Deadline::after(PATIENCE)).await {
            tracing::debug!(?failure, "the membership is as it was");
        }
    }

    /// Tells the leader what it should know, and asks it for a vote.
    async fn report(&self, status: &Status, told: &mut Option<Instant>) {
        let Some(own) = status.members.iter().find(|member| member.node == status.node) else {
            return;
        };
        let node = own.node;
        // What is empty yet the leader fills in from its list.
        if let Some(change) = self.moved(node).filter(|_| !self.known_address(node).is_empty()) {
            self.ask(&change, told).await;
        }
        if !own.voter && !self.learner {
            self.ask(&MemberChange::Promote { node }, told).await;
        }
    }

    /// The change that tells where this node is, if the log says otherwise.
    fn moved(&self, node: NodeId) -> Option<MemberChange> {
        let moved = self.known_address(node) != self.address && !is_unspecified(&self.address);
        moved.then(|| MemberChange::Move { node, address: self.address.clone() })
    }

    fn known_address(&self, node: NodeId) -> String {
        self.core.peer(node).unwrap_or_default().address
    }

    async fn ask(&self, change: &MemberChange, told: &mut Option<Instant>) {
        let Err(error) = self.core.change(change, Deadline::after(PATIENCE)).await else {
            tracing::info!(%change, "the leader has done it");
            return;
        };
        if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            *told = Some(Instant::now());
            match error {
                MembershipError::Refused(MembershipRefusal::Behind { behind, .. }) => {
                    tracing::info!(behind, "catching up with the log, then this node will vote");
                }
                error => tracing::warn!(%change, %error, "the leader has not done it"),
            }
        }
    }

    /// Whether nobody leads this node, nor follows it, for so long that it may have been removed.
    fn is_left_alone(&self, status: &Status) -> bool {
        match status.role {
            Role::Leader => status.quorum_heard.is_some_and(|heard| heard >= LATELY),
            _ => self.heard.ago() >= LATELY,
        }
    }

    /// The entry by which the log says that this node was removed, as this node knows itself, or as its
    /// peers say when it is left alone.
    async fn removed_by(&self, status: &Status) -> Option<u64> {
        let me = status.node;
        let admitted = self.since.or(is_first(me).then_some(0));
        if let Standing::Removed { by } = self.core.standing(me, admitted?) {
            return Some(by);
        }
        if !self.is_left_alone(status) {
            return None;
        }
        let applied = self.core.applied().membership().1;
        let member_by = applied.membership().get_node(&me.get()).and(applied.log_id().as_ref());
        let since = member_by.map(openraft::LogId::index).max(admitted)?;
        let request = Request::Standing { node: me, since };
        let peers = self.core.links().peers().into_iter().filter(|(peer, _)| *peer != me);
        let asking = peers.map(async |(peer, _)| {
            let link = self.core.links().to(peer, Lane::Forward);
            link.call(&request, Deadline::after(STANDING_MAX)).await
        });
        let mut leader = None;
        for answer in futures::future::join_all(asking).await {
            match answer {
                Ok(Response::Standing(Standing::Removed { by })) => return Some(by),
                Ok(Response::Standing(Standing::Unsuspected { leader: Some(told) })) => {
                    leader = Some(NodeId::new(told));
                }
                _ => {}
            }
        }
        // A leader that does not know where this node is cannot tell it that it leads.
        if let Some((leader, change)) = leader.filter(|leader| *leader != me).zip(self.moved(me)) {
            let patience_ms = STANDING_MAX.as_millis().try_into().unwrap_or(u64::MAX);
            let request = Request::Change { change, patience_ms };
            let link = self.core.links().to(leader, Lane::Forward);
            // If it was not done, there is a next time.
            let _ = link.call(&request, Deadline::after(STANDING_MAX)).await;
        }
        None
    }

    fn end(&self, by: u64) {
        let me = self.core.node();
        let reason = format!(
            "this node, number {me}, was removed from the cluster, as the log says by entry {by}. To \
             have this host back as a member, run `berth cluster join TOKEN --replace` on it"
        );
        self.fatal.raise("taking part in the cluster", &reason);
    }
}

impl Core {
    /// What a node is that says since when it is a member.
    pub(crate) fn standing(&self, node: NodeId, since: u64) -> Standing {
        let (last, applied) = self.applied().membership();
        let member = applied.membership().get_node(&node.get()).is_some();
        match last {
            Some(by) if by >= since && !member => Standing::Removed { by },
            _ => Standing::Unsuspected { leader: self.leader().map(NodeId::get) },
        }
    }
}
