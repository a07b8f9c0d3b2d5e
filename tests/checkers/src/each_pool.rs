//! K4: each pool is linearizable: its operations could have been done one after the other, in keeping
//! with real time, with the answers that they gave.
//!
//! Pools over one prefix share its addresses and are one thing; everything else is apart.

use std::collections::BTreeMap;

use berth_allocator::Prefix;

use crate::linearizable::{Timed, Verdict, linearize};
use crate::place::Place;
use crate::pool_model::Pools;
use crate::{Action, Operation, Outcome, Rule, Violation};

/// Steps of the search for one prefix; a right history takes few more than it has operations.
const STEPS_MAX: u64 = 4_000_000;

/// Finds prefixes whose operations have no order. One for which none was found in time is reported as
/// well: what is not decided is no pass.
///
/// Precondition: pools whose prefixes overlap have the same prefix, and a client releases only what it
/// was given before.
pub fn each_pool_linearizable(operations: &[Operation]) -> Vec<Violation> {
    let mut prefixes: BTreeMap<(Place<'_>, Prefix), Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        let key = match (operation.pool(), &operation.action) {
            (Some(pool), _) => (Place::of(operation, pool), pool.prefix),
            (None, Action::RequestPool { space, prefix: Some(prefix), .. }) => {
                (Place::at(operation.scope, &operation.host, space), *prefix)
            }
            _ => continue,
        };
        if operation.outcome != Outcome::NotDone {
            prefixes.entry(key).or_default().push(operation);
        }
    }
    let found = prefixes.into_iter().filter_map(|((_, prefix), operations)| {
        let calls: Vec<Timed<usize>> = operations.iter().enumerate().map(timed).collect();
        let pools = Pools { prefix, operations };
        let verdict = linearize(&pools, &calls, STEPS_MAX);
        judge(&pools, verdict)
    });
    found.collect()
}

/// What is unknown puts the model in doubt at once, whenever it has its effect.
fn timed((call, operation): (usize, &&Operation)) -> Timed<usize> {
    let returned = match operation.outcome {
        Outcome::Unknown => Some(operation.invoked),
        _ => operation.returned,
    };
    Timed { invoked: operation.invoked, returned, call }
}

fn judge(pools: &Pools<'_>, verdict: Verdict) -> Option<Violation> {
    let Pools { prefix, operations } = pools;
    let (what, shown) = match verdict {
        Verdict::Linearizable => return None,
        Verdict::Undecided => {
            let count = operations.len();
            (format!("{prefix}: {count} operations, not decided in {STEPS_MAX} steps"), Vec::new())
        }
        Verdict::Impossible { explained } => {
            let mut left: Vec<&Operation> = (0..operations.len())
                .filter(|call| !explained.contains(call))
                .map(|call| operations[call])
                .collect();
            left.sort_by_key(|operation| operation.returned.unwrap_or(u64::MAX));
            left.truncate(1);
            let stuck = left.first().copied();
            let what = format!(
                "{prefix}: {} of {} operations have an order; this one has no place in it: {}",
                explained.len(),
                operations.len(),
                stuck.map_or_else(String::new, ToString::to_string)
            );
            (what, story(operations, stuck))
        }
    };
    Some(Violation::new(Rule::Linearizable, what, shown))
}

/// The operations on the address that an operation is about, in the order of their answers.
fn story<'a>(operations: &[&'a Operation], stuck: Option<&'a Operation>) -> Vec<&'a Operation> {
    let address = |operation: &Operation| match (&operation.action, &operation.outcome) {
        (_, Outcome::Address { address, .. })
        | (
            Action::RequestAddress { address: Some(address), .. }
            | Action::ReleaseAddress { address, .. },
            _,
        ) => Some(*address),
        _ => None,
    };
    let about = stuck.and_then(address);
    let mut story: Vec<&Operation> = operations
        .iter()
        .copied()
        .filter(|operation| about.is_some() && address(operation) == about)
        .collect();
    story.sort_by_key(|operation| operation.returned.unwrap_or(u64::MAX));
    story
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    const A: &str = "10.0.0.2";
    const B: &str = "10.0.0.3";

    fn check(script: &Script) -> usize {
        each_pool_linearizable(&script.history().operations).len()
    }

    fn pool() -> Script {
        let mut script = Script::new();
        script.pool(1);
        script
    }

    #[test]
    fn an_address_that_is_held_is_not_given() {
        let mut script = pool();
        script.given(1, A);
        script.released(1, A);
        script.given(1, A);
        assert_eq!(check(&script), 0);
        script.given(1, A);
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn a_refusal_needs_a_reason() {
        let mut script = pool();
        script.given(1, A);
        script.refused(1, Some(A));
        assert_eq!(check(&script), 0);
        script.refused(1, Some(B));
        assert_eq!(check(&script), 1);
        let mut script = pool();
        script.refused(1, None);
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn a_full_pool_is_full() {
        let mut script = Script::new();
        script.prefix("10.0.0.0/29").pool(1);
        for host in 1..=6 {
            script.given(1, &format!("10.0.0.{host}"));
        }
        script.refused(1, None);
        assert_eq!(check(&script), 0);
    }

    #[test]
    fn a_pool_must_be_there_and_is_when_it_was_given() {
        let mut script = Script::new();
        script.given(1, A);
        assert_eq!(check(&script), 1);
        let mut script = pool();
        script.refused_release(1, A);
        assert_eq!(check(&script), 1, "a pool that was given is not unknown");
        let mut script = pool();
        script.released_pool(1);
        script.refused_release(1, A);
        script.pool(1);
        script.given(1, A);
        assert_eq!(check(&script), 0);
    }

    #[test]
    fn a_pool_that_stands_is_given_to_later_sessions_only() {
        let mut script = pool();
        script.pool(2);
        assert_eq!(check(&script), 0);
        script.pool(2);
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn a_later_session_may_not_be_refused_what_it_replays() {
        let mut script = pool();
        script.given(1, A);
        script.pool(2);
        script.exact(2, A);
        script.refused(1, Some(A));
        assert_eq!(check(&script), 0);
        let mut script = pool();
        script.given(1, A);
        script.pool(2);
        script.refused(2, Some(A));
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn what_is_unknown_allows_both_and_excuses_no_second_owner() {
        let mut script = pool();
        script.unknown(1, Some(A));
        script.refused(1, Some(A));
        script.unknown(1, None);
        script.refused(1, Some(B));
        script.given(1, A);
        assert_eq!(check(&script), 0);
        script.given(1, A);
        assert_eq!(check(&script), 1);
        let mut script = pool();
        script.given(1, A);
        script.unknown_release(1, A);
        script.refused(1, Some(A));
        script.given(1, A);
        assert_eq!(check(&script), 0);
        script.given(1, A);
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn a_list_shows_what_is_held_and_nothing_else() {
        let mut script = pool();
        script.given(1, A);
        script.listed(&[A]);
        assert_eq!(check(&script), 0);
        script.listed(&[A, B]);
        assert_eq!(check(&script), 1);
        let mut script = pool();
        script.given(1, A);
        script.listed(&[]);
        assert_eq!(check(&script), 1);
        let mut script = pool();
        script.unknown(1, None);
        script.listed(&[B]);
        assert_eq!(check(&script), 0);
    }

    #[test]
    fn hosts_share_a_gateway_of_a_shared_pool() {
        let mut script = Script::shared();
        for host in ["a", "b"] {
            script.pool(1).host(host);
            script.gateway(1, A).host(host);
        }
        assert_eq!(check(&script), 0);
        script.given(1, A).host("b");
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn operations_that_overlap_may_be_in_either_order() {
        let mut script = pool();
        script.given(1, A);
        script.at(20, 90).released(1, A);
        script.at(30, 40).given(1, A);
        assert_eq!(check(&script), 0);
    }
}
