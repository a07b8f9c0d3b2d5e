//! The greeting of a newcomer: a host with a token, which has no number yet.
//!
//! Like members' greetings, these records never change.

use berth_codec::{Kind, Record};
use serde::{Deserialize, Serialize};

use super::greeting::{Identity, PROTOCOL, Refusal};
use crate::secret::Proof;
use crate::{ClusterId, JoinToken, NodeName};

/// The first message of a newcomer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JoinHello {
    pub(crate) protocol: u16,
    pub(crate) cluster: ClusterId,
    pub(crate) name: NodeName,
    pub(crate) proof: [u8; 32],
}

impl Record for JoinHello {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 1;
    const LIMIT: usize = 256;
}

/// The answer to a [`JoinHello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum JoinWelcome {
    /// Go ahead.
    Accepted {
        /// The member's proof that it knows what the token says.
        proof: [u8; 32],
    },
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
        if !self.newcomers.accepts(&hello.proof) {
            return refuse(Refusal::Secret);
        }
        JoinWelcome::Accepted { proof: self.newcomers.bytes() }
    }
}

/// Who a newcomer is, for greetings.
pub(crate) struct NewcomerIdentity {
    name: NodeName,
    cluster: ClusterId,
    proof: Proof,
}

impl NewcomerIdentity {
    pub(crate) fn new(name: NodeName, token: &JoinToken) -> Self {
        let cluster = token.cluster();
        let proof = Proof::of_newcomers(cluster, token.secret().as_ref());
        Self { name, cluster, proof }
    }

    pub(crate) fn hello(&self) -> JoinHello {
        JoinHello {
            protocol: PROTOCOL,
            cluster: self.cluster,
            name: self.name.clone(),
            proof: self.proof.bytes(),
        }
    }

    /// Checks who answered.
    pub(crate) fn check(&self, welcome: &JoinWelcome) -> Result<(), Refusal> {
        match welcome {
            JoinWelcome::Refused(refusal) => Err(*refusal),
            JoinWelcome::Accepted { proof } if self.proof.accepts(proof) => Ok(()),
            JoinWelcome::Accepted { .. } => Err(Refusal::Secret),
        }
    }
}
