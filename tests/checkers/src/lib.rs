//! What must be true of any history of Berth's clients, however it came about: in a simulation, in
//! tests of real processes, in containers under chaos.
//!
//! A [`History`] is what clients did and were told. Each checker is a pure function over it, in a file
//! of its own, that gives the [`Violation`]s it found; `docs/internals/checkers.md` says what each of
//! them can see, and what it cannot.

mod each_pool;
mod history;
mod holds;
mod in_the_log;
mod linearizable;
mod monotonic;
mod never_lost;
mod never_twice;
mod no_phantoms;
mod one_answer;
mod operation;
mod place;
mod pool_model;
mod replay;
#[cfg(test)]
mod testing;
mod text;
mod violation;

pub use each_pool::each_pool_linearizable;
pub use history::{History, Listing, ReadError};
pub use in_the_log::in_the_log;
pub use linearizable::{Model, Timed, Verdict, linearize};
pub use monotonic::monotonic;
pub use never_lost::never_lost;
pub use never_twice::never_twice;
pub use no_phantoms::no_phantoms;
pub use one_answer::one_answer;
pub use operation::{Action, Listed, Operation, Outcome, Scope, refusal};
pub use replay::{Answered, Entry, Executed, Fingerprint, replay, replayed, same_state};
pub use violation::{Rule, Violation};

/// All that can be told from a history alone: K1 to K6.
pub fn check(history: &History) -> Vec<Violation> {
    let operations = &history.operations;
    let found = [
        never_twice(operations),
        never_lost(history),
        no_phantoms(history),
        each_pool_linearizable(operations),
        one_answer(operations),
        monotonic(operations),
    ];
    found.into_iter().flatten().collect()
}
