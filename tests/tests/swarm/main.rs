//! Swarm's overlay networks with addresses from Berth, on three real engines.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "that is where a test reports")]

#[cfg(test)]
mod agents;
#[cfg(test)]
mod docker;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod host;
#[cfg(test)]
mod picture;
#[cfg(test)]
mod plugin;
#[cfg(test)]
mod swarm;
