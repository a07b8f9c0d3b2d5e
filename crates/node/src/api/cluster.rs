//! The cluster, as an API serves it.

use std::sync::Arc;

use berth_replication::{Replica, Servers};

use super::{Api, Problem};
use crate::code::Code;
use crate::sender::Sender;

/// The cluster, as this host has it.
#[derive(Clone)]
pub enum Cluster {
    /// It is a node of it.
    Member {
        /// The node.
        replica: Replica,
        /// Has the commands of the API's users executed.
        sender: Arc<Sender>,
    },
    /// It asks the nodes.
    Servers(Servers),
}

impl Cluster {
    /// The node, where this host is one.
    pub(crate) fn replica(&self) -> Option<&Replica> {
        match self {
            Self::Member { replica, .. } => Some(replica),
            Self::Servers(_) => None,
        }
    }
}

impl Api {
    /// The node, and what has commands executed.
    pub(super) fn member(&self) -> Result<(&Replica, &Arc<Sender>), Problem> {
        match &self.0.cluster {
            Cluster::Member { replica, sender } => Ok((replica, sender)),
            Cluster::Servers(_) => {
                let detail =
                    "this host is an agent, which keeps nothing of the cluster: ask a node";
                Err(Problem::new(Code::BadRequest, detail))
            }
        }
    }
}
