//! Histories of a right allocator, with whatever overlaps in time and whatever is not heard, pass; and
//! the same histories with one answer changed do not.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod world;

use berth_checkers::{Outcome, check};
use proptest::prelude::*;
use proptest::sample::Index;
use world::{Step, history};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(any::<[u8; 7]>().prop_map(Step::from), 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_a_right_allocator_answers_passes(steps in steps()) {
        let found = check(&history(&steps).0);
        prop_assert!(found.is_empty(), "{}", found[0]);
    }

    #[test]
    fn a_second_owner_is_found(steps in steps(), pick in any::<Index>()) {
        let (mut history, kept) = history(&steps);
        if kept.is_empty() {
            return Ok(());
        }
        let mut again = history.operations[*pick.get(&kept)].clone();
        let end = history.operations.iter().filter_map(|operation| operation.returned).max();
        let end = end.unwrap_or_default();
        (again.invoked, again.returned) = (end + 1, Some(end + 2));
        (again.client, again.revision, again.index) = (u32::MAX, None, None);
        if let Outcome::Address { claim, .. } = &mut again.outcome {
            *claim = None;
        }
        history.operations.push(again);
        prop_assert!(!check(&history).is_empty());
    }

    #[test]
    fn a_lost_address_is_found(steps in steps(), pick in any::<Index>()) {
        let (mut history, kept) = history(&steps);
        if kept.is_empty() {
            return Ok(());
        }
        let given = &history.operations[*pick.get(&kept)];
        let Outcome::Address { claim, .. } = given.outcome else { unreachable!() };
        for listing in history.last.iter_mut().flatten() {
            if listing.scope == given.scope {
                listing.addresses.retain(|listed| listed.claim != claim);
            }
        }
        prop_assert!(!check(&history).is_empty());
    }
}
