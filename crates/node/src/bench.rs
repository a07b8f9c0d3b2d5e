//! A load generator: clients that ask for one address after another, and what became of it.
//!
//! `berth bench` has it ask plugin sockets ([`Pools`]); whatever else gives addresses can be measured
//! in exactly the same way, by being a [`Target`]. *Invariant:* that no address is given twice is always
//! checked ([`Holders`]).

mod error_texts;
mod holders;
mod latencies;
mod plan;
mod plugin_client;
mod pools;
mod progress;
mod report;
mod run;
mod target;
mod wanted;

pub use error_texts::{ErrorCount, ErrorTexts};
pub use holders::{Holders, Twice};
pub use latencies::{Latencies, Summary};
pub use plan::{CLIENTS_MAX, DURATION_MAX, HELD_MAX, HOLD_NOTHING_BACK_MAX, Plan, PlanError};
pub use plugin_client::PluginClient;
pub use pools::{Left, Pools, PoolsError};
pub use progress::{Phase, Progress};
pub use report::{Report, Setup};
pub use run::{Client, Measured, fill, run};
pub use target::{Refused, Target};
pub use wanted::{CLIENTS_PER_SOCKET_MAX, POOLS_MAX, SOCKETS_MAX, Wanted, WantedError};
