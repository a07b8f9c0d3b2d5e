//! The greeting of a newcomer: a host with a token, which has no number yet.
//!
//! Like members' greetings, these records never change.

use berth_allocator::TokenHash;
use berth_codec::{Kind, Record};
use serde::{Deserialize, Serialize};

use super::greeting::{Identity, PROTOCOL, Refusal};
use crate::{AccessToken, ClusterId, NodeName, token};

/// The first message of a newcomer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinHello {
    pub(crate) protocol: u16,
    pub(crate) cluster: ClusterId,
    pub(crate) name: NodeName,
    /// The token's.
    pub(crate) key: [u8; 32],
}

/// Without the key.
impl core::fmt::Debug for JoinHello {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("JoinHello").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Record for JoinHello {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 1;
    const LIMIT: usize = 256;
}

/// The answer to a [`JoinHello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum JoinWelcome {
    /// Go ahead. Whether the token is valid is told with the answer to the request.
    Accepted,
    /// No, and why.
    Refused(Refusal),
}

impl Record for JoinWelcome {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 1;
    const LIMIT: usize = 256;
}

impl Identity {
    /// Checks a newcomer's greeting.
    pub(crate) fn judge_newcomer(&self, hello: &JoinHello) -> JoinWelcome {
        let (ours, refuse) = (self.cluster, JoinWelcome::Refused);
        if hello.protocol != PROTOCOL {
            return refuse(Refusal::Protocol { theirs: hello.protocol, ours: PROTOCOL });
        }
        if hello.cluster != ours {
            return refuse(Refusal::Cluster { theirs: hello.cluster, ours });
        }
        JoinWelcome::Accepted
    }
}

impl JoinHello {
    /// Of a host with a token.
    pub(crate) fn new(name: NodeName, token: &AccessToken) -> Self {
        Self { protocol: PROTOCOL, cluster: token.cluster(), name, key: token.key() }
    }

    /// By what the cluster knows the token.
    pub(crate) fn token(&self) -> TokenHash {
        token::hash(&self.key)
    }
}
