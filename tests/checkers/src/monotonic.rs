//! K6: whoever asks after an answer was given sees what it said: log indices and revisions go with
//! real time, and a list shows what clients, its own among them, were given before.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::holds::{Ends, Hold, holds};
use crate::place::Which;
use crate::{Action, Operation, Outcome, Rule, Scope, Violation};

/// Finds answers that are older than one that was there before they were asked for. In a local scope
/// each host has a log of its own.
pub fn monotonic(operations: &[Operation]) -> Vec<Violation> {
    let mut logs: HashMap<Option<&str>, Vec<&Operation>> = HashMap::new();
    for operation in operations.iter().filter(|operation| operation.outcome != Outcome::Unknown) {
        let host = (operation.scope == Scope::Local).then_some(operation.host.as_str());
        logs.entry(host).or_default().push(operation);
    }
    let index = |operation: &Operation| operation.index;
    let revision = |operation: &Operation| operation.revision;
    let in_log = logs.values().flat_map(|log| {
        let indices = ordered(log, "log index", index);
        indices.into_iter().chain(ordered(log, "revision", revision))
    });
    in_log.chain(unseen(operations)).collect()
}

/// Goes through the log in real time: an answer's number is above that of every write that was
/// answered before it was asked for. A request that is sent again has its first run's revision.
fn ordered(
    log: &[&Operation],
    what: &str,
    number: impl Fn(&Operation) -> Option<u64>,
) -> Vec<Violation> {
    let writes = |operation: &Operation| !matches!(operation.action, Action::List { .. });
    let mut asked: Vec<&Operation> =
        log.iter().copied().filter(|operation| number(operation).is_some()).collect();
    let mut answered: Vec<&Operation> =
        asked.iter().copied().filter(|operation| operation.returned.is_some()).collect();
    asked.sort_by_key(|operation| operation.invoked);
    answered.sort_by_key(|operation| operation.returned);
    let mut answered = answered.into_iter().peekable();
    let mut newest: Option<&Operation> = None;
    let mut found = Vec::new();
    for later in asked {
        while let Some(earlier) = answered.next_if(|earlier| earlier.returned < Some(later.invoked))
        {
            if newest.is_none_or(|newest| number(newest) < number(earlier)) {
                newest = Some(earlier);
            }
        }
        let Some(earlier) = newest else { continue };
        let again = later.request.is_some() && what == "revision";
        let both_write = writes(earlier) && writes(later);
        let wrong =
            number(later) < number(earlier) || (both_write && number(later) == number(earlier));
        if wrong && !again {
            let what = format!("a {what} that was answered before is not below a later one");
            found.push(Violation::new(Rule::Monotonic, what, [earlier, later]));
        }
    }
    found
}

/// Whoever lists a pool finds every address that was held all the while.
fn unseen(operations: &[Operation]) -> Vec<Violation> {
    let ends = Ends::of(operations);
    let mut by_pool: HashMap<Which<'_>, Vec<Hold<'_>>> = HashMap::new();
    for hold in holds(operations, &ends) {
        by_pool.entry(hold.which()).or_default().push(hold);
    }
    let mut found = Vec::new();
    for list in operations {
        let (Action::List { pool }, Outcome::Listed(listed)) = (&list.action, &list.outcome) else {
            continue;
        };
        let seen: HashSet<IpAddr> = listed.iter().map(|listed| listed.address).collect();
        let held = by_pool.get(&Which::of(list, pool)).map_or(&[][..], Vec::as_slice);
        let missing = held.iter().filter(|hold| {
            let all_the_while = hold.from < list.invoked && Some(hold.until) > list.returned;
            all_the_while && !seen.contains(&hold.address)
        });
        found.extend(missing.map(|hold| {
            let what = format!("a list does not show {}, which was held", hold.address);
            Violation::new(Rule::Monotonic, what, [hold.given, list])
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    fn check(script: &Script) -> usize {
        monotonic(&script.history().operations).len()
    }

    #[test]
    fn numbers_that_go_back_are_found() {
        let mut script = Script::new();
        script.given(1, "10.0.0.2").index(5, 3);
        script.given(1, "10.0.0.3").index(6, 4);
        assert_eq!(check(&script), 0);
        script.given(1, "10.0.0.4").index(7, 2);
        assert_eq!(check(&script), 1);
        script.given(1, "10.0.0.5").index(7, 9);
        assert_eq!(check(&script), 2, "two writes have one revision");
    }

    #[test]
    fn what_was_under_way_at_the_same_time_may_be_in_any_order() {
        let mut script = Script::new();
        script.at(0, 100).given(1, "10.0.0.2").index(6, 4);
        script.at(50, 60).given(1, "10.0.0.3").index(5, 3);
        assert_eq!(check(&script), 0);
    }

    #[test]
    fn a_read_sees_every_write_before_it() {
        let mut script = Script::new();
        script.given(1, "10.0.0.2").index(5, 3);
        script.listed(&["10.0.0.2"]).last().index = Some(3);
        assert_eq!(check(&script), 0);
        script.listed(&["10.0.0.2"]).last().index = Some(2);
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn a_list_shows_what_is_held() {
        let mut script = Script::new();
        script.given(1, "10.0.0.2");
        script.listed(&["10.0.0.2"]);
        assert_eq!(check(&script), 0);
        script.listed(&[]);
        assert_eq!(check(&script), 1);
        script.at(40, 90).unknown_release(1, "10.0.0.2");
        script.at(50, 60).listed(&[]);
        assert_eq!(check(&script), 1);
    }

    #[test]
    fn each_host_has_a_log_of_its_own_for_its_own_space() {
        let mut script = Script::local();
        script.given(1, "10.0.0.2").host("a").index(5, 3);
        script.given(1, "10.0.0.2").host("b").index(1, 1);
        assert_eq!(check(&script), 0);
    }
}
