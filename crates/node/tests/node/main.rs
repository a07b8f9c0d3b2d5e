//! Real nodes: the `berth` binary as processes, asked through its own commands and its sockets.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod api;
mod operator;
mod plugin;
#[expect(unreachable_pub, reason = "public where the process-level suites have it")]
#[path = "../../../../tests/src/ports.rs"]
mod ports;
mod quorum;
mod refusals;
mod spaces;
mod world;
