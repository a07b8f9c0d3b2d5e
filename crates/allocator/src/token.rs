//! Tokens: what whoever shows a secret may do. The state holds a hash of each secret, never the secret.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::limits::TOKENS_MAX;
use crate::names::{SpaceName, Text};
use crate::{Millis, Timestamp, TokenId};

/// What the bearer of a token may do. Nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Become a node of the cluster, or take the place of one that is dead.
    Server,
    /// Read all that the API shows.
    Read,
    /// Read, and change what is in one space: its pools, addresses and reservations.
    Allocate(SpaceName),
    /// Everything.
    Admin,
}

/// SHA-256 of a token's secret. The secret is random, so that nobody finds it by guessing.
pub type TokenHash = [u8; 32];

/// A token that may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its number.
    pub id: TokenId,
    /// What whoever shows it must know.
    pub hash: TokenHash,
    /// What it allows.
    pub role: Role,
    /// What it is for, in its maker's words.
    pub note: Text,
    /// When it was made.
    pub made: Timestamp,
    /// From when on it is void.
    pub expires: Option<Timestamp>,
    /// How many hosts may still use it, where that is counted.
    pub uses: Option<u32>,
    /// Who used it last. The same host may use it again, since it may not have heard the answer.
    pub used_by: Option<Text>,
}

impl Token {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakeToken {
    /// What whoever shows it must know.
    pub hash: TokenHash,
    /// What it allows.
    pub role: Role,
    /// What it is for.
    pub note: Text,
    /// How long it is valid; for ever, where there is no end.
    pub lifetime: Option<Millis>,
    /// How many hosts may use it; any number, where that is not counted.
    pub uses: Option<u32>,
}

/// All tokens that may be used, by number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tokens(BTreeMap<TokenId, Token>);

impl Tokens {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Token> {
        self.0.values()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= TOKENS_MAX
    }

    pub(crate) fn by_hash(&self, hash: &TokenHash) -> Option<&Token> {
        self.0.values().find(|token| token.hash == *hash)
    }

    /// False if the number or the hash is taken.
    pub(crate) fn insert(&mut self, token: Token) -> bool {
        self.by_hash(&token.hash).is_none() && self.0.insert(token.id, token).is_none()
    }

    pub(crate) fn remove(&mut self, id: TokenId) -> Option<Token> {
        self.0.remove(&id)
    }

    pub(crate) fn by_hash_mut(&mut self, hash: &TokenHash) -> Option<&mut Token> {
        self.0.values_mut().find(|token| token.hash == *hash)
    }

    /// Forgets those whose time is over, and if that makes no room, those that are used up.
    pub(crate) fn make_room(&mut self, now: Timestamp) {
        self.0.retain(|_, token| !token.is_expired(now));
        if self.is_full() {
            self.0.retain(|_, token| token.uses != Some(0));
        }
    }

    pub(crate) fn to_vec(&self) -> Vec<Token> {
        self.0.values().cloned().collect()
    }
}
