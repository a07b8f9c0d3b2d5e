//! What the members of a cluster share, so that nobody else joins their conversation.
//!
//! The authorities for certificates follow from it (see the `berth-pki` crate), and a hash of it goes
//! with each greeting. In plaintext that hash keeps mistakes out, not an attacker who can read the
//! network; hence plaintext is for loopback, unless it is asked for.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::ClusterId;

/// A secret that all members of a cluster are given.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>")]
pub struct Secret(Vec<u8>);

/// The secret cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Too short to be a secret, or too long.
    #[error("the secret has {length} bytes, it needs {min} to {max}")]
    Length {
        /// Bytes it has, without white space around it.
        length: usize,
        /// Bytes it needs.
        min: usize,
        /// Bytes it may have.
        max: usize,
    },
}

impl Secret {
    /// Bytes needed.
    pub const BYTES_MIN: usize = 16;
    /// Bytes allowed.
    pub const BYTES_MAX: usize = 4_096;

    /// Takes the content of a secret file; white space around it does not count.
    pub fn new(content: &[u8]) -> Result<Self, SecretError> {
        let secret = content.trim_ascii();
        let (length, min, max) = (secret.len(), Self::BYTES_MIN, Self::BYTES_MAX);
        if !(min..=max).contains(&length) {
            return Err(SecretError::Length { length, min, max });
        }
        Ok(Self(secret.to_owned()))
    }

    /// One that nobody guesses, of printable characters.
    pub fn random() -> std::io::Result<Self> {
        let bytes = crate::random::<32>().map_err(std::io::Error::other)?;
        Ok(Self(BASE64_URL_SAFE_NO_PAD.encode(bytes).into_bytes()))
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Vec<u8>> for Secret {
    type Error = SecretError;

    fn try_from(secret: Vec<u8>) -> Result<Self, SecretError> {
        Self::new(&secret)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a node shows to prove that it knows the secret.
#[derive(Clone)]
pub(crate) struct Proof([u8; 32]);

impl Proof {
    /// For this cluster; nodes without a secret know an empty one.
    pub(crate) fn new(cluster: ClusterId, secret: Option<&Secret>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"berth peer");
        hash.update(cluster.bytes());
        hash.update(secret.map(|secret| secret.0.as_slice()).unwrap_or_default());
        Self(hash.finalize().into())
    }

    /// For agents, which may not know their cluster yet.
    pub(crate) fn of_agents(secret: Option<&Secret>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"berth agent");
        hash.update(secret.map(|secret| secret.0.as_slice()).unwrap_or_default());
        Self(hash.finalize().into())
    }

    pub(crate) fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// Compares in constant time.
    pub(crate) fn accepts(&self, shown: &[u8; 32]) -> bool {
        self.0.ct_eq(shown).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_depends_on_cluster_and_secret() {
        let cluster = ClusterId::new([1; 16]);
        let secret = Secret::new(b"  0123456789abcdef\n").unwrap();
        let proof = Proof::new(cluster, Some(&secret));
        assert!(proof.accepts(&Proof::new(cluster, Some(&secret)).bytes()));
        assert!(!proof.accepts(&Proof::new(ClusterId::new([2; 16]), Some(&secret)).bytes()));
        assert!(!proof.accepts(&Proof::new(cluster, None).bytes()));
        assert!(Secret::new(b"short").is_err());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
