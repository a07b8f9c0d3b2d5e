//! Berth's certificates, and TLS 1.3 with them.
//!
//! - [`Authority`]: two of them follow from a cluster's secret, one for its nodes and one for the
//!   hosts beside them. Whoever knows the secret has both, without asking anybody.
//! - [`Subject`]: whom a certificate is for, in which role, of which cluster.
//! - [`Keyring`]: a process's own certificate, which is issued anew before it expires.
//! - [`Callers`], [`callee`] and [`pinned`]: what a listener and a caller are configured with.
//!
//! Invariant: what a connection may be used for is decided by the authority that its certificate is
//! of. A host's certificate is never a node's, whatever is written in it.

mod authority;
mod error;
mod keyring;
mod pinned;
mod purpose;
mod subject;
mod tls;

pub use authority::{Authority, Bearers, Credential, LIFE, SKEW};
pub use error::PkiError;
pub use keyring::Keyring;
pub use pinned::pinned;
pub use purpose::Purpose;
pub use rustls::pki_types::CertificateDer;
pub use subject::{Certified, Subject};
pub use tls::{Callers, SERVER_NAME, callee, server_name};
