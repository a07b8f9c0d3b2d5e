//! What must be true of any history of Berth's clients, however it came about: in a simulation, in
//! tests of real processes, in containers under chaos.
//!
//! A [`History`] is what clients did and were told. Each checker is a pure function over it, in a file
//! of its own, that gives the [`Violation`]s it found.

mod history;
mod holds;
mod monotonic;
mod never_lost;
mod never_twice;
mod no_phantoms;
mod one_answer;
mod operation;
mod place;
#[cfg(test)]
mod testing;
mod text;
mod violation;

pub use history::{History, Listing, ReadError};
pub use monotonic::monotonic;
pub use never_lost::never_lost;
pub use never_twice::never_twice;
pub use no_phantoms::no_phantoms;
pub use one_answer::one_answer;
pub use operation::{Action, Listed, Operation, Outcome, Scope, refusal};
pub use violation::{Rule, Violation};
