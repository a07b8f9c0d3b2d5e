//! What Berth holds against what an engine uses (rule 7): finds leaks, and addresses that are used and
//! not held. Nothing is changed here.

mod api;
mod ask;
mod books;
mod docker;
mod findings;
mod observation;
mod reconciler;

pub use ask::DockerError;
pub use books::{Ask, Books, TooMany, of_hosts};
pub use docker::{leads, observe};
pub use findings::{Finding, Fix, OfHosts, Severity, compare, released_unused};
pub use observation::{Network, Observation, SwarmView};
pub use reconciler::Reconciler;
