//! How a leader changes the membership, and how others have it do so.

use std::time::Duration;

use berth_allocator::State;
use openraft::ChangeMembers;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, ForwardReason, RaftError};
use openraft::raft::Precondition;
use tokio::sync::MutexGuard;
use tokio::time::{Instant, sleep, timeout_at};

use super::judge::View;
use super::{
    Admission, ChangeFailure, Grant, LATELY, MemberChange, MembershipError, MembershipRefusal,
};
use crate::raft::{LogId, PeerNode, PeerRecord, Proposal, TypeConfig};
use crate::replica::{Core, Hindrance, unexpected};
use crate::transport::{Failure, Request, Response};
use crate::{Deadline, NodeId, Status};

/// Pause before a change is tried again.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// How long a leader waits for another one to take over.
const HANDOVER_MAX: Duration = Duration::from_secs(5);

type Changes = ChangeMembers<u64, PeerNode>;
type WriteError = RaftError<TypeConfig, ClientWriteError<TypeConfig>>;

/// The membership as a leader sees it, at a place in the log.
struct Seen {
    status: Status,
    at: Option<LogId>,
}

impl Core {
    /// Has the leader change the membership. All changes may be tried again.
    pub(crate) async fn change(
        &self,
        change: &MemberChange,
        deadline: Deadline,
    ) -> Result<(), MembershipError> {
        let mut attempts = Attempts::default();
        loop {
            let failure = match self.change_once(change, deadline).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            let gone =
                matches!(failure, ChangeFailure::Refused(MembershipRefusal::NotAMember { .. }));
            if gone && attempts.unknown && matches!(change, MemberChange::Remove { .. }) {
                return Ok(());
            }
            attempts.failed(failure, deadline)?;
            sleep(PAUSE).await;
        }
    }

    /// Has the leader admit a newcomer.
    pub(crate) async fn admit(
        &self,
        admission: &Admission,
        deadline: Deadline,
    ) -> Result<Grant, MembershipError> {
        let mut attempts = Attempts::default();
        loop {
            match self.admit_once(admission, deadline).await {
                Ok(grant) => return Ok(grant),
                Err(failure) => attempts.failed(failure, deadline)?,
            }
            sleep(PAUSE).await;
        }
    }

    async fn change_once(
        &self,
        change: &MemberChange,
        deadline: Deadline,
    ) -> Result<(), ChangeFailure> {
        let leader = self.leader().ok_or(Failure::NotLeader)?;
        if leader == self.node() {
            return self.change_here(change, deadline).await;
        }
        let request = Request::Change { change: change.clone(), patience_ms: deadline.millis() };
        match self.ask(leader, &request, deadline).await.map_err(failure)? {
            Response::Changed(result) => result,
            other => Err(failure(unexpected(other))),
        }
    }

    async fn admit_once(
        &self,
        admission: &Admission,
        deadline: Deadline,
    ) -> Result<Grant, ChangeFailure> {
        let leader = self.leader().ok_or(Failure::NotLeader)?;
        if leader == self.node() {
            return self.admit_here(admission, deadline).await;
        }
        let request =
            Request::Admit { admission: admission.clone(), patience_ms: deadline.millis() };
        match self.ask(leader, &request, deadline).await.map_err(failure)? {
            Response::Admitted(result) => result,
            other => Err(failure(unexpected(other))),
        }
    }

    /// Changes the membership if this node leads.
    pub(crate) async fn change_here(
        &self,
        change: &MemberChange,
        deadline: Deadline,
    ) -> Result<(), ChangeFailure> {
        let _turn = self.turn(deadline).await?;
        let seen = self.seen(deadline).await?;
        let view = View(&seen.status);
        match change {
            MemberChange::Promote { node } => {
                if view.member(*node)?.voter {
                    return Ok(());
                }
                view.promote(*node)?;
                self.alter(seen.at, Changes::AddVoterIds([node.get()].into()), deadline).await?;
            }
            MemberChange::Remove { node, force } => {
                view.remove(*node, *force)?;
                if *node == self.node() {
                    self.hand_over_to(view.successor()?, deadline).await;
                    // Whoever leads now removes this node.
                    return Err(Failure::NotLeader.into());
                }
                let nodes = [node.get()].into();
                let voter = view.member(*node)?.voter;
                let changes =
                    if voter { Changes::RemoveVoters(nodes) } else { Changes::RemoveNodes(nodes) };
                self.alter(seen.at, changes, deadline).await?;
            }
            MemberChange::Lead { node } => {
                let Some(to) = view.lead(*node)? else { return Ok(()) };
                if !self.hand_over_to(to, deadline).await {
                    return Err(MembershipRefusal::Silent { node: to.get() }.into());
                }
                if node.is_some() && self.leader() != *node {
                    // Yet another one was elected: it is to hand over.
                    return Err(Failure::NotLeader.into());
                }
            }
            MemberChange::Move { node, address } => {
                let member = view.member(*node)?;
                if member.address == *address {
                    return Ok(());
                }
                view.address(Some(*node), address)?;
                let moved = PeerNode { name: member.name.clone(), address: address.clone() };
                let changes = Changes::SetNodes([(node.get(), moved)].into());
                self.alter(seen.at, changes, deadline).await?;
            }
        }
        tracing::info!(%change, "the membership was changed");
        Ok(())
    }

    /// Admits a newcomer as a learner if this node leads.
    pub(crate) async fn admit_here(
        &self,
        admission: &Admission,
        deadline: Deadline,
    ) -> Result<Grant, ChangeFailure> {
        let _turn = self.turn(deadline).await?;
        let level = self.applied().read(State::level).0;
        if admission.newest < level {
            let (newest, level) = (admission.newest.get(), level.get());
            return Err(MembershipRefusal::TooOld { newest, level }.into());
        }
        let (seen, replaced) = self.make_room(admission, deadline).await?;
        let view = View(&seen.status);
        let node = super::number(self.commit_nothing(deadline).await?);
        let name = admission.name.as_str().to_owned();
        let newcomer = PeerNode { name, address: admission.address.clone() };
        let mut changes = vec![Changes::AddNodes([(node.get(), newcomer)].into())];
        if let Some(replaced) = replaced {
            let gone = [replaced.get()].into();
            let voter = view.member(replaced)?.voter;
            changes.insert(
                0,
                if voter { Changes::RemoveVoters(gone) } else { Changes::RemoveNodes(gone) },
            );
        }
        let since = self.alter(seen.at, Changes::Batch(changes), deadline).await?;
        tracing::info!(%node, name = %admission.name, ?replaced, "a newcomer was admitted");
        let members = seen.status.members.into_iter().filter(|m| Some(m.node) != replaced);
        let record = |name: String, address: String| PeerRecord { name, address };
        let members = members.map(|m| (m.node.get(), record(m.name, m.address))).collect();
        Ok(Grant { node, since, members, secret: None })
    }

    /// Whose place a newcomer takes. One that died just now is waited out.
    async fn make_room(
        &self,
        admission: &Admission,
        deadline: Deadline,
    ) -> Result<(Seen, Option<NodeId>), ChangeFailure> {
        let silent_by = Instant::now() + LATELY + PAUSE;
        loop {
            let seen = self.seen(deadline).await?;
            match View(&seen.status).admit(admission) {
                Err(MembershipRefusal::Alive { .. }) if Instant::now() < silent_by => {
                    sleep(PAUSE).await;
                }
                judged => return Ok((seen, judged?)),
            }
        }
    }

    /// As a leader, puts addresses into the membership, and ends a change that is half done.
    pub(super) async fn tidy(
        &self,
        addresses: impl Fn(NodeId, &PeerNode) -> Option<String>,
        deadline: Deadline,
    ) -> Result<(), ChangeFailure> {
        let stored = self.raft().metrics().borrow_watched().membership_config.clone();
        let membership = stored.membership();
        let joint = membership.get_joint_config().len() > 1;
        let placed = membership.nodes().filter_map(|(id, node)| {
            let address = addresses(NodeId::new(*id), node)?;
            (address != node.address).then(|| (*id, PeerNode { address, ..node.clone() }))
        });
        let changes = match placed.collect::<std::collections::BTreeMap<_, _>>() {
            // Any change of a joint membership makes it a plain one.
            _ if joint => Changes::AddVoterIds([].into()),
            placed if placed.is_empty() => return Ok(()),
            placed => Changes::SetNodes(placed),
        };
        // Whoever changes the membership now will be done soon; there is a next time.
        let Ok(_turn) = self.turn.try_lock() else { return Ok(()) };
        self.alter(*stored.log_id(), changes, deadline).await.map(drop)
    }

    async fn turn(&self, deadline: Deadline) -> Result<MutexGuard<'_, ()>, ChangeFailure> {
        if !self.raft().is_leader() {
            return Err(Failure::NotLeader.into());
        }
        let turn = timeout_at(deadline.instant(), self.turn.lock()).await;
        turn.map_err(|_| MembershipRefusal::UnderWay.into())
    }

    /// Looks until it is known which members are there.
    async fn seen(&self, deadline: Deadline) -> Result<Seen, ChangeFailure> {
        let began = Instant::now();
        loop {
            if !self.raft().is_leader() {
                return Err(Failure::NotLeader.into());
            }
            // First, so that what is looked at is this membership or a later one, which the log tells.
            let stored = self.raft().metrics().borrow_watched().membership_config.clone();
            if stored.membership().get_joint_config().len() > 1 {
                return Err(MembershipRefusal::UnderWay.into());
            }
            let status = self.status();
            if View(&status).is_settled(began.elapsed()) {
                return Ok(Seen { status, at: *stored.log_id() });
            }
            if deadline.has_passed() {
                return Err(MembershipRefusal::UnderWay.into());
            }
            sleep(PAUSE).await;
        }
    }

    /// Changes the membership in the log, if it still is the one at this place; gives where it stands then.
    async fn alter(
        &self,
        at: Option<LogId>,
        changes: Changes,
        deadline: Deadline,
    ) -> Result<u64, ChangeFailure> {
        let condition = Precondition::LastMembershipLogId { last_membership_log_id: at };
        let raft = self.raft().clone();
        // It has two steps, and goes on when nobody waits any more.
        let changing =
            tokio::spawn(
                async move { raft.change_membership_if(changes, false, [condition]).await },
            );
        match timeout_at(deadline.instant(), changing).await {
            Ok(Ok(Ok(written))) => Ok(written.log_id.index()),
            Ok(Ok(Err(error))) => Err(not_altered(error)),
            Ok(Err(error)) => Err(unknown(error.to_string())),
            Err(_) => Err(unknown("the deadline passed before the commit".to_owned())),
        }
    }

    /// Commits an entry that changes nothing; gives its place, which nothing else will ever have.
    async fn commit_nothing(&self, deadline: Deadline) -> Result<u64, ChangeFailure> {
        let batch = berth_allocator::Batch { at: self.clock.now(), commands: Vec::new() };
        let refused =
            |error: berth_codec::EncodeError| Failure::Refused { reason: error.to_string() };
        let nothing = Proposal::new(batch).map_err(refused)?;
        match timeout_at(deadline.instant(), self.raft().client_write(nothing)).await {
            Ok(Ok(written)) => Ok(written.log_id.index()),
            // Whether it was committed or not: nobody was given its number.
            Ok(Err(error)) => Err(match not_altered(error) {
                ChangeFailure::Hindered(Failure::Unknown { .. }) => Failure::NotLeader.into(),
                other => other,
            }),
            Err(_) => Err(Failure::NoQuorum.into()),
        }
    }

    /// Has another member lead; true once it, or yet another one, does.
    pub(crate) async fn hand_over_to(&self, to: NodeId, deadline: Deadline) -> bool {
        if self.raft().trigger().transfer_leader(to.get()).await.is_err() {
            return false;
        }
        let deadline = deadline.min(Deadline::after(HANDOVER_MAX));
        let me = self.node().get();
        let mut metrics = self.raft().server_metrics();
        loop {
            let leader = metrics.borrow_watched().current_leader;
            if leader.is_some_and(|leader| leader != me) {
                return true;
            }
            let changed = timeout_at(deadline.instant(), metrics.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                return false;
            }
        }
    }
}

/// What came of earlier attempts.
#[derive(Default)]
pub(super) struct Attempts {
    /// One of them may have changed something.
    unknown: bool,
}

impl Attempts {
    /// Whether to try again: an error if not.
    pub(super) fn failed(
        &mut self,
        failure: ChangeFailure,
        deadline: Deadline,
    ) -> Result<(), MembershipError> {
        let failure = match failure {
            ChangeFailure::Refused(MembershipRefusal::UnderWay) if !deadline.has_passed() => {
                return Ok(());
            }
            // What was tried before may have been done, or be done yet.
            ChangeFailure::Refused(refusal) if self.unknown => {
                return Err(MembershipError::Unknown { reason: refusal.to_string() });
            }
            ChangeFailure::Refused(refusal) => return Err(refusal.into()),
            ChangeFailure::Hindered(failure) => failure,
        };
        self.unknown |= matches!(failure, Failure::Unknown { .. });
        let reason = failure.reason();
        match deadline.has_passed() {
            false => Ok(()),
            true if self.unknown => Err(MembershipError::Unknown { reason }),
            true => Err(MembershipError::Unavailable { reason }),
        }
    }
}

fn unknown(reason: String) -> ChangeFailure {
    Failure::Unknown { reason }.into()
}

pub(super) fn failure(hindrance: Hindrance) -> ChangeFailure {
    Failure::from(hindrance).into()
}

fn not_altered(error: WriteError) -> ChangeFailure {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => match forward.reason {
            ForwardReason::LeaseExpired => Failure::NoQuorum.into(),
            _ => Failure::NotLeader.into(),
        },
        // Of the second step it would say that the first one was taken: whoever leads ends that.
        RaftError::APIError(ClientWriteError::PreconditionFailed(_)) => {
            MembershipRefusal::UnderWay.into()
        }
        RaftError::APIError(ClientWriteError::ChangeMembershipError(
            ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_),
        )) => MembershipRefusal::UnderWay.into(),
        RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => {
            MembershipRefusal::Impossible { reason: error.to_string() }.into()
        }
        error => unknown(error.to_string()),
    }
}
