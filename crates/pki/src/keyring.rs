//! A process's own certificate.
//!
//! It is issued anew when it is needed and two thirds of its life have gone, by the process itself.
//! So nothing runs beside, nothing is kept on disk, and nobody has to restart anything.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::{Authority, Credential, PkiError, Subject};

/// A process's own certificate, whichever is the newest.
#[derive(Debug)]
pub struct Keyring {
    /// Nothing where the certificate is somebody else's to renew.
    issuer: Option<Issuer>,
    current: RwLock<Credential>,
}

#[derive(Debug)]
struct Issuer {
    authority: Arc<Authority>,
    subject: Subject,
    names: Vec<String>,
}

impl Keyring {
    /// A keyring that issues to itself.
    pub fn new(
        authority: Arc<Authority>,
        subject: Subject,
        names: Vec<String>,
    ) -> Result<Self, PkiError> {
        let current = RwLock::new(authority.issue(&subject, &names, SystemTime::now())?);
        Ok(Self { issuer: Some(Issuer { authority, subject, names }), current })
    }

    /// A keyring that holds what it is given.
    pub fn holding(credential: Credential) -> Self {
        Self { issuer: None, current: RwLock::new(credential) }
    }

    /// The newest certificate; issued now, if the last one's time is nearly over.
    pub fn current(&self) -> Credential {
        self.at(SystemTime::now())
    }

    fn at(&self, now: SystemTime) -> Credential {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(issuer) = self.issuer.as_ref().filter(|_| is_due(&current, now)) else {
            return current;
        };
        let mut slot = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if is_due(&slot, now) {
            // What cannot be renewed may be valid still; when it is not, the handshake says so.
            if let Ok(issued) = issuer.authority.issue(&issuer.subject, &issuer.names, now) {
                *slot = issued;
            }
        }
        slot.clone()
    }
}

/// Whether two thirds of a certificate's life have gone, or the clock went back to before it.
fn is_due(credential: &Credential, now: SystemTime) -> bool {
    let life = credential.certified.expires.duration_since(credential.issued).unwrap_or_default();
    now < credential.issued || now >= credential.issued + life * 2 / 3
}

impl ResolvesServerCert for Keyring {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current().key)
    }
}

impl ResolvesClientCert for Keyring {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current().key)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Bearers, LIFE};

    #[test]
    fn a_certificate_is_renewed_before_it_expires() {
        let authority = Authority::derive(b"a secret for the tests", Bearers::Hosts).unwrap();
        let subject = Subject::Host { name: "h".to_owned() };
        let keyring = Keyring::new(Arc::new(authority), subject, Vec::new()).unwrap();
        let first = keyring.current();
        let at = |time| keyring.at(time).certified.expires;
        let second = Duration::from_secs(1);
        assert_eq!(at(first.issued + LIFE * 2 / 3 - second), first.certified.expires);
        let renewed = at(first.issued + LIFE * 2 / 3 + second);
        assert!(renewed > first.certified.expires + LIFE / 2, "{renewed:?}");
        assert_eq!(at(first.issued + LIFE), renewed);
        // A clock that was wrong and is set right.
        assert!(at(first.issued - LIFE) < first.issued);
        assert_eq!(keyring.current().certified.subject, first.certified.subject);
    }
}
