//! Three nodes in one process, with real RocksDB and real TCP.

mod faults;
mod strangers;
mod work;
mod world;
