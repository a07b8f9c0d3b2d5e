//! What Berth holds against what an engine uses (rule 7): finds leaks, and addresses that are used and
//! not held. Nothing is changed here.

mod api;
mod ask;
mod docker;
mod findings;
mod observation;
mod reconciler;

pub use ask::DockerError;
pub use docker::observe;
pub use findings::{Books, Finding, Fix, NO_MANAGER, OfHosts, Severity, compare};
pub use observation::{Network, Observation, SwarmView};
pub use reconciler::Reconciler;
