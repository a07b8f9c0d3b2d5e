//! Who issues certificates.
//!
//! An authority's key follows from the cluster's secret, so that all first nodes have the same one
//! without a word between them. Its certificate may differ from node to node in its signature: it
//! is known by its name and key, which do not.

use std::fmt::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use p256::SecretKey;
use p256::pkcs8::EncodePrivateKey;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use ring::hkdf;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

use crate::{Certified, PkiError, SERVER_NAME, Subject};

/// How long a certificate is valid.
pub const LIFE: Duration = Duration::from_hours(24);
/// How far two machines' clocks may be apart: a certificate is valid from this long before it was
/// issued.
pub const SKEW: Duration = Duration::from_hours(1);

/// What the derivation of keys is bound to: another version of it would give other keys.
const SALT: &[u8] = b"berth authority 1";

/// A certificate, and the key that it is of. Clones share them.
#[derive(Debug, Clone)]
pub struct Credential {
    pub(crate) key: Arc<CertifiedKey>,
    /// What its certificate says.
    pub certified: Certified,
    /// When it was issued.
    pub issued: SystemTime,
}

/// Whom an authority certifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearers {
    /// Nodes of the cluster.
    Nodes,
    /// Hosts beside them.
    Hosts,
}

impl Bearers {
    /// The authority's name. Its key depends on it.
    fn authority(self) -> &'static str {
        match self {
            Self::Nodes => "Berth nodes",
            Self::Hosts => "Berth hosts",
        }
    }
}

/// Issues certificates.
pub struct Authority {
    bearers: Bearers,
    certificate: CertificateDer<'static>,
    pem: String,
    fingerprint: [u8; 32],
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.bearers.authority())
    }
}

impl Authority {
    /// The authority that follows from a secret.
    pub fn derive(secret: &[u8], bearers: Bearers) -> Result<Self, PkiError> {
        let key = key_pair(secret, bearers)?;
        let fingerprint = sha256(&key.subject_public_key_info());
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let name = format!("{} {}", bearers.authority(), hex(&fingerprint[..4]));
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(SerialNumber::from_slice(&[1]));
        // It is valid for as long as its secret is used: other nodes could not learn of a new one.
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2120, 1, 1);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(PkiError::Issue)?;
        let (pem, certificate) = (certificate.pem(), certificate.into());
        let issuer = Issuer::new(params, key);
        Ok(Self { bearers, certificate, pem, fingerprint, issuer })
    }

    /// Its certificate, by which others believe those that it issued.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The same, as other programs read it (RFC 7468).
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// SHA-256 of its public key (of the `SubjectPublicKeyInfo`).
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Issues a certificate with a new key, valid until [`LIFE`] from now. A node's is also for the
    /// names and IP addresses at which clients reach it.
    pub fn issue(
        &self,
        subject: &Subject,
        names: &[String],
        now: SystemTime,
    ) -> Result<Credential, PkiError> {
        self.issue_for(subject, names, now, now + LIFE)
    }

    /// The same, until a time.
    pub fn issue_for(
        &self,
        subject: &Subject,
        names: &[String],
        now: SystemTime,
        until: SystemTime,
    ) -> Result<Credential, PkiError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(PkiError::Issue)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject.name());
        params.not_before = OffsetDateTime::from(now - SKEW);
        params.not_after = OffsetDateTime::from(until);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![SanType::URI(text(&subject.to_string())?)];
        if matches!(subject, Subject::Node { .. }) {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
            for name in std::iter::once(SERVER_NAME).chain(names.iter().map(String::as_str)) {
                params.subject_alt_names.push(alternative_name(name)?);
            }
        }
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(PkiError::Issue)?;
        let certified = Certified::read(certificate.der())?;
        let chain = vec![certificate.into(), self.certificate.clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = rustls::crypto::ring::sign::any_ecdsa_type(&key).map_err(PkiError::Tls)?;
        Ok(Credential { key: Arc::new(CertifiedKey::new(chain, key)), certified, issued: now })
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes what is written");
        text
    })
}

fn text(name: &str) -> Result<rcgen::string::Ia5String, PkiError> {
    name.try_into().map_err(|_| PkiError::Name { name: name.to_owned() })
}

fn alternative_name(name: &str) -> Result<SanType, PkiError> {
    match name.parse::<IpAddr>() {
        Ok(ip) => Ok(SanType::IpAddress(ip)),
        Err(_) => text(name).map(SanType::DnsName),
    }
}

/// Bytes of a key on P-256.
struct Scalar;

impl hkdf::KeyType for Scalar {
    fn len(&self) -> usize {
        32
    }
}

/// The key that follows from a secret: the first of an endless row of numbers that is one.
fn key_pair(secret: &[u8], bearers: Bearers) -> Result<KeyPair, PkiError> {
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(secret);
    let candidate = |attempt: u8| {
        let mut bytes = [0; 32];
        let info = [bearers.authority().as_bytes(), &[attempt]];
        let expanded = secret.expand(&info, Scalar).expect("32 bytes can be had");
        expanded.fill(&mut bytes).expect("the room is as long as the key");
        SecretKey::from_slice(&bytes).ok()
    };
    let key = (0..=u8::MAX).find_map(candidate).expect("one in 2^32 is none");
    let der = key.to_pkcs8_der().expect("a key on P-256 can be written");
    let der = PrivatePkcs8KeyDer::from(der.as_bytes());
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256).map_err(PkiError::Issue)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These never change: a node of another version would find its peers foreign.
    #[test]
    fn an_authority_follows_from_the_secret() {
        let fingerprint = |secret: &[u8], bearers| {
            hex(&Authority::derive(secret, bearers).unwrap().fingerprint())
        };
        let node = fingerprint(b"a secret for the tests", Bearers::Nodes);
        let host = fingerprint(b"a secret for the tests", Bearers::Hosts);
        assert_eq!(node, "552e012bf7949fefd7471e8a567f9f00b1b909441e8479cbfa723b43d14e1ebe");
        assert_eq!(host, "e0401aa65cf59cc6867684de38a76c77345fc3a5fde7ef113681c6afd3268135");
        assert_ne!(fingerprint(b"another secret for them", Bearers::Nodes), node);
    }

    #[test]
    fn a_certificate_says_whom_it_is_for() {
        let authority = Authority::derive(b"a secret for the tests", Bearers::Nodes).unwrap();
        let subject = Subject::Node { cluster: [7; 16], number: 2, name: "b".to_owned() };
        let names = ["10.1.0.2".to_owned(), "db2".to_owned(), "fd00::2".to_owned()];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let issued = authority.issue(&subject, &names, now).unwrap();
        assert_eq!(issued.certified, Certified { subject: subject.clone(), expires: now + LIFE });
        let bad = authority.issue(&subject, &["schön".to_owned()], now);
        assert!(matches!(bad, Err(PkiError::Name { .. })), "{bad:?}");
    }
}
