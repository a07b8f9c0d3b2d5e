//! `/v1/verify`: whether all nodes have the same state.

use axum::Json;
use axum::extract::State as Of;
use berth_replication::{Deadline, LogIndex, MemberStatus, NotMarked, Replica};
use futures::future::join_all;

use super::query::{NoParameters, Parameters};
use super::types::{Fingerprint, Verification, VerifiedMember};
use super::{Api, DEADLINE, Problem, REQUEST_MAX, views};
use crate::code::Code;
use crate::peers;

/// Marks a place in the log, and asks every node for the fingerprint of its state there.
pub(super) async fn all(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Json<Verification>, Problem> {
    let (replica, _) = api.member()?;
    let mark = replica.mark(Deadline::after(DEADLINE)).await;
    let mark = mark.map_err(|error| {
        Problem::new(Code::Unavailable, format!("nothing was compared: {error}"))
    })?;
    let deadline = Deadline::after(REQUEST_MAX.saturating_sub(2 * DEADLINE));
    let status = replica.status();
    let asked = status.members.iter().map(|member| ask(replica, member, mark, deadline));
    let members = join_all(asked).await;
    let revision = members.iter().find_map(|member| member.revision).unwrap_or_default();
    Ok(Json(Verification { index: mark.get(), revision, members }))
}

async fn ask(
    replica: &Replica,
    member: &MemberStatus,
    mark: LogIndex,
    deadline: Deadline,
) -> VerifiedMember {
    let told = if member.node == replica.node() {
        at(replica, mark, deadline).await.map_err(|problem| problem.detail)
    } else {
        peers::fingerprint(replica, member.node, mark, deadline).await
    };
    let (name, id) = (member.name.clone(), member.node.get());
    match told {
        Ok(Fingerprint { value, revision, .. }) => VerifiedMember {
            name,
            id,
            fingerprint: Some(value),
            revision: Some(revision),
            error: None,
        },
        Err(error) => {
            VerifiedMember { name, id, fingerprint: None, revision: None, error: Some(error) }
        }
    }
}

/// The fingerprint of this node's state at a mark.
pub(super) async fn at(
    replica: &Replica,
    mark: LogIndex,
    deadline: Deadline,
) -> Result<Fingerprint, Problem> {
    let fingerprint = replica.fingerprint_at(mark, deadline).await;
    let failed = |error: NotMarked| Problem::new(Code::Unavailable, error.to_string());
    fingerprint.map(views::fingerprint).map_err(failed)
}
