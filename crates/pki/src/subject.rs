//! Whom a certificate is for.
//!
//! It stands in the certificate as a URI: `berth:node:CLUSTER:NUMBER:NAME` or `berth:host:NAME`. A
//! host's names no cluster, since a host may not know it yet: the authority is the cluster's own.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::PkiError;

/// Whom a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A node.
    Node {
        /// Its cluster's id.
        cluster: [u8; 16],
        /// Its number.
        number: u64,
        /// Its name.
        name: String,
    },
    /// A host that is no node.
    Host {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node { cluster, number, name } => {
                f.write_str("berth:node:")?;
                cluster.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                write!(f, ":{number}:{name}")
            }
            Self::Host { name } => write!(f, "berth:host:{name}"),
        }
    }
}

impl Subject {
    /// Reads the URI. There is one way to write a subject, and no other is read.
    fn parse(uri: &str) -> Option<Self> {
        let mut parts = uri.strip_prefix("berth:")?.splitn(4, ':');
        let subject = match (parts.next()?, parts.next()?, parts.next(), parts.next()) {
            ("node", cluster, Some(number), Some(name)) => Self::Node {
                cluster: cluster_id(cluster)?,
                number: number.parse().ok()?,
                name: name.to_owned(),
            },
            ("host", name, None, None) => Self::Host { name: name.to_owned() },
            _ => return None,
        };
        (subject.to_string() == uri).then_some(subject)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Node { name, .. } | Self::Host { name } => name,
        }
    }
}

fn cluster_id(hex: &str) -> Option<[u8; 16]> {
    let whole = hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| u128::from_str_radix(hex, 16).ok()).flatten().map(u128::to_be_bytes)
}

/// What a certificate says. Whether to believe it is its authority's matter, and TLS's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// Whom it is for.
    pub subject: Subject,
    /// When it expires.
    pub expires: SystemTime,
}

impl Certified {
    /// Reads a certificate.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, PkiError> {
        let foreign = |reason| PkiError::Foreign { reason };
        let (_, read) =
            X509Certificate::from_der(certificate).map_err(|_| foreign("it cannot be read"))?;
        let names = read.subject_alternative_name().ok().flatten();
        let names = names.ok_or_else(|| foreign("it has no alternative name"))?;
        let mut subjects = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Subject::parse(uri),
            _ => None,
        });
        let subject = subjects.next().ok_or_else(|| foreign("it names neither node nor host"))?;
        if subjects.next().is_some() {
            return Err(foreign("it names more than one node or host"));
        }
        let seconds = u64::try_from(read.validity().not_after.timestamp()).unwrap_or_default();
        Ok(Self { subject, expires: UNIX_EPOCH + Duration::from_secs(seconds) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_written_in_one_way() {
        let node = Subject::Node { cluster: [0xab; 16], number: 16, name: "db-1".to_owned() };
        let host = Subject::Host { name: "worker.1".to_owned() };
        for subject in [node.clone(), host] {
            assert_eq!(Subject::parse(&subject.to_string()), Some(subject));
        }
        let uri = node.to_string();
        for other in [
            uri.replace("ab", "AB"),
            uri.replace(":16:", ":016:"),
            uri.replace(":16:", ":+16:"),
            uri.replace("abab", "ab"),
            uri.replace("node", "host"),
            uri.replace("berth:", ""),
            "berth:host:a:b".to_owned(),
            "berth:node:ab:1".to_owned(),
        ] {
            assert_eq!(Subject::parse(&other), None, "{other}");
        }
    }
}
