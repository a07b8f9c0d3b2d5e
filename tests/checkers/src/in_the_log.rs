//! K7: what was said to be done is in the committed log, with that answer; what was said not to be
//! done is not there; and what nobody knew is looked up there, never assumed.

use std::collections::BTreeMap;

use berth_allocator::{AddressKind, Command, Response, WantedPool};

use crate::{Action, Executed, Operation, Outcome, Rule, Scope, Violation};

/// Compares operations of the cluster's spaces with the committed log, which must be whole.
///
/// `name` gives the request id of a command, where it carries one. The operations that come back know
/// what the log knows: claims, revisions and log indices of what was given, and that a request of
/// unknown outcome was not executed. One that was stays unknown: its client never heard, so it owns
/// nothing.
pub fn in_the_log(
    operations: &[Operation],
    executed: &[Executed],
    name: impl Fn(&Executed) -> Option<String>,
) -> (Vec<Operation>, Vec<Violation>) {
    let mut by_name: BTreeMap<String, Vec<&Executed>> = BTreeMap::new();
    for run in executed.iter().filter(|run| run.first) {
        if let Some(name) = name(run) {
            by_name.entry(name).or_default().push(run);
        }
    }
    let mut found = Vec::new();
    let resolve = |operation: &Operation| {
        let Some(request) = operation.request.as_ref() else { return operation.clone() };
        if operation.scope == Scope::Local {
            return operation.clone();
        }
        let runs = by_name.get(request).map_or(&[][..], Vec::as_slice);
        match compare(operation, runs, executed) {
            Ok(resolved) => resolved,
            Err(what) => {
                found.push(Violation::new(Rule::InTheLog, what, [operation]));
                operation.clone()
            }
        }
    };
    let resolved = operations.iter().map(resolve).collect();
    (resolved, found)
}

fn compare(
    operation: &Operation,
    runs: &[&Executed],
    all: &[Executed],
) -> Result<Operation, String> {
    let mut resolved = operation.clone();
    match &operation.outcome {
        Outcome::Pool { .. } | Outcome::Address { .. } => {
            let own = runs.iter().copied().find(|run| gave(run, &operation.outcome));
            if let Some(run) = own {
                resolved.revision = Some(run.answer.revision.get());
                resolved.index = Some(run.index);
            }
            // An identical request whose answer nobody heard had been executed before.
            let given = own.or_else(|| {
                all.iter().find(|run| same_request(run, operation) && gave(run, &operation.outcome))
            });
            let run = given.ok_or("it was answered, and the log does not say so")?;
            tell_claim(&mut resolved.outcome, run);
        }
        Outcome::Refused { code } => {
            let other = runs.iter().find(|run| match &run.answer.outcome {
                Ok(_) => true,
                Err(rejection) => rejection.code() != code && runs.len() == 1,
            });
            if let Some(run) = other {
                return Err(format!("it was refused, and the log says {:?}", run.answer.outcome));
            }
        }
        Outcome::NotDone => {
            if let Some(run) = runs.iter().find(|run| run.answer.outcome.is_ok()) {
                let outcome = &run.answer.outcome;
                return Err(format!("it was said not to be done, and the log says {outcome:?}"));
            }
        }
        Outcome::Unknown if runs.iter().all(|run| run.answer.outcome.is_err()) => {
            resolved.outcome = Outcome::NotDone;
        }
        Outcome::Unknown | Outcome::Done | Outcome::Listed(_) => {}
    }
    Ok(resolved)
}

/// Whether a command was given what a client was told.
fn gave(run: &Executed, told: &Outcome) -> bool {
    match (&run.answer.outcome, told) {
        (Ok(Response::Pool(grant)), Outcome::Pool { pool, claim }) => {
            grant.pool == *pool && claim.is_none_or(|claim| claim == grant.claim)
        }
        (Ok(Response::Address(grant)), Outcome::Address { address, claim }) => {
            grant.address == *address && claim.is_none_or(|claim| claim == grant.claim)
        }
        _ => false,
    }
}

/// Whether a command is an explicit request that is the same as an operation's.
fn same_request(run: &Executed, operation: &Operation) -> bool {
    run.envelope.client.as_str() == operation.host
        && match (&run.envelope.command, &operation.action) {
            (Command::RequestAddress(asked), Action::RequestAddress { pool, address, kind }) => {
                let explicit = address.is_some() || *kind == AddressKind::Gateway;
                asked.pool == *pool && asked.address == *address && explicit
            }
            (Command::RequestPool(asked), Action::RequestPool { space, prefix, sub_pool }) => {
                let same = matches!(&asked.wanted, WantedPool::Exact { prefix: whole, sub_pool: part }
                    if Some(*whole) == *prefix && part == sub_pool);
                asked.space == *space && same
            }
            _ => false,
        }
}

fn tell_claim(outcome: &mut Outcome, run: &Executed) {
    let made = match &run.answer.outcome {
        Ok(Response::Pool(grant)) => grant.claim,
        Ok(Response::Address(grant)) => grant.claim,
        _ => return,
    };
    if let Outcome::Pool { claim, .. } | Outcome::Address { claim, .. } = outcome {
        *claim = Some(made);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use berth_allocator::{
        AddressGrant, Answer, ClaimId, Envelope, Grant, Incarnation, Order, Owner, Rejection,
        RequestAddress, Revision, Sequence, Text,
    };

    use super::*;
    use crate::refusal;
    use crate::testing::{Script, address};

    const A: &str = "10.0.0.2";

    /// A request in the log, by the name of its endpoint, and what it was given; refused if nothing.
    fn executed(name: &str, wanted: Option<&str>, given: Option<&str>) -> Executed {
        let pool = "Global~1/10.0.0.0/24".parse().unwrap();
        let address: Option<IpAddr> = wanted.map(address);
        let owner = Some(Owner { name: Some(Text::new(name).unwrap()), ..Owner::default() });
        let (kind, order) = (AddressKind::Endpoint, Order::First);
        let asked =
            RequestAddress { pool, address, kind, order, key: None, owner, unverified: true };
        let envelope = Envelope {
            client: "host".parse().unwrap(),
            incarnation: Incarnation::new(1),
            sequence: Sequence::new(1),
            heard: Sequence::new(1),
            command: Command::RequestAddress(asked),
        };
        let grant = |text| AddressGrant {
            address: crate::testing::address(text),
            prefix_length: 24,
            claim: ClaimId::new(7),
            how: Grant::New,
        };
        let full = || Rejection::NoAvailableAddresses { range: "10.0.0.0/24".parse().unwrap() };
        let outcome = given.map(grant).map(Response::Address).ok_or_else(full);
        let answer = Answer { revision: Revision::new(7), outcome };
        Executed { index: 9, envelope, answer, first: true }
    }

    fn named(run: &Executed) -> Option<String> {
        let Command::RequestAddress(asked) = &run.envelope.command else { return None };
        asked.owner.as_ref()?.name.as_ref().map(|name| name.as_str().to_owned())
    }

    fn check(script: &Script, log: &[Executed]) -> (Vec<Operation>, usize) {
        let (resolved, found) = in_the_log(&script.history().operations, log, named);
        (resolved, found.len())
    }

    #[test]
    fn an_answer_is_in_the_log_and_learns_its_place() {
        let mut script = Script::new();
        script.given(1, A).request("r");
        let (resolved, found) = check(&script, &[executed("r", None, Some(A))]);
        assert_eq!(found, 0);
        assert_eq!((resolved[0].revision, resolved[0].index), (Some(7), Some(9)));
        let claim = Some(ClaimId::new(7));
        assert_eq!(resolved[0].outcome, Outcome::Address { address: address(A), claim });
        assert_eq!(check(&script, &[]).1, 1);
        assert_eq!(check(&script, &[executed("r", None, Some("10.0.0.3"))]).1, 1);
        assert_eq!(check(&script, &[executed("r", None, None)]).1, 1);
    }

    #[test]
    fn a_repeated_explicit_request_may_be_answered_by_its_first_run() {
        let mut script = Script::new();
        script.unknown(1, Some(A)).request("r");
        script.exact(1, A).request("s");
        assert_eq!(check(&script, &[executed("r", Some(A), Some(A))]).1, 0);
        assert_eq!(check(&script, &[executed("r", None, Some(A))]).1, 1);
    }

    #[test]
    fn what_was_said_not_to_be_done_is_not_there() {
        let mut script = Script::new();
        script.unknown(1, None).request("r").last().outcome = Outcome::NotDone;
        assert_eq!(check(&script, &[]).1, 0);
        assert_eq!(check(&script, &[executed("r", None, Some(A))]).1, 1);
        let mut script = Script::new();
        script.refused(1, None).request("r");
        assert_eq!(
            script.last().outcome,
            Outcome::Refused { code: refusal::NO_AVAILABLE_ADDRESSES.to_owned() }
        );
        assert_eq!(check(&script, &[executed("r", None, None)]).1, 0);
        assert_eq!(check(&script, &[executed("r", None, Some(A))]).1, 1);
    }

    #[test]
    fn what_nobody_knew_is_looked_up() {
        let mut script = Script::new();
        script.unknown(1, None).request("r");
        let outcome = |log: &[Executed]| check(&script, log).0[0].outcome.clone();
        assert_eq!(outcome(&[]), Outcome::NotDone);
        assert_eq!(outcome(&[executed("r", None, None)]), Outcome::NotDone);
        assert_eq!(outcome(&[executed("r", None, Some(A))]), Outcome::Unknown);
    }
}
