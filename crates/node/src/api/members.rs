//! `/v1/members` and `/v1/leader`

use std::time::Duration;

use axum::Json;
use axum::extract::State as Of;
use axum::http::StatusCode;
use berth_replication::{
    Consistency as Wanted, Deadline, LogIndex, MemberChange, MembershipError, MembershipRefusal,
    NodeId, Replica, Status,
};
use serde::Deserialize;

use super::query::{Body, NoParameters, Parameters, ReadParameters, Segment};
use super::types::{Consistency, Leader, Listing, Member, Reading};
use super::{Api, DEADLINE, Problem, status};
use crate::code::Code;
use crate::peers;

/// How long a change may take: a new leader first has to know which members are there.
const CHANGE_MAX: Duration = Duration::from_secs(20);
/// How long the leader may take to say how it sees the members.
const LEADER_MAX: Duration = Duration::from_secs(2);

/// How a member is removed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Removal {
    /// Also if too few of those that are left seem to be there.
    force: bool,
}

/// The members, as the leader sees them; stale, as this node does.
pub(super) async fn list(
    Of(api): Of<Api>,
    Parameters(ReadParameters { consistency }): Parameters<ReadParameters>,
) -> Result<Json<Listing<Member>>, Problem> {
    let (replica, _) = api.member()?;
    if consistency == Consistency::Stale {
        return Ok(Json(listing(&replica.status(), consistency)));
    }
    let status = api.current(replica).await?;
    let told = match status.leader.filter(|leader| *leader != status.node) {
        // It alone knows how far the others are.
        Some(leader) => peers::members(replica, leader, Deadline::after(LEADER_MAX)).await.ok(),
        None => None,
    };
    let items = told.unwrap_or_else(|| listing(&status, consistency).items);
    Ok(Json(Listing { items, ..listing(&status, consistency) }))
}

/// Gives a learner a vote.
pub(super) async fn promote(
    Of(api): Of<Api>,
    Segment(member): Segment,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<StatusCode, Problem> {
    let node = api.named(&member).await?;
    api.change(&MemberChange::Promote { node }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a member.
pub(super) async fn remove(
    Of(api): Of<Api>,
    Segment(member): Segment,
    Parameters(Removal { force }): Parameters<Removal>,
) -> Result<StatusCode, Problem> {
    let node = api.named(&member).await?;
    api.change(&MemberChange::Remove { node, force }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has another member lead.
pub(super) async fn lead(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    Body(wanted): Body<Leader>,
) -> Result<Json<Leader>, Problem> {
    let node = match &wanted.member {
        Some(member) => Some(api.named(member).await?),
        None => None,
    };
    api.change(&MemberChange::Lead { node }).await?;
    let (replica, _) = api.member()?;
    let known =
        |status: &Status| node.map_or(status.leader.is_some(), |it| status.leader == Some(it));
    // It leads already; that this node knows it as well is a courtesy.
    let _ = replica.status_when(Deadline::after(LEADER_MAX), known).await;
    Ok(Json(Leader { member: api.leader() }))
}

impl Api {
    /// The status once this node has all that was committed before.
    async fn current(&self, replica: &Replica) -> Result<Status, Problem> {
        replica.read(Wanted::Linearizable, Deadline::after(DEADLINE), |_| ()).await?;
        Ok(replica.status())
    }

    /// The member of this name or number.
    async fn named(&self, member: &str) -> Result<NodeId, Problem> {
        let (replica, _) = self.member()?;
        let status = self.current(replica).await?;
        let by_name = status.members.iter().find(|known| known.name == member);
        let number = || member.parse().ok().map(NodeId::new);
        let by_number = || status.members.iter().find(|known| Some(known.node) == number());
        by_name.or_else(by_number).map(|member| member.node).ok_or_else(|| {
            let names: Vec<&str> = status.members.iter().map(|known| known.name.as_str()).collect();
            let all = names.join(", ");
            Problem::new(
                Code::NoSuchMember,
                format!("no member is called {member}: there are {all}"),
            )
        })
    }

    async fn change(&self, change: &MemberChange) -> Result<(), Problem> {
        let (replica, _) = self.member()?;
        Ok(replica.change_members(change, Deadline::after(CHANGE_MAX)).await?)
    }
}

fn listing(status: &Status, consistency: Consistency) -> Listing<Member> {
    let leader = status.members.iter().find(|member| Some(member.node) == status.leader);
    let read = Reading {
        consistency,
        applied: status.applied.map_or(0, LogIndex::get),
        as_of: None,
        leader: leader.map(|member| member.name.clone()),
    };
    let items = status.members.iter().map(status::member).collect();
    Listing { items, truncated: false, read: Some(read) }
}

impl From<MembershipError> for Problem {
    fn from(error: MembershipError) -> Self {
        use MembershipRefusal as R;
        let code = match &error {
            MembershipError::Unavailable { .. } => Code::Unavailable,
            MembershipError::Unknown { .. } => Code::OutcomeUnknown,
            MembershipError::Refused(refusal) => match refusal {
                R::NotAMember { .. } => Code::NoSuchMember,
                R::QuorumAtRisk { .. } | R::LastVoter { .. } => Code::QuorumAtRisk,
                R::Behind { .. } | R::Silent { .. } => Code::NotCaughtUp,
                _ => Code::MembershipRefused,
            },
        };
        Self::new(code, error.to_string())
    }
}
