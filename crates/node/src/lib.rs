//! The `berth` binary: a node of the cluster, the driver of its host's Docker engine, the HTTP API,
//! and the commands that ask it.
//!
//! A library only so that tests can reach its modules.

pub mod agent;
pub mod api;
mod audit;
pub mod bench;
pub mod cli;
pub mod code;
pub mod config;
mod descriptors;
pub mod docker;
pub mod doctor;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod host;
mod import;
pub mod logs;
mod looks;
mod manager;
pub mod peers;
mod process;
mod role;
mod room;
pub mod sender;
pub mod server;
pub mod spaces;
mod unix_http;
