//! K2: what was acknowledged, and whose release nobody asked for, is there in the end.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use berth_allocator::AddressKind;

use crate::holds::{Ends, Hold, by_address, holds};
use crate::place::{Claimant, Place, Which};
use crate::{Action, History, Listed, Listing, Operation, Outcome, Rule, Violation};

/// Finds pools and addresses that are missing in the last listing. Without one nothing is found.
pub fn never_lost(history: &History) -> Vec<Violation> {
    let Some(last) = &history.last else { return Vec::new() };
    let there = There::new(last);
    let ends = Ends::of(&history.operations);
    let unheard: Vec<&Operation> = history
        .operations
        .iter()
        .filter(|operation| operation.outcome == Outcome::Unknown)
        .collect();
    let mut found = lost_pools(&history.operations, &there, &ends);
    for holds in by_address(holds(&history.operations, &ends)).values() {
        found.extend(holds.iter().filter(|hold| stands(hold, holds)).filter_map(|hold| {
            let adopted = || unheard.iter().any(|request| may_have_adopted(request, hold));
            // A list shows one claim on a gateway that hosts share, and one pool that it is of.
            let shared = hold.gateway && hold.claimant() != Claimant::REALM;
            let same =
                |at: &Which<'_>| *at == hold.which() || (shared && at.prefix == hold.pool.prefix);
            let seen = there.on(hold).find(|(at, _)| same(at)).map(|(_, listed)| listed);
            lost(hold, seen, || shared || adopted())
        }));
    }
    found
}

/// Whether a later session may have adopted a claim without hearing of it.
fn may_have_adopted(request: &Operation, hold: &Hold<'_>) -> bool {
    let Action::RequestAddress { pool, address, kind } = &request.action else { return false };
    let names =
        *address == Some(hold.address) || (address.is_none() && *kind == AddressKind::Gateway);
    names
        && request.session > hold.given.session
        && Which::of(request, pool) == hold.which()
        && Claimant::of(request, pool) == hold.claimant()
}

/// What was listed.
struct There<'a> {
    pools: HashSet<Which<'a>>,
    addresses: HashMap<(Place<'a>, IpAddr), Vec<(Which<'a>, &'a Listed)>>,
}

impl<'a> There<'a> {
    fn new(last: &'a [Listing]) -> Self {
        let mut there = Self { pools: HashSet::new(), addresses: HashMap::new() };
        for listing in last {
            let place = Place::at(listing.scope, &listing.host, &listing.pool.space);
            let which = Which::at(place.clone(), &listing.pool);
            for listed in &listing.addresses {
                let at = there.addresses.entry((place.clone(), listed.address)).or_default();
                at.push((which.clone(), listed));
            }
            there.pools.insert(which);
        }
        there
    }

    fn on(&self, hold: &Hold<'a>) -> impl Iterator<Item = (&Which<'a>, &'a Listed)> {
        let at = self.addresses.get(&(hold.place(), hold.address));
        at.into_iter().flatten().map(|(which, listed)| (which, *listed))
    }
}

/// Whether a hold was neither ended nor taken over by a later session.
fn stands(hold: &Hold<'_>, all: &[Hold<'_>]) -> bool {
    let later = |other: &Hold<'_>| {
        other.given.session > hold.given.session && other.claimant() == hold.claimant()
    };
    hold.until == u64::MAX && !all.iter().any(later)
}

fn lost(
    hold: &Hold<'_>,
    seen: Option<&Listed>,
    may_differ: impl Fn() -> bool,
) -> Option<Violation> {
    let missing = match (seen, hold.claim) {
        (None, _) => "is not there".to_owned(),
        (Some(Listed { claim: Some(found), .. }), Some(claim))
            if *found != claim && !may_differ() =>
        {
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
        let gone = !there.pools.contains(which) && !ends.may_have_ended(given, pool);
        let what = || format!("{pool} was given, not released, and is not there");
        gone.then(|| Violation::new(Rule::NeverLost, what(), [*given]))
    });
    found.collect()
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
        script.unknown(2, Some(A));
        let adopted = History { last: Some(vec![listing]), ..script.history() };
        assert_eq!(never_lost(&adopted), [], "a later session may have adopted it unheard");
    }
}
