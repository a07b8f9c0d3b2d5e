//! Who forms the cluster: the list of first members, and what follows from it.
//!
//! Each of them is given the same list. Its names, sorted, number the members, and together they make
//! the cluster's id: nodes that were given other names find each other foreign. Addresses are how
//! to reach a member, not who it is: they may differ from node to node, and change. Later members
//! are admitted ([`crate::membership`]), and numbered from behind the first.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::backup::Origin;
use crate::raft::PeerNode;
use crate::{ClusterId, NodeId, NodeName};

/// Bytes in an address.
pub(crate) const ADDRESS_BYTES_MAX: usize = 256;
/// Members of a cluster, learners included.
pub(crate) const MEMBERS_MAX: usize = 15;

/// A first member of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: NodeName,
    /// Host and port at which the other members reach it.
    pub address: String,
}

/// The list of members is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// No members.
    #[error("the list of members is empty: name at least this node")]
    Empty,
    /// Too many members.
    #[error("{count} members are too many, at most {max} form a cluster")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// Two members of one name.
    #[error("two members are called {name:?}: give each its own name")]
    SameName {
        /// The name.
        name: String,
    },
    /// Two members at one address.
    #[error("two members have the address {address}: give each its own")]
    SameAddress {
        /// The address.
        address: String,
    },
    /// An address that is not one.
    #[error("{address:?} is not an address: write host:port")]
    Address {
        /// The address.
        address: String,
    },
    /// This node is not in the list.
    #[error("this node is called {name:?}, but no member is: add it to the list, or correct one")]
    NotAMember {
        /// The name.
        name: String,
    },
}

/// The first members, numbered.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) id: ClusterId,
    pub(crate) nodes: BTreeMap<u64, PeerNode>,
}

impl Cluster {
    /// Checks the list and numbers its members, of a cluster that began with nothing.
    #[cfg(test)]
    pub(crate) fn new(name: &str, members: &[Member]) -> Result<Self, ClusterError> {
        Self::begun(name, members, None)
    }

    /// Checks the list and numbers its members, of a cluster that began with a backup, or with nothing.
    pub(crate) fn begun(
        name: &str,
        members: &[Member],
        origin: Option<&Origin>,
    ) -> Result<Self, ClusterError> {
        let (count, max) = (members.len(), MEMBERS_MAX);
        if count == 0 {
            return Err(ClusterError::Empty);
        }
        if count > max {
            return Err(ClusterError::TooMany { count, max });
        }
        let mut by_name = BTreeMap::new();
        for member in members {
            check_address(&member.address)?;
            if by_name.values().any(|address| *address == &member.address) {
                return Err(ClusterError::SameAddress { address: member.address.clone() });
            }
            if by_name.insert(member.name.as_str(), &member.address).is_some() {
                return Err(ClusterError::SameName { name: member.name.as_str().to_owned() });
            }
        }
        let id = cluster_id(name, by_name.keys(), origin);
        let node = |(name, address): (&str, &String)| PeerNode {
            name: name.to_owned(),
            address: address.clone(),
        };
        let nodes = (1..).zip(by_name.into_iter().map(node)).collect();
        Ok(Self { id, nodes })
    }

    /// The membership a new cluster begins with. It holds no addresses, so that all members write
    /// the same one.
    pub(crate) fn first_membership(&self) -> BTreeMap<u64, PeerNode> {
        let unplaced =
            |node: &PeerNode| PeerNode { name: node.name.clone(), ..PeerNode::default() };
        self.nodes.iter().map(|(id, node)| (*id, unplaced(node))).collect()
    }

    /// The id of the member with this name.
    pub(crate) fn member(&self, name: &NodeName) -> Result<NodeId, ClusterError> {
        let found = self.nodes.iter().find(|(_, node)| node.name == name.as_str());
        let not_found = || ClusterError::NotAMember { name: name.as_str().to_owned() };
        found.map(|(id, _)| NodeId::new(*id)).ok_or_else(not_found)
    }
}

pub(crate) fn check_address(address: &str) -> Result<(), ClusterError> {
    let port = address.rsplit_once(':').and_then(|(host, port)| {
        let named = !host.is_empty() && address.len() <= ADDRESS_BYTES_MAX;
        named.then(|| port.parse::<u16>().ok()).flatten()
    });
    match port {
        Some(port) if port > 0 => Ok(()),
        _ => Err(ClusterError::Address { address: address.to_owned() }),
    }
}

/// A hash of the cluster's name, its members' names, and what it began with.
fn cluster_id<'a>(
    name: &str,
    members: impl Iterator<Item = &'a &'a str>,
    origin: Option<&Origin>,
) -> ClusterId {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add("berth cluster");
    add(name);
    members.for_each(|name| add(name));
    if let Some(origin) = origin {
        hash.update(origin.digest());
    }
    let digest: [u8; 32] = hash.finalize().into();
    ClusterId::new(*digest.first_chunk().expect("a digest is longer than an id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, address: &str) -> Member {
        Member { name: NodeName::new(name).unwrap(), address: address.to_owned() }
    }

    #[test]
    fn ids_do_not_depend_on_the_order_of_the_list() {
        let (a, b) = (member("a", "10.0.0.1:7000"), member("b", "10.0.0.2:7000"));
        let one = Cluster::new("c", &[a.clone(), b.clone()]).unwrap();
        let other = Cluster::new("c", &[b.clone(), a]).unwrap();
        assert_eq!((one.id, &one.nodes), (other.id, &other.nodes));
        assert_eq!(one.member(&b.name), Ok(NodeId::new(2)));
        let moved = Cluster::new("c", &[member("a", "10.0.0.9:7000"), b.clone()]).unwrap();
        assert_eq!(one.id, moved.id);
        let renamed = Cluster::new("c", &[member("z", "10.0.0.1:7000"), b]).unwrap();
        assert_ne!(one.id, renamed.id);
    }

    #[test]
    fn bad_lists_are_refused() {
        let a = member("a", "h:1");
        let refused = |members: &[Member]| Cluster::new("c", members).unwrap_err();
        assert_eq!(refused(&[]), ClusterError::Empty);
        let same_name = refused(&[a.clone(), member("a", "h:2")]);
        assert_eq!(same_name, ClusterError::SameName { name: "a".into() });
        let same_address = refused(&[a.clone(), member("b", "h:1")]);
        assert_eq!(same_address, ClusterError::SameAddress { address: "h:1".into() });
        for address in ["h", ":1", "h:", "h:0", "h:70000"] {
            let expected = ClusterError::Address { address: address.into() };
            assert_eq!(refused(&[member("a", address)]), expected);
        }
        let stranger = Cluster::new("c", &[a]).unwrap().member(&NodeName::new("z").unwrap());
        assert_eq!(stranger, Err(ClusterError::NotAMember { name: "z".into() }));
    }
}
