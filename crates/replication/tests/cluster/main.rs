//! Three nodes in one process, with real RocksDB and real TCP.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod backup;
mod damage;
mod faults;
mod kills;
mod members;
#[expect(unreachable_pub, reason = "public where the process-level suites have it")]
#[path = "../../../../tests/src/ports.rs"]
mod ports;
mod strangers;
mod work;
mod world;
