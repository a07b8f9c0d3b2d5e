//! All links of a node, and where its peers are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::channel::Channel;
use super::greeting::{Identity, Lane};
use super::link::{Greeter, Link, Target};
use crate::raft::PeerNode;
use crate::{Fatal, NodeId, NodeName};

/// Makes links, one for each peer and lane. Clones share them.
#[derive(Clone)]
pub(crate) struct Links(Arc<Shared>);

struct Shared {
    identity: Identity,
    /// Where peers are by configuration, which counts more than what the log says.
    configured: BTreeMap<u64, PeerNode>,
    channel: Channel,
    connect_timeout: Duration,
    fatal: Fatal,
    open: Mutex<BTreeMap<(u64, Lane), (String, Link)>>,
}

impl Links {
    pub(crate) fn new(
        identity: Identity,
        configured: BTreeMap<u64, PeerNode>,
        channel: Channel,
        connect_timeout: Duration,
        fatal: &Fatal,
    ) -> Self {
        let fatal = fatal.clone();
        let open = Mutex::new(BTreeMap::new());
        Self(Arc::new(Shared { identity, configured, channel, connect_timeout, fatal, open }))
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
        self.0.configured.values().any(|member| member.name == name.as_str())
    }

    /// Where a member is.
    pub(crate) fn address(&self, node: NodeId, known: &PeerNode) -> String {
        let configured = self.0.configured.get(&node.get());
        configured.unwrap_or(known).address.clone()
    }

    /// The link to a member.
    pub(crate) fn to(&self, node: NodeId, known: &PeerNode, lane: Lane) -> Link {
        let address = self.address(node, known);
        let mut open = self.0.open.lock().expect("nothing panics while it holds the links");
        match open.get(&(node.get(), lane)) {
            Some((same, link)) if *same == address => link.clone(),
            _ => {
                let greeter = Greeter::Member {
                    identity: self.0.identity.clone(),
                    node,
                    lane,
                    fatal: self.0.fatal.clone(),
                };
                let link = Link::new(Target {
                    greeter,
                    address: address.clone(),
                    channel: self.0.channel.clone(),
                    connect_timeout: self.0.connect_timeout,
                });
                open.insert((node.get(), lane), (address, link.clone()));
                link
            }
        }
    }

    /// Closes all links.
    pub(crate) fn close(&self) {
        self.0.open.lock().expect("nothing panics while it holds the links").clear();
    }
}
