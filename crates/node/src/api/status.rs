//! `/v1/status` and `/v1/fingerprint`

use std::time::Duration;

use axum::Json;
use axum::extract::State as Of;
use berth_allocator::SpaceName;
use berth_replication::{Consistency, Deadline, LogIndex, MemberStatus, Replica, Role, Servers};
use serde::Deserialize;

use super::query::{NoParameters, Parameters};
use super::types::{self, Fingerprint, LedgerLog, Log, Member, Scope, Status};
use super::{Api, Cluster, DEADLINE, Problem, verify, views};
use crate::peers;

/// How long a status waits for a quorum before it says that there is none.
const QUORUM_DEADLINE: Duration = Duration::from_secs(2);

/// At which log entry: one that marks a place for a comparison.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct At {
    mark: Option<u64>,
}

pub(super) async fn show(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Json<Status>, Problem> {
    match &api.0.cluster {
        Cluster::Member { replica, .. } => api.status_of_member(replica).await.map(Json),
        Cluster::Servers(servers) => Ok(Json(api.status_of_agent(servers).await)),
    }
}

pub(super) async fn fingerprint(
    Of(api): Of<Api>,
    Parameters(At { mark }): Parameters<At>,
) -> Result<Json<Fingerprint>, Problem> {
    let (replica, _) = api.member()?;
    if let Some(mark) = mark {
        let deadline = Deadline::after(2 * DEADLINE);
        return verify::at(replica, LogIndex::new(mark), deadline).await.map(Json);
    }
    Ok(Json(views::fingerprint(replica.fingerprint().await)))
}

impl Api {
    async fn status_of_member(&self, replica: &Replica) -> Result<Status, Problem> {
        let problems = self.problems().await;
        let status = replica.status();
        let position = |index: Option<LogIndex>| index.map_or(0, LogIndex::get);
        let look = self.states(None, types::Consistency::Stale).await?.look(|states| {
            let revision = |wanted| states.iter().find(|(scope, _)| *scope == wanted);
            let revision = |scope| revision(scope).map_or(0, |(_, state)| state.revision().get());
            let revisions = (revision(Scope::Global), revision(Scope::Local));
            let all = states.iter().flat_map(|(scope, state)| {
                state.spaces().map(|space| views::space(*scope, space)).collect::<Vec<_>>()
            });
            Ok((revisions, all.collect()))
        });
        let (((revision, own), spaces), _) = look.await?;
        Ok(Status {
            node: self.0.name.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: replica.cluster().to_string(),
            local_space: self.0.local_space.to_string(),
            global_space: self.0.global_space.to_string(),
            ready: problems.is_empty(),
            problems,
            role: role(status.role).to_owned(),
            server: None,
            certificate_expires: replica.certificate_expires().map(views::system_time),
            leader: self.leader(),
            term: status.term.get(),
            log: Log {
                last: position(status.last),
                committed: position(status.committed),
                applied: position(status.applied),
                snapshot: position(status.snapshot),
                revision,
            },
            ledger: self.ledger(own),
            disk: self.0.room.seen(),
            members: status.members.iter().map(member).collect(),
            spaces,
        })
    }

    /// What a server says of the cluster, and what is this host's own.
    async fn status_of_agent(&self, servers: &Servers) -> Status {
        let deadline = Deadline::after(QUORUM_DEADLINE + DEADLINE);
        let asked =
            peers::api(servers, "GET".into(), "/v1/status".into(), Vec::new(), deadline).await;
        let of_server = asked.map_err(|error| error.to_string()).and_then(|answer| {
            serde_json::from_slice::<Status>(&answer.body).map_err(|error| error.to_string())
        });
        let (own, local) = self.0.ledger.read(|state| {
            let spaces = state.spaces().map(|space| views::space(Scope::Local, space));
            (state.revision().get(), spaces.collect::<Vec<_>>())
        });
        let mut problems = Vec::new();
        let mut status = of_server.unwrap_or_else(|error| {
            problems.push(format!(
                "{error}; global spaces wait until a server answers, the local one works as always"
            ));
            Status::default()
        });
        // What a server says of itself counts here too, but of its own host's Swarm and disk.
        let own_disk = |text: &&String| status.disk.refuses.as_ref() != Some(*text);
        let quorum = status.problems.iter().filter(|text| !text.starts_with("address space"));
        problems.extend(quorum.filter(own_disk).cloned());
        status.spaces.retain(|space| space.scope == Scope::Global);
        let global_space = self.0.global_space.to_string();
        if problems.is_empty() && !status.spaces.iter().any(|space| space.name == global_space) {
            problems.push(being_made(&self.0.global_space));
        }
        problems.extend(self.0.room.seen().refuses);
        problems.extend(self.0.driver.refused().map(|rejection| rejection.to_string()));
        status.spaces.extend(local);
        let known = servers.status();
        Status {
            node: self.0.name.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: servers.cluster().map(|cluster| cluster.to_string()).unwrap_or_default(),
            local_space: self.0.local_space.to_string(),
            global_space,
            ready: problems.is_empty(),
            problems,
            role: "agent".to_owned(),
            server: known.server,
            certificate_expires: servers.certificate_expires().map(views::system_time),
            ledger: self.ledger(own),
            disk: self.0.room.seen(),
            ..status
        }
    }

    /// What the host is about, in a line, as far as it knows by itself.
    pub(crate) fn in_brief(&self) -> String {
        let low = self.0.room.seen().refuses.map(|_| ", the disk has too little room");
        self.place_in_cluster() + low.unwrap_or_default()
    }

    fn place_in_cluster(&self) -> String {
        let replica = match &self.0.cluster {
            Cluster::Member { replica, .. } => replica,
            Cluster::Servers(servers) => {
                let server = servers.status().server;
                return server.map_or("agent, no server answers".to_owned(), |server| {
                    format!("agent of {server}")
                });
            }
        };
        let status = replica.status();
        let members = status.members.len();
        let leader =
            self.leader().map_or("no leader known".to_owned(), |name| format!("{name} leads"));
        format!("{} of {members} members, {leader}", role(status.role))
    }

    fn ledger(&self, revision: u64) -> LedgerLog {
        let status = self.0.ledger.status();
        LedgerLog { last: status.last.get(), snapshot: status.snapshot.get(), revision }
    }

    /// Why this host cannot serve the cluster's spaces; nothing if it can.
    pub(super) async fn problems(&self) -> Vec<String> {
        let replica = match &self.0.cluster {
            Cluster::Member { replica, .. } => replica,
            Cluster::Servers(servers) => return self.status_of_agent(servers).await.problems,
        };
        let space = &self.0.global_space;
        let deadline = Deadline::after(QUORUM_DEADLINE);
        let look = |state: &berth_allocator::State| state.settings(space).is_ok();
        let mut problems = match replica.read(Consistency::Linearizable, deadline, look).await {
            Ok(read) if read.value => Vec::new(),
            Ok(_) => vec![being_made(space)],
            Err(error) => vec![format!(
                "{error}; global spaces wait until a majority of the members runs, local ones \
                 work as always"
            )],
        };
        problems.extend(self.0.room.seen().refuses);
        problems
    }
}

fn being_made(space: &SpaceName) -> String {
    format!("address space {space} is not there yet: it is being made")
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

pub(super) fn member(member: &MemberStatus) -> Member {
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
