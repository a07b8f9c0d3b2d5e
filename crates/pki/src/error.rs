//! What can go wrong with certificates.

/// A certificate, a key or a TLS configuration could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// No certificate could be made.
    #[error("cannot make a certificate")]
    Issue(#[source] rcgen::Error),
    /// A name that no certificate can hold.
    #[error("{name:?} cannot be written in a certificate")]
    Name {
        /// The name.
        name: String,
    },
    /// TLS does not take what it was configured with.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// A certificate that is none of Berth's.
    #[error("the certificate is none of Berth's: {reason}")]
    Foreign {
        /// What is wrong with it.
        reason: &'static str,
    },
}
