//! `/v1/status` and `/v1/fingerprint`

use std::time::Duration;

use axum::Json;
use axum::extract::State as Of;
use berth_replication::{Consistency, Deadline, LogIndex, MemberStatus, Role};

use super::query::{NoParameters, Parameters};
use super::types::{Fingerprint, LedgerLog, Log, Member, Scope, Status};
use super::{Api, Problem, views};

/// How long a status waits for a quorum before it says that there is none.
const QUORUM_DEADLINE: Duration = Duration::from_secs(2);

pub(super) async fn show(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Json<Status>, Problem> {
    let problems = api.problems().await;
    let status = api.0.replica.status();
    let ledger = api.0.ledger.status();
    let position = |index: Option<LogIndex>| index.map_or(0, LogIndex::get);
    let look = api.states(None, super::types::Consistency::Stale).await?.look(|states| {
        let all = states.iter().flat_map(|(scope, state): &(Scope, _)| {
            let spaces = berth_allocator::State::spaces(state);
            spaces.map(|space| views::space(*scope, space)).collect::<Vec<_>>()
        });
        Ok(all.collect())
    });
    let (spaces, _) = look.await?;
    Ok(Json(Status {
        node: api.0.name.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster: api.0.replica.cluster().to_string(),
        local_space: api.0.local_space.to_string(),
        global_space: api.0.global_space.to_string(),
        ready: problems.is_empty(),
        problems,
        role: role(status.role).to_owned(),
        leader: api.leader(),
        term: status.term.get(),
        log: Log {
            last: position(status.last),
            committed: position(status.committed),
            applied: position(status.applied),
            snapshot: position(status.snapshot),
        },
        ledger: LedgerLog { last: ledger.last.get(), snapshot: ledger.snapshot.get() },
        members: status.members.iter().map(member).collect(),
        spaces,
    }))
}

pub(super) async fn fingerprint(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Json<Fingerprint> {
    let fingerprint = api.0.replica.fingerprint().await;
    Json(Fingerprint {
        applied: fingerprint.applied.get(),
        revision: fingerprint.revision.get(),
        value: format!("{:016x}", fingerprint.value),
    })
}

impl Api {
    /// Why this node cannot serve the cluster's spaces; nothing if it can.
    pub(super) async fn problems(&self) -> Vec<String> {
        let space = &self.0.global_space;
        let deadline = Deadline::after(QUORUM_DEADLINE);
        let look = |state: &berth_allocator::State| state.settings(space).is_ok();
        match self.0.replica.read(Consistency::Linearizable, deadline, look).await {
            Ok(read) if read.value => Vec::new(),
            Ok(_) => vec![format!("address space {space} is not there yet: it is being made")],
            Err(error) => vec![format!(
                "{error}; global spaces wait until a majority of the members runs, local ones \
                 work as always"
            )],
        }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Learner => "learner",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
        Role::Stopped => "stopped",
    }
}

fn member(member: &MemberStatus) -> Member {
    let millis = |heard: Duration| u64::try_from(heard.as_millis()).unwrap_or(u64::MAX);
    Member {
        name: member.name.clone(),
        id: member.node.get(),
        address: member.address.clone(),
        voter: member.voter,
        heard_ms_ago: member.heard.map(millis),
        matched: member.matched.map(LogIndex::get),
    }
}
