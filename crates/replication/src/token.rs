//! What a newcomer is given to join a cluster: one line, which carries a checksum.
//!
//! It is as secret as the cluster's secret, which is in it.

use core::fmt;
use core::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use berth_codec::{DecodeError, Kind, Record};
use serde::{Deserialize, Serialize};

use crate::cluster::{ADDRESS_BYTES_MAX, MEMBERS_MAX, check_address};
use crate::{ClusterId, Secret};

/// How each token begins, so that one is known when it is seen.
const PREFIX: &str = "berth-join-";
/// Bytes of a token's record: a secret, an address for each member, and what tells them apart.
const RECORD_BYTES_MAX: usize = Secret::BYTES_MAX + MEMBERS_MAX * (ADDRESS_BYTES_MAX + 3) + 64;

/// Where a cluster is, and what its members know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    cluster: ClusterId,
    addresses: Vec<String>,
    secret: Option<Vec<u8>>,
}

impl Record for JoinToken {
    const KIND: Kind = Kind::JoinToken;
    const VERSION: u8 = 1;
    const LIMIT: usize = RECORD_BYTES_MAX;
}

/// A text that is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not of a token's form, or cut off.
    #[error(
        "this is no join token: copy the whole line, from {PREFIX} on, that `berth cluster \
         join-token` prints"
    )]
    Form,
    /// Damaged, or of a newer Berth.
    #[error(
        "the join token cannot be used: copy the whole line that `berth cluster join-token` prints"
    )]
    Record(#[source] DecodeError),
    /// Well-formed, but nobody can be reached or convinced with it.
    #[error("the join token names no usable address or secret: have another one made")]
    Content,
}

impl JoinToken {
    /// A token for a cluster, some of whose members are at these addresses.
    pub(crate) fn new(cluster: ClusterId, addresses: Vec<String>, secret: Option<&Secret>) -> Self {
        Self { cluster, addresses, secret: secret.map(|secret| secret.bytes().to_owned()) }
    }

    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Where members of it are, `HOST:PORT`.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Whether its members know something that others do not.
    pub fn is_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// What its members know; nothing where nobody else can reach them.
    pub(crate) fn secret(&self) -> Option<Secret> {
        self.secret.as_deref().and_then(|bytes| Secret::new(bytes).ok())
    }

    fn check(&self) -> Result<(), TokenError> {
        let addresses = (1..=MEMBERS_MAX).contains(&self.addresses.len())
            && self.addresses.iter().all(|address| check_address(address).is_ok());
        let secret = self.secret.is_none() || self.secret().is_some();
        if addresses && secret { Ok(()) } else { Err(TokenError::Content) }
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = berth_codec::encode(self).map_err(|_| fmt::Error)?;
        write!(f, "{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(record))
    }
}

/// Without what is secret in it.
impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken")
            .field("cluster", &self.cluster)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let coded = text.trim().strip_prefix(PREFIX).ok_or(TokenError::Form)?;
        if coded.len() > 2 * RECORD_BYTES_MAX {
            return Err(TokenError::Form);
        }
        let record = BASE64_URL_SAFE_NO_PAD.decode(coded).map_err(|_| TokenError::Form)?;
        let token: Self = berth_codec::decode(&record).map_err(TokenError::Record)?;
        token.check()?;
        Ok(token)
    }
}

/// An example of the encoding.
#[cfg(test)]
pub(crate) fn golden() -> String {
    let secret = Secret::new(b"sixteen bytes ok").ok();
    let token = JoinToken::new(ClusterId::new([7; 16]), vec!["h:1".into()], secret.as_ref());
    crate::golden::line("join-token", &token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(addresses: &[&str]) -> JoinToken {
        let secret = Secret::new(b"a secret for the tests").unwrap();
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        JoinToken::new(ClusterId::new([7; 16]), addresses, Some(&secret))
    }

    #[test]
    fn a_token_comes_back_whole() {
        let token = token(&["10.0.0.1:7100", "db2:7100"]);
        let line = token.to_string();
        assert!(line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_eq!(format!(" {line}\n").parse::<JoinToken>().unwrap(), token);
        assert!(!format!("{token:?}").contains("secret"), "{token:?}");
    }

    #[test]
    fn what_is_cut_changed_or_empty_is_refused() {
        let line = token(&["10.0.0.1:7100"]).to_string();
        for cut in 0..line.len() {
            assert!(line[..cut].parse::<JoinToken>().is_err(), "{cut}");
        }
        for at in PREFIX.len()..line.len() {
            let other = if &line[at..=at] == "A" { "B" } else { "A" };
            let changed = [&line[..at], other, &line[at + 1..]].concat();
            assert!(changed.parse::<JoinToken>().is_err(), "{changed}");
        }
        let empty = token(&[]).to_string().parse::<JoinToken>();
        assert!(matches!(empty, Err(TokenError::Content)));
        let nowhere = token(&["nowhere"]).to_string().parse::<JoinToken>();
        assert!(matches!(nowhere, Err(TokenError::Content)));
    }
}
