//! Real processes whose connections go through proxies that break them, and whose disks, descriptors and
//! clients fail; clients at work meanwhile; and the checkers over all that they were told
//! (`docs/internals/robustness.md`).
#![allow(clippy::print_stdout, reason = "that is where a command reports")]

mod fault;
mod ground;
mod proxy;
mod rule;
mod run;
mod strike;

pub use fault::Fault;
pub use ground::Ground;
pub use proxy::Proxy;
pub use rule::{Effect, Rule};
pub use run::{Report, run};
