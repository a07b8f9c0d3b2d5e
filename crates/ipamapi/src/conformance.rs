//! The contract as numbered cases, for any driver to run on itself.
//!
//! Each case starts from a fresh driver, which the caller makes ([`Factory`]); what the driver
//! claims to do beyond the plain contract it says in a [`Profile`]. The cases speak to the driver
//! as an engine does, through the trait or, with [`Suite::through_socket`], through a plugin
//! server and a client on a real socket.
//!
//! ```
//! use std::sync::Arc;
//! use ipamapi::conformance::{Profile, Setup, Subject, Suite};
//! use ipamapi::null::NullIpam;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let fresh = |_setup: Setup| async { Some(Subject::new(Arc::new(NullIpam))) };
//! let report = Suite::new(fresh, Profile::default()).run_only(&[7, 32]).await;
//! println!("{report}");
//! // The null driver has no pools of the user's choosing, of which case 7 needs one.
//! assert_eq!((report.passed(), report.failed()), (1, 1));
//! # }
//! ```

mod cases;
mod engine;
mod lab;
mod profile;
mod raw;
mod report;
mod suite;
mod verdict;

pub use self::cases::{CASES, Case, NEEDS_A_CLUSTER};
pub use self::lab::{Factory, Lab, Setup, Subject, Usage};
pub use self::profile::{Profile, Replay};
pub use self::report::{CaseReport, Outcome, Report};
pub use self::suite::Suite;
pub use self::verdict::{Stop, Verdict};
