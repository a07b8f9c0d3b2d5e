//! What must be true of a run: of what clients were told, of what is there in the end, and of the run
//! itself, which proves nothing if little was done or nothing went wrong.

use std::collections::BTreeMap;

use anyhow::Result;
use berth_allocator::Command;
use berth_checkers::{
    Entry, Executed, Fingerprint, History, Listing, Operation, Outcome, Rule, Scope, Violation,
    check, in_the_log, monotonic, replay, same_state,
};
use berth_node::api::types::Scope as ApiScope;

use crate::api::Api;
use crate::engine::{REQUEST, listed};
use crate::hosts::Host;

/// Acknowledged operations, below which a run is not one.
#[derive(Debug, Clone, Copy)]
pub struct Least {
    /// In all.
    pub all: usize,
    /// About the cluster's spaces, and about hosts' own.
    pub each_scope: usize,
}

/// What was found.
pub struct Judgement {
    /// Broken rules.
    pub violations: Vec<Violation>,
    /// Why the run does not count.
    pub invalid: Vec<String>,
    /// What was looked at, for the report.
    pub looked_at: Vec<(String, String)>,
    /// The history with what the log knows, and the last listings.
    pub history: History,
}

/// What is there when all is well again.
pub struct Last {
    /// All pools of the cluster and of each host.
    pub listings: Vec<Listing>,
    /// The nodes' states.
    pub fingerprints: Vec<Fingerprint>,
    /// The last entry that they applied.
    pub applied: u64,
}

/// Judges a run.
pub fn judge(
    operations: &[Operation],
    last: Last,
    log: Result<Vec<Entry>, String>,
    at_least: Least,
) -> Judgement {
    let mut invalid = too_little(operations, at_least);
    let mut violations = same_state(&last.fingerprints);
    let mut looked_at = Vec::new();
    let mut resolved = operations.to_vec();
    match log {
        Ok(log) => {
            let (executed, found) = replay(&log, &last.fingerprints);
            violations.extend(found);
            let found;
            (resolved, found) = in_the_log(operations, &executed, request);
            violations.extend(found);
            looked_at.push(("log entries executed again".into(), log.len().to_string()));
            looked_at.push(("commands in them".into(), executed.len().to_string()));
        }
        Err(why) => invalid.push(format!("the committed log is not whole: {why}")),
    }
    let history = History { operations: resolved, last: Some(last.listings) };
    // What was told in answers is checked against real time before the log adds what it knows.
    violations.extend(monotonic(operations));
    violations.extend(check(&history));
    let undecided = |violation: &Violation| violation.what.contains("not decided");
    invalid.extend(violations.iter().filter(|found| undecided(found)).map(|v| v.what.clone()));
    violations.retain(|violation| !undecided(violation));
    looked_at.push(("operations".into(), operations.len().to_string()));
    Judgement { violations, invalid, looked_at, history }
}

/// How a command of the log names the request that it came from.
fn request(executed: &Executed) -> Option<String> {
    let text = match &executed.envelope.command {
        Command::RequestAddress(request) => request.owner.as_ref()?.name.as_ref()?.as_str(),
        Command::RequestPool(request) => {
            let label = request.labels.iter().find(|(key, _)| key.as_str() == REQUEST)?;
            label.1.as_str()
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn too_little(operations: &[Operation], least: Least) -> Vec<String> {
    let mut by_scope: BTreeMap<Scope, usize> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| is_answered(operation)) {
        *by_scope.entry(operation.scope).or_default() += 1;
    }
    let all: usize = by_scope.values().sum();
    let mut invalid = Vec::new();
    if all < least.all {
        invalid.push(format!("only {all} operations were answered, of {} at least", least.all));
    }
    for scope in [Scope::Global, Scope::Local] {
        let count = by_scope.get(&scope).copied().unwrap_or_default();
        if count < least.each_scope {
            invalid.push(format!("only {count} operations of {scope:?} spaces were answered"));
        }
    }
    invalid
}

/// Whether somebody was told what came of it.
pub fn is_answered(operation: &Operation) -> bool {
    !matches!(operation.outcome, Outcome::Unknown | Outcome::NotDone)
}

/// Looks at everything that is there: the cluster's by one node, each host's own by itself.
pub async fn last_listings(hosts: &[Host]) -> Result<Vec<Listing>> {
    let mut listings = Vec::new();
    for (at, host) in hosts.iter().enumerate() {
        let api = Api::new(host.api_socket.clone());
        let mut scopes = vec![(ApiScope::Local, Scope::Local)];
        if at == 0 {
            scopes.push((ApiScope::Global, Scope::Global));
        }
        for (asked, scope) in scopes {
            let pools = api.pools(asked).await?;
            anyhow::ensure!(!pools.truncated, "{} has more pools than it lists", host.name);
            for pool in pools.items {
                let pool = pool.id.parse()?;
                let (addresses, _) = listed(&api, &pool).await?;
                listings.push(Listing { scope, host: host.name.clone(), pool, addresses });
            }
        }
    }
    Ok(listings)
}

/// A rule for each line of the report.
pub const RULES: [Rule; 9] = [
    Rule::NeverTwice,
    Rule::NeverLost,
    Rule::NoPhantoms,
    Rule::Linearizable,
    Rule::OneAnswer,
    Rule::Monotonic,
    Rule::InTheLog,
    Rule::Replayed,
    Rule::SameState,
];
