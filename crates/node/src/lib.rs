//! The `berth` binary.

pub mod docker;
pub mod sender;
