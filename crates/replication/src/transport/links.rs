//! All links of a node, and where its peers are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::addresses::Addresses;
use super::channel::Channel;
use super::greeting::{Identity, Lane};
use super::link::{Greeter, Link, Target, Whereabouts};
use crate::raft::PeerNode;
use crate::{Fatal, NodeId, NodeName};

/// Makes links, one for each peer and lane. Clones share them.
#[derive(Clone)]
pub(crate) struct Links(Arc<Shared>);

struct Shared {
    identity: Identity,
    addresses: Addresses,
    channel: Channel,
    connect_timeout: Duration,
    fatal: Fatal,
    open: Mutex<BTreeMap<(u64, Lane), Link>>,
}

impl Links {
    /// Makes the links of a node, which was told where these peers are before it had a log.
    pub(crate) fn new(
        identity: Identity,
        told: BTreeMap<u64, PeerNode>,
        channel: Channel,
        connect_timeout: Duration,
        fatal: &Fatal,
    ) -> Self {
        let fatal = fatal.clone();
        let (open, addresses) = (Mutex::default(), Addresses::new(told));
        Self(Arc::new(Shared { identity, addresses, channel, connect_timeout, fatal, open }))
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.0.channel
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.0.connect_timeout
    }

    /// Whether a member has this name.
    pub(super) fn is_member(&self, name: &NodeName) -> bool {
        self.0.addresses.is_member(name)
    }

    /// These are the members by now, as the log says. Links to others are closed.
    pub(crate) fn learn(&self, members: BTreeMap<u64, PeerNode>) {
        let mut open = self.0.open.lock().expect("nothing panics while it holds the links");
        open.retain(|(node, _), _| members.contains_key(node));
        drop(open);
        self.0.addresses.learn(members);
    }

    /// A member is here, as the log is about to say.
    pub(crate) fn hint(&self, node: NodeId, known: &PeerNode) {
        self.0.addresses.hint(node, known);
    }

    /// All members, or those that this node was told of.
    pub(crate) fn peers(&self) -> Vec<(NodeId, PeerNode)> {
        self.0.addresses.peers()
    }

    /// Where a member is.
    pub(crate) fn address(&self, node: NodeId, known: &PeerNode) -> String {
        self.0.addresses.shown(node, known)
    }

    /// The link to a member.
    pub(crate) fn to(&self, node: NodeId, lane: Lane) -> Link {
        let mut open = self.0.open.lock().expect("nothing panics while it holds the links");
        let link = open.entry((node.get(), lane)).or_insert_with(|| {
            let greeter = Greeter::Member {
                identity: self.0.identity.clone(),
                node,
                lane,
                fatal: self.0.fatal.clone(),
            };
            Link::new(Target {
                greeter,
                whereabouts: Whereabouts::Member(self.0.addresses.clone(), node),
                channel: self.0.channel.clone(),
                connect_timeout: self.0.connect_timeout,
            })
        });
        link.clone()
    }

    /// Closes all links.
    pub(crate) fn close(&self) {
        self.0.open.lock().expect("nothing panics while it holds the links").clear();
    }
}
