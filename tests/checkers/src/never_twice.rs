//! K1: no address has two live owners.
//!
//! An address is held from the answer that gave it until a release of it was asked for: between the
//! two it was its owner's for certain, so two such times that overlap are a fault, without false
//! alarms. (On a host's own pools, one of an earlier session ends as well when an explicit request for
//! another that overlaps it is made.) The claim rules know two ways in which an address is rightly
//! given while it is held:
//!
//! - A later session of the same claimant asks for the same address of the same pool: it adopts the
//!   claim, whose owner is the same object. From then on the earlier claim counts no more.
//! - Hosts of a shared space share a gateway.
//!
//! A third, reservations that are common to the hosts of a shared space, is not known here.

use crate::holds::{Ends, Hold, by_address, holds};
use crate::{Operation, Rule, Violation};

/// Finds addresses that were held twice.
pub fn never_twice(operations: &[Operation]) -> Vec<Violation> {
    let ends = Ends::of(operations);
    let mut addresses: Vec<_> = by_address(holds(operations, &ends)).into_iter().collect();
    addresses.sort_by(|(one, _), (other, _)| one.cmp(other));
    addresses.iter().flat_map(|(_, holds)| twice(holds)).collect()
}

/// Goes through the holds of one address in the order of their beginnings.
fn twice(holds: &[Hold<'_>]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut live: Vec<&Hold<'_>> = Vec::new();
    // A hold whose release was asked for before its answer came was never certain.
    for hold in holds.iter().filter(|hold| hold.until > hold.from) {
        live.retain(|earlier| earlier.until > hold.from);
        let mut counts = true;
        live.retain(|other| match judge(other, hold) {
            Verdict::Both => true,
            Verdict::Second => false,
            Verdict::First => {
                counts = false;
                true
            }
            Verdict::Fault => {
                found.push(fault(other, hold));
                true
            }
        });
        if counts {
            live.push(hold);
        }
    }
    found
}

/// Which of two holds of one address count.
enum Verdict {
    Both,
    First,
    Second,
    Fault,
}

fn judge(first: &Hold<'_>, second: &Hold<'_>) -> Verdict {
    let same_claim = first.claim.is_some() && first.claim == second.claim;
    let same_pool = first.which() == second.which();
    if same_claim && same_pool {
        return Verdict::First;
    }
    if first.claimant() != second.claimant() {
        return if first.gateway && second.gateway { Verdict::Both } else { Verdict::Fault };
    }
    // Answers may come in another order than that in which they were decided.
    if takes_over(first, second) {
        Verdict::Second
    } else if takes_over(second, first) {
        Verdict::First
    } else {
        Verdict::Fault
    }
}

/// Whether the later session's hold may follow the earlier one's while that lasts.
fn takes_over(earlier: &Hold<'_>, later: &Hold<'_>) -> bool {
    let in_order = earlier.given.session < later.given.session
        && Some(earlier.given.invoked) <= later.given.returned;
    in_order && later.named && earlier.which() == later.which()
}

fn fault(first: &Hold<'_>, second: &Hold<'_>) -> Violation {
    let what = format!(
        "{} of {} was held by {} and by {}",
        first.address, first.pool, first.given.host, second.given.host
    );
    Violation::new(Rule::NeverTwice, what, [first.given, second.given])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    const A: &str = "10.0.0.2";

    fn check(script: &Script) -> usize {
        never_twice(&script.history().operations).len()
    }

    #[test]
    fn an_address_given_twice_is_found() {
        let mut script = Script::new();
        script.given(1, A);
        script.given(1, A);
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn after_its_release_it_may_be_given_again() {
        let mut script = Script::new();
        script.given(1, A);
        script.released(1, A);
        script.given(1, A);
        assert_eq!(check(&script), 0);
    }

    #[test]
    fn a_release_that_is_under_way_or_of_unknown_outcome_may_have_ended_it() {
        let mut script = Script::new();
        script.given(1, A);
        script.at(20, 90).released(1, A);
        script.at(30, 40).given(1, A);
        script.at(100, 110).unknown_release(1, A);
        script.at(200, 210).given(1, A);
        assert_eq!(check(&script), 0);
    }

    #[test]
    fn a_late_release_ends_nothing_that_was_asked_for_since() {
        let mut script = Script::new();
        script.given(1, A);
        script.at(20, 1_000).unknown_release(1, A);
        script.at(30, 40).given(1, A);
        script.at(50, 60).given(1, A);
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn a_refused_release_ends_nothing() {
        let mut script = Script::new();
        script.given(1, A);
        script.refused_release(1, A);
        script.given(1, A);
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn a_later_session_adopts_what_it_names() {
        let mut script = Script::new();
        script.given(1, A);
        script.exact(2, A);
        script.released(1, A);
        assert_eq!(check(&script), 0);
        script.given(2, A);
        assert_eq!(check(&script), 1, "the deposed manager's release ended nothing");
    }

    #[test]
    fn an_adoption_whose_answer_came_first_is_one() {
        let mut script = Script::new();
        script.at(0, 100).given(1, A);
        script.at(10, 20).exact(2, A);
        assert_eq!(check(&script), 0);
    }

    #[test]
    fn an_earlier_session_adopts_nothing_and_neither_does_who_names_nothing() {
        let mut script = Script::new();
        script.exact(2, A);
        script.exact(1, A);
        assert_eq!(check(&script), 1);
        let mut script = Script::new();
        script.given(1, A);
        script.given(2, A);
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn the_same_request_again_is_the_same_hold() {
        let mut script = Script::new();
        script.given(1, A).claim(7);
        script.given(1, A).claim(7);
        assert_eq!(check(&script), 0);
        script.given(1, A).claim(8);
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn hosts_share_a_gateway_and_nothing_else() {
        let mut script = Script::shared();
        script.gateway(1, A).host("a");
        script.gateway(1, A).host("b");
        assert_eq!(check(&script), 0);
        script.exact(1, A).host("c");
        assert_eq!(check(&script), 2);
    }

    #[test]
    fn each_host_has_its_own_local_addresses() {
        let mut script = Script::local();
        script.given(1, A).host("a");
        script.given(1, A).host("b");
        assert_eq!(check(&script), 0);
        script.given(1, A).host("b");
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn a_hosts_own_pool_gives_way_to_a_later_session() {
        let mut script = Script::local();
        script.given(1, A).host("a");
        script.prefix("10.0.0.0/16").pool(2).host("a");
        script.given(2, A).host("a");
        assert_eq!(check(&script), 0);
        script.prefix("10.0.0.0/8").pool(2).host("a");
        script.given(2, A).host("a");
        assert_eq!(check(&script), 1);
    }
}
