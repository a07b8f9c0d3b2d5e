//! What everybody in a simulation has in common.

use std::collections::BTreeMap;
use std::fmt::Arguments;

use crate::history::Recorder;
use crate::host::Host;
use crate::network::{Micros, Network};
use crate::trace::Trace;

/// The stage on which a scenario is played.
pub(crate) struct Scene {
    /// Simulated time.
    pub(crate) now: Micros,
    /// All hosts: nodes, then agents.
    pub(crate) hosts: Vec<Host>,
    /// How many of them are nodes.
    pub(crate) nodes: usize,
    /// What joins them.
    pub(crate) network: Network,
    /// What clients did.
    pub(crate) recorder: Recorder,
    /// What happened.
    pub(crate) trace: Trace,
    /// How often what happened.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// What must not have happened.
    pub(crate) violations: Vec<String>,
}

impl Scene {
    /// Notes an event.
    pub(crate) fn event(&mut self, what: Arguments<'_>) {
        self.trace.event(self.now, what);
    }

    /// Counts something.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// How often something happened.
    pub(crate) fn counted(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// Something happened that must not.
    pub(crate) fn violation(&mut self, what: String) {
        self.event(format_args!("VIOLATION {what}"));
        self.violations.push(what);
    }
}
