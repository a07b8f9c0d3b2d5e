//! K3: nothing is there that nobody asked for, and nothing whose release was answered.
//!
//! A claim in the last listing must be explained by an answer that gave it, or by a request whose
//! outcome is unknown. One such request explains one address at most.

use std::collections::HashMap;
use std::net::IpAddr;

use berth_allocator::{AddressKind, PoolId};

use crate::holds::{Ends, Hold, by_address, holds};
use crate::place::{Place, Which};
use crate::{Action, History, Listing, Operation, Outcome, Rule, Violation};

/// Finds answers that fit no question, and claims in the last listing that nothing explains.
pub fn no_phantoms(history: &History) -> Vec<Violation> {
    let mut found: Vec<Violation> = history.operations.iter().filter_map(misfit).collect();
    let Some(last) = &history.last else { return found };
    let ends = Ends::of(&history.operations);
    let holds = by_address(holds(&history.operations, &ends));
    let mut unknown = Unknown::of(&history.operations);
    for listing in last {
        let place = Place::at(listing.scope, &listing.host, &listing.pool.space);
        let which = Which::at(place.clone(), &listing.pool);
        for address in listing.addresses.iter().map(|listed| listed.address) {
            let given = holds.get(&(place.clone(), address)).map_or(&[][..], Vec::as_slice);
            let stands = |hold: &Hold<'_>| hold.which() == which && !ends.surely(hold);
            if !given.iter().any(stands) && !unknown.explains(&which, address) {
                found.push(phantom(listing, address, given));
            }
        }
    }
    found
}

/// An answer that fits no question.
fn misfit(operation: &Operation) -> Option<Violation> {
    let fits = match (&operation.action, &operation.outcome) {
        (
            Action::RequestAddress { pool, address: wanted, kind },
            Outcome::Address { address, .. },
        ) => {
            let inside = pool.prefix.offset(*address).is_some();
            // A gateway that the pool has already may lie outside of its part for dynamic requests.
            let range = pool.sub_pool.filter(|_| *kind != AddressKind::Gateway);
            let chosen = range.is_none_or(|range| range.offset(*address).is_some());
            inside && wanted.map_or(chosen, |wanted| wanted == *address)
        }
        (Action::RequestPool { space, prefix, sub_pool }, Outcome::Pool { pool, .. }) => {
            // A part that is wider than the pool means the whole pool.
            let part = |part| pool.sub_pool == Some(part) || pool.sub_pool == Some(pool.prefix);
            pool.space == *space
                && prefix.is_none_or(|prefix| prefix == pool.prefix)
                && sub_pool.map_or(pool.sub_pool.is_none(), part)
        }
        (Action::RequestAddress { .. } | Action::RequestPool { .. }, Outcome::Done)
        | (Action::ReleaseAddress { .. } | Action::ReleasePool { .. }, Outcome::Address { .. })
        | (Action::ReleaseAddress { .. } | Action::ReleasePool { .. }, Outcome::Pool { .. }) => {
            false
        }
        _ => true,
    };
    let what = || "the answer fits no such question".to_owned();
    (!fits).then(|| Violation::new(Rule::NoPhantoms, what(), [operation]))
}

fn phantom(listing: &Listing, address: IpAddr, given: &[Hold<'_>]) -> Violation {
    let pool: &PoolId = &listing.pool;
    let what = match given {
        [] => format!("{address} of {pool} is held, and nobody was given it"),
        _ => format!("{address} of {pool} is held, though its release was answered"),
    };
    Violation::new(Rule::NoPhantoms, what, given.iter().map(|hold| hold.given))
}

/// Requests whose outcome is unknown, and that explain nothing yet.
struct Unknown<'a> {
    exact: HashMap<(Which<'a>, IpAddr), usize>,
    any: HashMap<Which<'a>, usize>,
}

impl<'a> Unknown<'a> {
    fn of(operations: &'a [Operation]) -> Self {
        let mut unknown = Self { exact: HashMap::new(), any: HashMap::new() };
        for operation in operations.iter().filter(|operation| operation.outcome == Outcome::Unknown)
        {
            let Action::RequestAddress { pool, address, .. } = &operation.action else { continue };
            let which = Which::of(operation, pool);
            *match address {
                Some(address) => unknown.exact.entry((which, *address)).or_default(),
                None => unknown.any.entry(which).or_default(),
            } += 1;
        }
        unknown
    }

    fn explains(&mut self, which: &Which<'a>, address: IpAddr) -> bool {
        let take = |left: Option<&mut usize>| match left {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        };
        take(self.exact.get_mut(&(which.clone(), address))) || take(self.any.get_mut(which))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Script, address};

    const A: &str = "10.0.0.2";
    const B: &str = "10.0.0.3";

    fn check(script: &Script, there: &[(&str, u64)]) -> usize {
        let last = Some(vec![script.listing(there)]);
        no_phantoms(&History { last, ..script.history() }).len()
    }

    #[test]
    fn what_nobody_asked_for_is_found() {
        let mut script = Script::new();
        script.given(1, A);
        assert_eq!(check(&script, &[(A, 1)]), 0);
        assert_eq!(check(&script, &[(A, 1), (B, 1)]), 1);
        script.refused(1, Some(B));
        assert_eq!(check(&script, &[(A, 1), (B, 1)]), 1);
    }

    #[test]
    fn a_request_of_unknown_outcome_explains_one_address() {
        let mut script = Script::new();
        script.unknown(1, None);
        assert_eq!(check(&script, &[(A, 1)]), 0);
        assert_eq!(check(&script, &[(A, 1), (B, 1)]), 1);
        script.unknown(1, Some(B));
        assert_eq!(check(&script, &[(A, 1), (B, 1)]), 0);
    }

    #[test]
    fn what_was_released_is_gone() {
        let mut script = Script::new();
        script.given(1, A);
        script.released(1, A);
        assert_eq!(check(&script, &[(A, 1)]), 1);
        script.given(1, A);
        assert_eq!(check(&script, &[(A, 1)]), 0);
    }

    #[test]
    fn a_release_that_may_have_been_late_or_was_fenced_explains_what_is_there() {
        let mut script = Script::new();
        script.given(1, A);
        script.unknown_release(1, A);
        assert_eq!(check(&script, &[(A, 1)]), 0);
        let mut script = Script::new();
        script.given(1, A);
        script.exact(2, A);
        script.released(1, A);
        assert_eq!(check(&script, &[(A, 2)]), 0);
    }

    #[test]
    fn an_answer_that_fits_no_question_is_found() {
        let mut script = Script::new();
        script.exact(1, A);
        if let Outcome::Address { address: given, .. } = &mut script.last().outcome {
            *given = address(B);
        }
        script.given(1, "10.0.1.2");
        assert_eq!(no_phantoms(&script.history()).len(), 2);
    }
}
