//! With what a cluster is found and entered: one line, which carries a checksum.
//!
//! It says where members are and by what they are known, and holds a key whose hash is in the
//! cluster's state ([`berth_allocator::Token`]). So whoever has it can be kept out again.

use core::fmt;
use core::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use berth_allocator::TokenHash;
use berth_codec::{DecodeError, Kind, Record};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ClusterId;
use crate::cluster::{ADDRESS_BYTES_MAX, MEMBERS_MAX, check_address};

/// Bytes of a token's record: an address for each member, and what tells them apart.
const RECORD_BYTES_MAX: usize = MEMBERS_MAX * (ADDRESS_BYTES_MAX + 3) + 128;

/// What a token is for. A line begins with it, so that it is known when it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenUse {
    /// To become a member.
    Join,
    /// To use the API.
    Api,
}

impl TokenUse {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Join => "berth-join-",
            Self::Api => "berth-api-",
        }
    }
}

/// Where a cluster is, by what its members are known, and a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    purpose: TokenUse,
    cluster: ClusterId,
    addresses: Vec<String>,
    /// The fingerprint of the authority that certifies members; none where they speak plaintext.
    authority: Option<[u8; 32]>,
    key: [u8; 32],
}

impl Record for AccessToken {
    const KIND: Kind = Kind::AccessToken;
    const VERSION: u8 = 1;
    const LIMIT: usize = RECORD_BYTES_MAX;
}

/// A text that is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not of a token's form, or cut off.
    #[error("this is no token: copy the whole line, from `berth-` on, as it was printed")]
    Form,
    /// Of another use.
    #[error("this token is for something else: one that begins with {} is needed", .0.prefix())]
    OtherUse(TokenUse),
    /// Damaged, or of a newer Berth.
    #[error("the token cannot be used: copy the whole line, as it was printed")]
    Record(#[source] DecodeError),
    /// Well-formed, but nobody can be reached with it.
    #[error("the token names no usable address: have another one made")]
    Content,
}

impl AccessToken {
    /// A token for a cluster, some of whose members are at these addresses.
    pub(crate) fn new(
        purpose: TokenUse,
        cluster: ClusterId,
        addresses: Vec<String>,
        authority: Option<[u8; 32]>,
        key: [u8; 32],
    ) -> Self {
        Self { purpose, cluster, addresses, authority, key }
    }

    /// Reads a token for one use.
    pub fn parse(text: &str, purpose: TokenUse) -> Result<Self, TokenError> {
        let token: Self = text.parse()?;
        if token.purpose == purpose { Ok(token) } else { Err(TokenError::OtherUse(purpose)) }
    }

    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Where members of it are, `HOST:PORT`.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The fingerprint of the authority that certifies members; none where they speak plaintext.
    pub fn authority(&self) -> Option<[u8; 32]> {
        self.authority
    }

    pub(crate) fn key(&self) -> [u8; 32] {
        self.key
    }

    /// By what the cluster knows it.
    pub fn hash(&self) -> TokenHash {
        hash(&self.key)
    }

    fn check(&self) -> Result<(), TokenError> {
        let addresses = (1..=MEMBERS_MAX).contains(&self.addresses.len())
            && self.addresses.iter().all(|address| check_address(address).is_ok());
        if addresses { Ok(()) } else { Err(TokenError::Content) }
    }
}

/// By what the cluster knows a token with this key.
pub fn hash(key: &[u8; 32]) -> TokenHash {
    Sha256::digest(key).into()
}

impl fmt::Display for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = berth_codec::encode(self).map_err(|_| fmt::Error)?;
        write!(f, "{}{}", self.purpose.prefix(), BASE64_URL_SAFE_NO_PAD.encode(record))
    }
}

/// Without what is secret in it.
impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("purpose", &self.purpose)
            .field("cluster", &self.cluster)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl FromStr for AccessToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let mut uses = [TokenUse::Join, TokenUse::Api].into_iter();
        let coded = |purpose: TokenUse| Some((purpose, text.strip_prefix(purpose.prefix())?));
        let (purpose, coded) = uses.find_map(coded).ok_or(TokenError::Form)?;
        if coded.len() > 2 * RECORD_BYTES_MAX {
            return Err(TokenError::Form);
        }
        let record = BASE64_URL_SAFE_NO_PAD.decode(coded).map_err(|_| TokenError::Form)?;
        let token: Self = berth_codec::decode(&record).map_err(TokenError::Record)?;
        token.check()?;
        if token.purpose == purpose { Ok(token) } else { Err(TokenError::Form) }
    }
}

/// An example of the encoding.
#[cfg(test)]
pub(crate) fn golden() -> String {
    let (cluster, at) = (ClusterId::new([7; 16]), vec!["h:1".into()]);
    let join = AccessToken::new(TokenUse::Join, cluster, at.clone(), Some([8; 32]), [9; 32]);
    let api = AccessToken::new(TokenUse::Api, cluster, at, None, [9; 32]);
    [crate::golden::line("join-token", &join), crate::golden::line("api-token", &api)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(addresses: &[&str]) -> AccessToken {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        let (cluster, authority) = (ClusterId::new([7; 16]), Some([3; 32]));
        AccessToken::new(TokenUse::Join, cluster, addresses, authority, [4; 32])
    }

    #[test]
    fn a_token_comes_back_whole() {
        let token = token(&["10.0.0.1:7100", "db2:7100"]);
        let line = token.to_string();
        assert!(line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_eq!(format!(" {line}\n").parse::<AccessToken>().unwrap(), token);
        assert!(!format!("{token:?}").contains("4, 4"), "{token:?}");
        assert_ne!(token.hash(), token.key());
    }

    #[test]
    fn what_is_cut_changed_or_empty_is_refused() {
        let line = token(&["10.0.0.1:7100"]).to_string();
        for cut in 0..line.len() {
            assert!(line[..cut].parse::<AccessToken>().is_err(), "{cut}");
        }
        for at in TokenUse::Join.prefix().len()..line.len() {
            let other = if &line[at..=at] == "A" { "B" } else { "A" };
            let changed = [&line[..at], other, &line[at + 1..]].concat();
            assert!(changed.parse::<AccessToken>().is_err(), "{changed}");
        }
        for nowhere in [&[][..], &["nowhere"]] {
            let nowhere = token(nowhere).to_string().parse::<AccessToken>();
            assert!(matches!(nowhere, Err(TokenError::Content)));
        }
    }

    #[test]
    fn a_token_is_for_one_use() {
        let line = token(&["10.0.0.1:7100"]).to_string();
        assert!(AccessToken::parse(&line, TokenUse::Join).is_ok());
        let other = AccessToken::parse(&line, TokenUse::Api);
        assert!(matches!(other, Err(TokenError::OtherUse(TokenUse::Api))));
        let renamed = line.replace("berth-join-", "berth-api-");
        assert!(matches!(renamed.parse::<AccessToken>(), Err(TokenError::Form)));
    }
}
