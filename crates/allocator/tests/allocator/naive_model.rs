//! Long random histories, against a model that is as naive as can be, written from the rules: flat
//! lists and linear scans, no index, no set of free addresses. After every command the answer must
//! be the model's, every invariant must hold, a machine that was restored from a snapshot must be
//! equal, and no address is given twice.
//!
//! `BERTH_MODEL_STEPS` sets how many commands are tried in all.

mod address;
mod evidence;
mod history;
mod model;
mod never_twice;
mod pool;

use history::History;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const STEPS_PER_HISTORY: usize = 200;

#[test]
fn random_histories_come_out_as_the_rules_say() {
    let steps = std::env::var("BERTH_MODEL_STEPS").map_or(10_000, |steps| steps.parse().unwrap());
    let cases = u32::try_from(steps / STEPS_PER_HISTORY).unwrap().max(1);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let step = prop::array::uniform8(any::<u8>());
    let histories = prop::collection::vec(step, STEPS_PER_HISTORY);
    TestRunner::new(config)
        .run(&histories, |steps| {
            let mut history = History::begin();
            for picks in steps {
                history.step(picks).map_err(TestCaseError::fail)?;
            }
            Ok(())
        })
        .unwrap();
}
