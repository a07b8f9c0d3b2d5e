//! Where members are: as the log says, and as this node was told before it had one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::raft::PeerNode;
use crate::{NodeId, NodeName};

/// What is known of members. Clones share it.
#[derive(Clone)]
pub(crate) struct Addresses(Arc<Shared>);

struct Shared {
    /// From the list of first members, or from whoever admitted this node.
    told: BTreeMap<u64, PeerNode>,
    /// From the membership; empty until there is one.
    members: Mutex<BTreeMap<u64, PeerNode>>,
}

impl Addresses {
    pub(super) fn new(told: BTreeMap<u64, PeerNode>) -> Self {
        Self(Arc::new(Shared { told, members: Mutex::default() }))
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<u64, PeerNode>> {
        self.0.members.lock().expect("nothing panics while it holds the members")
    }

    /// These are the members by now.
    pub(super) fn learn(&self, members: BTreeMap<u64, PeerNode>) {
        *self.members() = members;
    }

    /// A member may be here: a library's word, before the membership was learnt.
    pub(super) fn hint(&self, node: NodeId, known: &PeerNode) {
        if !known.address.is_empty() {
            self.members().insert(node.get(), known.clone());
        }
    }

    /// All members, or those that were told of.
    pub(super) fn peers(&self) -> Vec<(NodeId, PeerNode)> {
        let members = self.members();
        let known = if members.is_empty() { &self.0.told } else { &*members };
        known.iter().map(|(id, node)| (NodeId::new(*id), node.clone())).collect()
    }

    /// Whether a member has this name.
    pub(super) fn is_member(&self, name: &NodeName) -> bool {
        self.peers().iter().any(|(_, member)| member.name == name.as_str())
    }

    /// Where a member is, which the log has as `known`: the address to be shown.
    pub(super) fn shown(&self, node: NodeId, known: &PeerNode) -> String {
        if !known.address.is_empty() {
            return known.address.clone();
        }
        self.0.told.get(&node.get()).map(|told| told.address.clone()).unwrap_or_default()
    }

    /// Where a member may be: what is tried first comes first.
    pub(super) fn of(&self, node: NodeId) -> Vec<String> {
        let id = node.get();
        let members = self.members();
        let known = members.get(&id).into_iter().chain(self.0.told.get(&id));
        let mut found: Vec<String> = Vec::new();
        for PeerNode { address, .. } in known {
            if !address.is_empty() && !found.contains(address) {
                found.push(address.clone());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_counts_before_what_was_told() {
        let node = |address: &str| PeerNode { name: "b".into(), address: address.into() };
        let addresses = Addresses::new(BTreeMap::from([(2, node("told:1"))]));
        let two = NodeId::new(2);
        assert_eq!(addresses.of(two), ["told:1"]);
        assert!(addresses.of(NodeId::new(3)).is_empty());
        assert!(addresses.is_member(&NodeName::new("b").unwrap()));
        addresses.learn(BTreeMap::from([(2, node("")), (40, node("forty:1"))]));
        assert_eq!(addresses.of(two), ["told:1"]);
        assert_eq!(addresses.shown(two, &node("")), "told:1");
        addresses.learn(BTreeMap::from([(2, node("log:1"))]));
        assert_eq!(addresses.of(two), ["log:1", "told:1"]);
        assert_eq!(addresses.shown(two, &node("log:1")), "log:1");
        addresses.learn(BTreeMap::from([(40, node("forty:1"))]));
        assert!(addresses.is_member(&NodeName::new("b").unwrap()), "that is member 40");
        assert_eq!(addresses.peers().len(), 1);
    }
}
