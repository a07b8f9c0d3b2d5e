//! The greeting of an agent: a host without a replica, which knows no cluster before it has met one.
//!
//! Like members' greetings, these records never change.

use berth_codec::{Kind, Record};
use serde::{Deserialize, Serialize};

use super::greeting::{Identity, PROTOCOL, Refusal};
use crate::secret::Proof;
use crate::servers::Home;
use crate::{ClusterId, NodeName, Secret};

/// The first message of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgentHello {
    pub(crate) protocol: u16,
    pub(crate) name: NodeName,
    /// The cluster that it belongs to, once it has met it.
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) proof: [u8; 32],
}

impl Record for AgentHello {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 1;
    const LIMIT: usize = 256;
}

/// The answer to an [`AgentHello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AgentWelcome {
    /// Go ahead.
    Accepted {
        /// The cluster that is met.
        cluster: ClusterId,
        /// Its node's proof of the secret.
        proof: [u8; 32],
    },
    /// No, and why.
    Refused(Refusal),
}

impl Record for AgentWelcome {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 1;
    const LIMIT: usize = 256;
}

impl Identity {
    /// Checks an agent's greeting. `is_member` tells whether a name is a member's.
    pub(crate) fn judge_agent(
        &self,
        hello: &AgentHello,
        is_member: impl Fn(&NodeName) -> bool,
    ) -> AgentWelcome {
        let (ours, refuse) = (self.cluster, AgentWelcome::Refused);
        if hello.protocol != PROTOCOL {
            return refuse(Refusal::Protocol { theirs: hello.protocol, ours: PROTOCOL });
        }
        if !self.agents.accepts(&hello.proof) {
            return refuse(Refusal::Secret);
        }
        if let Some(theirs) = hello.cluster.filter(|theirs| *theirs != ours) {
            return refuse(Refusal::Cluster { theirs, ours });
        }
        if is_member(&hello.name) {
            return refuse(Refusal::NameTaken);
        }
        AgentWelcome::Accepted { cluster: ours, proof: self.agents.bytes() }
    }
}

/// Who an agent is, for greetings.
pub(crate) struct AgentIdentity {
    name: NodeName,
    proof: Proof,
    home: Home,
}

impl AgentIdentity {
    pub(crate) fn new(name: NodeName, secret: Option<&Secret>, home: Home) -> Self {
        Self { name, proof: Proof::of_agents(secret), home }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn hello(&self) -> AgentHello {
        AgentHello {
            protocol: PROTOCOL,
            name: self.name.clone(),
            cluster: self.home.cluster(),
            proof: self.proof.bytes(),
        }
    }

    /// Checks who answered. Blocks when a cluster is met for the first time.
    pub(crate) fn check(&self, welcome: &AgentWelcome) -> std::io::Result<Result<(), Refusal>> {
        let (cluster, proof) = match welcome {
            AgentWelcome::Refused(refusal) => return Ok(Err(*refusal)),
            AgentWelcome::Accepted { cluster, proof } => (*cluster, proof),
        };
        if !self.proof.accepts(proof) {
            return Ok(Err(Refusal::Secret));
        }
        let ours = self.home.meet(cluster)?;
        Ok(if ours == cluster { Ok(()) } else { Err(Refusal::Cluster { theirs: cluster, ours }) })
    }
}
