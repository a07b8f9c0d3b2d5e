//! Three nodes in one process, with real RocksDB and real TCP.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod faults;
mod strangers;
mod work;
mod world;
