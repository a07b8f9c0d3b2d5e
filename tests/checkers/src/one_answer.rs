//! K5: a request that is sent again gets the answer of its first run.

use std::collections::BTreeMap;

use crate::{Operation, Outcome, Rule, Violation};

/// Finds requests with several answers. What was not executed, or not heard, is no answer.
pub fn one_answer(operations: &[Operation]) -> Vec<Violation> {
    let mut answers: BTreeMap<&str, &Operation> = BTreeMap::new();
    let mut found = Vec::new();
    for operation in operations {
        let Some(request) = &operation.request else { continue };
        if matches!(operation.outcome, Outcome::NotDone | Outcome::Unknown) {
            continue;
        }
        let first = *answers.entry(request).or_insert(operation);
        let same_revision = first.revision.is_none()
            || operation.revision.is_none()
            || first.revision == operation.revision;
        if first.outcome != operation.outcome || !same_revision {
            let what = format!("request {request} was answered in two ways");
            found.push(Violation::new(Rule::OneAnswer, what, [first, operation]));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    #[test]
    fn two_answers_to_one_request_are_found() {
        let mut script = Script::new();
        script.unknown(1, None).request("r");
        script.given(1, "10.0.0.2").request("r").index(5, 9);
        script.given(1, "10.0.0.2").request("r").index(5, 10);
        script.given(1, "10.0.0.3").request("s");
        assert_eq!(one_answer(&script.history().operations), []);
        script.given(1, "10.0.0.3").request("r");
        script.given(1, "10.0.0.2").request("r").index(6, 11);
        assert_eq!(one_answer(&script.history().operations).len(), 2);
    }
}
