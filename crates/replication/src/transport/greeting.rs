//! The greeting: who speaks, to whom, and for what.
//!
//! Its record is the one format that never changes: it says which version of everything else follows.

use std::sync::Arc;

use berth_codec::{Kind, Record};
use serde::{Deserialize, Serialize};

use super::link::chain;
use crate::directory::{DataDirectory, DirectoryError, OtherInstance};
use crate::secret::Proof;
use crate::{ClusterId, Fatal, NodeId};

/// The version of what follows the greeting.
pub(crate) const PROTOCOL: u16 = 1;

/// What a connection is for: one must not wait behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Lane {
    /// Entries and votes.
    Log,
    /// A leader's signs of life.
    Heartbeat,
    /// Commands and reads for the leader.
    Forward,
    /// Snapshots.
    Snapshot,
}

/// The first message of whoever connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u16,
    pub(crate) cluster: ClusterId,
    pub(crate) from: u64,
    pub(crate) instance: u128,
    pub(crate) to: u64,
    pub(crate) proof: [u8; 32],
    pub(crate) lane: Lane,
}

impl Record for Hello {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 1;
    const LIMIT: usize = 256;
}

/// The answer to a [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Welcome {
    /// Go ahead.
    Accepted {
        /// Who answers.
        from: u64,
        /// Its data directory's instance.
        instance: u128,
        /// Its proof of the secret.
        proof: [u8; 32],
    },
    /// No, and why.
    Refused(Refusal),
}

impl Record for Welcome {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 1;
    const LIMIT: usize = 256;
}

/// Why a node does not talk to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Refusal {
    /// Another protocol version.
    #[error("it speaks protocol version {theirs}, the other node version {ours}: upgrade that one")]
    Protocol {
        /// Of the one that connected.
        theirs: u16,
        /// Of the one that refuses.
        ours: u16,
    },
    /// Another cluster.
    #[error(
        "it belongs to cluster {theirs}, the other node to {ours}: give all first members the same list, \
         and later ones a token of this cluster"
    )]
    Cluster {
        /// Of the one that connected.
        theirs: ClusterId,
        /// Of the one that refuses.
        ours: ClusterId,
    },
    /// Not the node that was meant.
    #[error("node {theirs} was meant, but node {ours} answers there: correct the addresses")]
    NotMe {
        /// Who was meant.
        theirs: u64,
        /// Who is there.
        ours: u64,
    },
    /// The secrets differ.
    #[error("it does not know this cluster's secret: give all nodes the same one")]
    Secret,
    /// The data directory is not the one this node had.
    #[error(
        "it was known with other data: a node that lost its data would have forgotten its votes, and \
         comes back as a new member only. Run `berth cluster join TOKEN --replace` on it"
    )]
    OtherInstance,
    /// Too many connections.
    #[error("the other node has too many connections")]
    Busy,
    /// An agent under a member's name.
    #[error("a node of the cluster has that name: give each host a name of its own")]
    NameTaken,
}

/// Who this node is, for greetings.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) node: NodeId,
    pub(crate) cluster: ClusterId,
    pub(crate) proof: Proof,
    /// What agents of this cluster prove.
    pub(crate) agents: Proof,
    pub(crate) directory: Arc<DataDirectory>,
    pub(crate) fatal: Fatal,
}

impl Identity {
    /// The greeting to a peer.
    pub(crate) fn hello(&self, to: NodeId, lane: Lane) -> Hello {
        Hello {
            protocol: PROTOCOL,
            cluster: self.cluster,
            from: self.node.get(),
            instance: self.directory.instance(),
            to: to.get(),
            proof: self.proof.bytes(),
            lane,
        }
    }

    /// Checks a greeting. Blocks when it is from a node not met before.
    pub(crate) fn judge(&self, hello: &Hello) -> Result<Welcome, DirectoryError> {
        let Hello { protocol, cluster, from, instance, to, proof, .. } = hello;
        let refuse = |refusal| Ok(Welcome::Refused(refusal));
        if *protocol != PROTOCOL {
            return refuse(Refusal::Protocol { theirs: *protocol, ours: PROTOCOL });
        }
        if *cluster != self.cluster {
            return refuse(Refusal::Cluster { theirs: *cluster, ours: self.cluster });
        }
        if *to != self.node.get() {
            return refuse(Refusal::NotMe { theirs: *to, ours: self.node.get() });
        }
        if !self.proof.accepts(proof) {
            return refuse(Refusal::Secret);
        }
        Ok(match self.meet(NodeId::new(*from), *instance)? {
            Err(_) => Welcome::Refused(Refusal::OtherInstance),
            Ok(()) => Welcome::Accepted {
                from: self.node.get(),
                instance: self.directory.instance(),
                proof: self.proof.bytes(),
            },
        })
    }

    /// Checks who answered a greeting. Blocks when it is a node not met before.
    pub(crate) fn check(
        &self,
        to: NodeId,
        welcome: &Welcome,
    ) -> Result<Result<(), Refusal>, DirectoryError> {
        let (from, instance, proof) = match welcome {
            Welcome::Refused(refusal) => return Ok(Err(*refusal)),
            Welcome::Accepted { from, instance, proof } => (*from, *instance, proof),
        };
        if from != to.get() {
            return Ok(Err(Refusal::NotMe { theirs: to.get(), ours: from }));
        }
        if !self.proof.accepts(proof) {
            return Ok(Err(Refusal::Secret));
        }
        Ok(self.meet(to, instance)?.map_err(|_| Refusal::OtherInstance))
    }

    /// A peer that cannot be noted is the node's end, as any failed write is.
    fn meet(
        &self,
        node: NodeId,
        instance: u128,
    ) -> Result<Result<(), OtherInstance>, DirectoryError> {
        self.directory.meet(node, instance).inspect_err(|error| {
            self.fatal.raise_write("noting a peer", &chain(error));
        })
    }
}
