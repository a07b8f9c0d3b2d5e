//! Deterministic simulation: the real code of a whole cluster and its engines, in one thread, over a
//! simulated network, clock and disk. One seed is a whole scenario, and the same seed is the same run.
//!
//! `docs/internals/simulation.md` says how it works and how a failure is read.
#![cfg(tokio_unstable)]

mod call;
mod claimant;
mod history;
mod host;
mod liveness;
mod machine;
mod monitor;
mod nemesis;
mod network;
mod node;
mod panics;
mod report;
mod rng;
mod scenario;
mod scene;
mod simulation;
mod store;
mod trace;
mod verdict;
mod witness;

pub use report::Report;
pub use scenario::Fault;
pub use simulation::run;
