//! Answers in one line each.

use berth_allocator::{AddressState, Ending, Grant, Response};

use crate::world::Outcome;

pub(super) fn told(outcome: &Outcome) -> String {
    match outcome {
        Ok(response) => response_told(response),
        Err(rejection) => format!("{}: {rejection}", rejection.code()),
    }
}

fn response_told(response: &Response) -> String {
    match response {
        Response::Done => "done".into(),
        Response::Registered(incarnation) => format!("incarnation {incarnation}"),
        Response::SessionOpened(session) => format!("session {session}"),
        Response::Pool(grant) => {
            format!("{} {}, claim {}", how(grant.how), grant.pool, grant.claim)
        }
        Response::Address(grant) => {
            let (address, length) = (grant.address, grant.prefix_length);
            format!("{} {address}/{length}, claim {}", how(grant.how), grant.claim)
        }
        Response::Released(Ending::Ended) => "ended".into(),
        Response::Released(Ending::Suspected) => "in doubt".into(),
        Response::Released(Ending::Nothing) => "nothing to end".into(),
        Response::Token(token) => format!("token {token}"),
        Response::Batch(outcomes) => outcomes.iter().map(told).collect::<Vec<_>>().join("; "),
    }
}

fn how(grant: Grant) -> &'static str {
    match grant {
        Grant::New => "new",
        Grant::Adopted => "adopted",
        Grant::Joined => "joined",
    }
}

/// The state of an address in one word.
pub(super) fn state_told(state: &AddressState) -> &'static str {
    match state {
        AddressState::Free => "free",
        AddressState::Held => "held",
        AddressState::Stale => "stale",
        AddressState::Suspect => "suspect",
        AddressState::Cooling { unverified: false, .. } => "cooling",
        AddressState::Cooling { unverified: true, .. } => "unverified",
        AddressState::Reserved { .. } => "reserved",
        AddressState::Edge => "edge",
    }
}
