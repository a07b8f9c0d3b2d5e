//! Long random histories, against a model that is as naive as can be, written from the rules: flat
//! lists and linear scans, no index, no set of free addresses. After every command the answer must
//! be the model's, and so must all that the state shows.
//!
//! The invariants, and where each is checked, after every step unless said otherwise:
//!
//! | | invariant | where |
//! |---|---|---|
//! | A1 | no address has two holders | `State::check`, and from the answers alone in `never_twice.rs` |
//! | A2 | claims lie inside held pools, and are no edge | `State::check`; none that was reserved is given: the model's answers |
//! | A3 | each address of a pool is one thing, and they sum up to its size | `State::check`, and the count of each in `shown.rs` |
//! | A4 | pools overlap only where a sub-pool was asked for | `State::check`, and the model's answers |
//! | A5 | a state that was written, read and restored is equal, and stays so | `history.rs`, `equal`: at every seventh step |
//! | A6 | a second machine that applies the same is equal; so is its fingerprint | `history.rs`, `equal` (the fingerprint at every seventh step) |
//! | A7 | the state is the model's | each answer, and all that is shown of the space in `shown.rs`; of all spaces at every seventh step |
//! | A8 | no command panics | here those of the histories; any bytes in `hostile.rs` |
//! | A9 | limits hold | the bytes that the last one limits are counted right: `State::check`; each limit is reached in `limits.rs` and `size/tests.rs` |
//! | A10 | time never goes back, though proposers' clocks do | `history.rs`, `clock` and `agrees` |
//!
//! A history that fails is shrunk, and printed with the seed that repeats it:
//! `BERTH_MODEL_SEED` sets it, `BERTH_MODEL_STEPS` how many commands are tried in all.

mod address;
mod draw;
mod evidence;
mod history;
mod model;
mod never_twice;
mod pool;
mod shorten;
mod shown;

use std::cell::Cell;
use std::io::{Write, stderr};
use std::time::Instant;

use history::History;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};
use shorten::shorten;

/// Steps of a history, at most.
const STEPS_MAX: usize = 400;
/// Histories with one seed.
const HISTORIES: u32 = 500;

#[test]
fn random_histories_come_out_as_the_rules_say() {
    let steps = number("BERTH_MODEL_STEPS").unwrap_or(10_000);
    let any_seed = || TestRunner::default().rng().next_u32().into();
    let first = number("BERTH_MODEL_SEED").unwrap_or_else(any_seed);
    let (begun, mut done) = (Instant::now(), 0);
    for seed in first.. {
        done += histories(seed, steps - done).unwrap_or_else(|told| {
            panic!("{told}\nBERTH_MODEL_SEED={seed} BERTH_MODEL_STEPS={} repeats it", steps - done)
        });
        let seconds = begun.elapsed().as_secs();
        let _ = writeln!(stderr(), "{done} of {steps} steps, {seconds} s, seed {seed}");
        if done >= steps {
            break;
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.replace('_', "").parse().expect("a number"))
}

/// Tries histories that follow from a seed, and says how many steps they had, `enough` or a few
/// more at most. The error tells the shortest history that fails.
fn histories(seed: u64, enough: u64) -> Result<u64, String> {
    let config = ProptestConfig {
        cases: HISTORIES,
        // `shorten.rs` knows better how.
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let step = prop::array::uniform8(any::<u8>());
    let histories = prop::collection::vec(step, 1..=STEPS_MAX);
    let done = Cell::new(0);
    let tried = TestRunner::new_with_rng(config, rng).run(&histories, |steps| {
        if done.get() >= enough {
            return Ok(());
        }
        let (mut history, count) = (History::begin(), steps.len() as u64);
        let outcome = steps.into_iter().try_for_each(|step| history.step(step));
        done.set(done.get() + if outcome.is_ok() { count } else { 0 });
        outcome.map_err(TestCaseError::fail)
    });
    match tried {
        Ok(()) => Ok(done.get()),
        Err(TestError::Fail(reason, steps)) => {
            Err(format!("{reason}\nshortened:\n{}", shorten(&steps)))
        }
        Err(TestError::Abort(reason)) => Err(reason.to_string()),
    }
}
