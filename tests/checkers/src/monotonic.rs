//! K6: whoever asks after an answer was given sees what it said: log indices and revisions go with
//! real time, and a client reads its own writes.

use std::collections::HashMap;

use crate::place::Place;
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
    in_log.chain(unread(operations)).collect()
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

/// A client that was given an address, and neither released it nor began a new session since, finds
/// it in a list of its pool.
fn unread(operations: &[Operation]) -> Vec<Violation> {
    let mut by_client: HashMap<u32, Vec<&Operation>> = HashMap::new();
    for operation in operations {
        by_client.entry(operation.client).or_default().push(operation);
    }
    let mut found = Vec::new();
    for own in by_client.values_mut() {
        own.sort_by_key(|operation| operation.invoked);
        let mut holds = HashMap::new();
        for operation in own {
            let Some(pool) = operation.pool() else { continue };
            let place = (Place::of(operation, pool), pool.prefix, pool.sub_pool);
            match (&operation.action, &operation.outcome) {
                (Action::RequestAddress { .. }, Outcome::Address { address, .. }) => {
                    holds.insert((place, *address), *operation);
                }
                (Action::ReleaseAddress { address, .. }, _) => {
                    holds.remove(&(place, *address));
                }
                (Action::List { .. }, Outcome::Listed(listed)) => {
                    let missing = holds.iter().filter(|((of, address), _)| {
                        *of == place && !listed.iter().any(|seen| seen.address == *address)
                    });
                    let what = "a client does not see what it was given".to_owned();
                    found.extend(missing.map(|(_, given)| {
                        Violation::new(Rule::Monotonic, what.clone(), [*given, *operation])
                    }));
                }
                _ => holds.retain(|(of, _), _| *of != place),
            }
        }
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
    fn a_client_reads_its_own_writes() {
        let mut script = Script::new();
        script.given(1, "10.0.0.2").last().client = 9;
        script.listed(&["10.0.0.2"]).last().client = 9;
        assert_eq!(check(&script), 0);
        script.listed(&[]).last().client = 9;
        assert_eq!(check(&script), 1);
        script.released(1, "10.0.0.2").last().client = 9;
        script.listed(&[]).last().client = 9;
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
