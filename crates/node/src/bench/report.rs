//! What a run was, and what came of it.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{ErrorCount, Holders, Left, Measured, Plan, Summary, Wanted};

/// What a run was, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What was asked for.
    pub setup: Setup,
    /// Addresses held from before the run, in all pools.
    pub filled: u64,
    /// For how long clients were measured.
    pub measured_seconds: f64,
    /// Whether it was ended early.
    pub interrupted: bool,
    /// Addresses asked for, and given.
    pub requests: Summary,
    /// Addresses given back.
    pub releases: Summary,
    /// Errors of the whole run, the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// Clients that had no answer yet when the run was ended early.
    pub unanswered: u64,
    /// How often an address was given while somebody held it.
    pub duplicates: u64,
    /// The first of those addresses.
    pub duplicate_addresses: Vec<IpAddr>,
    /// Pools that could not be given back.
    pub left: Vec<Left>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Plugin sockets that were asked.
    pub sockets: Vec<PathBuf>,
    /// The space of the pools.
    pub space: String,
    /// What they were cut from.
    pub pool_prefix: String,
    /// How many.
    pub pools: usize,
    /// How many clients asked.
    pub clients: usize,
    /// How full the pools were made before, in percent.
    pub fill_percent: u8,
    /// Addresses that a client held before it gave the oldest back; without it none was given back.
    pub hold: Option<u64>,
    /// How long nothing was recorded.
    pub warm_up_seconds: f64,
    /// How long was to be recorded.
    pub duration_seconds: f64,
}

impl Setup {
    /// Of these settings.
    pub fn of(wanted: &Wanted, plan: &Plan, space: &str) -> Self {
        Self {
            sockets: wanted.sockets.clone(),
            space: space.to_owned(),
            pool_prefix: wanted.prefix.to_string(),
            pools: wanted.pools,
            clients: wanted.clients,
            fill_percent: wanted.fill,
            hold: plan.hold,
            warm_up_seconds: plan.warm_up.as_secs_f64(),
            duration_seconds: plan.duration.as_secs_f64(),
        }
    }
}

impl Report {
    /// Of a run.
    pub fn of(setup: Setup, filled: u64, measured: &Measured, holders: &Holders) -> Self {
        let twice = holders.twice();
        Self {
            setup,
            filled,
            measured_seconds: measured.lasted.as_secs_f64(),
            interrupted: false,
            requests: measured.requests.summary(measured.lasted),
            releases: measured.releases.summary(measured.lasted),
            errors: measured.errors.counts(),
            unanswered: measured.unanswered as u64,
            duplicates: twice.count,
            duplicate_addresses: twice.examples,
            left: Vec::new(),
        }
    }

    /// How many errors there were.
    pub fn error_count(&self) -> u64 {
        self.errors.iter().map(|error| error.count).sum()
    }
}
