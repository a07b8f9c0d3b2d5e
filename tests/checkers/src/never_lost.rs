//! K2: what was acknowledged, and whose release nobody asked for, is there in the end.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::holds::{Ends, Hold, by_address, holds};
use crate::place::{Claimant, Place, Which};
use crate::{Action, History, Listed, Listing, Operation, Outcome, Rule, Scope, Violation};

/// Finds pools and addresses that are missing in the last listing. Without one nothing is found.
pub fn never_lost(history: &History) -> Vec<Violation> {
    let Some(last) = &history.last else { return Vec::new() };
    let there = There::new(last);
    let ends = Ends::of(&history.operations);
    let mut found = lost_pools(&history.operations, &there, &ends);
    for holds in by_address(holds(&history.operations, &ends)).values() {
        found.extend(holds.iter().filter(|hold| stands(hold, holds)).filter_map(|hold| {
            let seen = there.addresses.get(&(hold.which(), hold.address));
            lost(hold, seen.copied())
        }));
    }
    found
}

/// What was listed.
struct There<'a> {
    pools: HashMap<Which<'a>, &'a Listing>,
    addresses: HashMap<(Which<'a>, IpAddr), &'a Listed>,
}

impl<'a> There<'a> {
    fn new(last: &'a [Listing]) -> Self {
        let mut there = Self { pools: HashMap::new(), addresses: HashMap::new() };
        for listing in last {
            let place = Place::at(listing.scope, &listing.host, &listing.pool.space);
            let which = Which::at(place, &listing.pool);
            for listed in &listing.addresses {
                there.addresses.insert((which.clone(), listed.address), listed);
            }
            there.pools.insert(which, listing);
        }
        there
    }
}

/// Whether a hold was neither ended nor taken over by a later session. Of a host's own pools only
/// those of its latest session stand for certain.
fn stands(hold: &Hold<'_>, all: &[Hold<'_>]) -> bool {
    let later = |other: &Hold<'_>| {
        other.given.session > hold.given.session && other.claimant() == hold.claimant()
    };
    hold.until == u64::MAX && !all.iter().any(later)
}

fn lost(hold: &Hold<'_>, seen: Option<&Listed>) -> Option<Violation> {
    let missing = match (seen, hold.claim) {
        (None, _) => "is not there".to_owned(),
        (Some(Listed { claim: Some(found), .. }), Some(claim)) if *found != claim => {
            format!("has claim {found} instead of {claim}")
        }
        _ => return None,
    };
    let what = format!("{} of {} was given, not released, and {missing}", hold.address, hold.pool);
    Some(Violation::new(Rule::NeverLost, what, [hold.given]))
}

fn lost_pools<'a>(
    operations: &'a [Operation],
    there: &There<'a>,
    ends: &Ends<'a>,
) -> Vec<Violation> {
    let mut latest: BTreeMap<(Which<'a>, Claimant<'a>), &'a Operation> = BTreeMap::new();
    for given in operations {
        let Outcome::Pool { pool, .. } = &given.outcome else { continue };
        let standing = latest.entry((Which::of(given, pool), Claimant::of(given, pool)));
        let standing = standing.or_insert(given);
        if standing.session <= given.session {
            *standing = given;
        }
    }
    let found = latest.iter().filter_map(|((which, _), given)| {
        let Outcome::Pool { pool, .. } = &given.outcome else { return None };
        let gone = !there.pools.contains_key(which)
            && !ends.may_have_ended(given, pool)
            && !may_have_yielded(given, operations);
        let what = || format!("{pool} was given, not released, and is not there");
        gone.then(|| Violation::new(Rule::NeverLost, what(), [*given]))
    });
    found.collect()
}

/// Of a host's own pools, those of earlier sessions give way.
fn may_have_yielded(given: &Operation, operations: &[Operation]) -> bool {
    given.scope == Scope::Local
        && operations.iter().any(|other| {
            other.scope == Scope::Local
                && other.host == given.host
                && other.session > given.session
                && matches!(other.action, Action::RequestPool { prefix: Some(_), .. })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    const A: &str = "10.0.0.2";

    fn check(script: &Script, there: Option<&[(&str, u64)]>) -> usize {
        let last = there.map(|addresses| script.listing(addresses));
        never_lost(&History { last: Some(last.into_iter().collect()), ..script.history() }).len()
    }

    #[test]
    fn what_is_there_is_right_and_what_is_missing_is_found() {
        let mut script = Script::new();
        script.pool(1);
        script.given(1, A);
        assert_eq!(check(&script, Some(&[(A, 1)])), 0);
        assert_eq!(check(&script, Some(&[])), 1);
        assert_eq!(check(&script, None), 2, "the pool as well");
    }

    #[test]
    fn what_was_or_may_have_been_released_need_not_be_there() {
        let mut script = Script::new();
        script.pool(1);
        script.given(1, A);
        script.unknown_release(1, A);
        assert_eq!(check(&script, Some(&[])), 0);
        let mut script = Script::new();
        script.pool(1);
        script.given(1, A);
        script.released_pool(1);
        assert_eq!(check(&script, None), 0);
    }

    #[test]
    fn a_refused_or_an_earlier_release_ends_nothing() {
        let mut script = Script::new();
        script.given(1, A);
        script.refused_release(1, A);
        assert_eq!(check(&script, None), 1);
        let mut script = Script::new();
        script.unknown_release(1, A);
        script.given(1, A);
        assert_eq!(check(&script, None), 1);
    }

    #[test]
    fn a_deposed_managers_release_ends_nothing() {
        let mut script = Script::new();
        script.given(1, A);
        script.exact(2, A);
        script.released(1, A);
        assert_eq!(check(&script, Some(&[(A, 2)])), 0);
        assert_eq!(check(&script, None), 1);
    }

    #[test]
    fn an_unheard_answer_need_not_be_there() {
        let mut script = Script::new();
        script.unknown(1, Some(A));
        assert_eq!(check(&script, None), 0);
    }

    #[test]
    fn another_claim_is_not_the_one_that_was_given() {
        let mut script = Script::new();
        script.given(1, A).claim(7);
        let mut listing = script.listing(&[(A, 1)]);
        listing.addresses[0].claim = Some(berth_allocator::ClaimId::new(7));
        let history =
            |listing: &Listing| History { last: Some(vec![listing.clone()]), ..script.history() };
        assert_eq!(never_lost(&history(&listing)), []);
        listing.addresses[0].claim = Some(berth_allocator::ClaimId::new(9));
        assert_eq!(never_lost(&history(&listing)).len(), 1);
    }
}
