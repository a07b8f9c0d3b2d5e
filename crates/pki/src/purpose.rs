//! What a connection is for, which is agreed before anything else is said.

/// What a connection is for. Each has an ALPN protocol of its own, by which the listener chooses
/// whose certificates it believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// A node of the cluster speaks to another one.
    Node,
    /// A host that is no node speaks to a node.
    Host,
    /// A host with a token wants to become a node. It has no certificate yet.
    Join,
    /// A user of the API, over HTTP. Who it is, its token says.
    Api,
}

impl Purpose {
    /// The ALPN protocol.
    pub fn protocol(self) -> &'static [u8] {
        match self {
            Self::Node => b"berth-node/1",
            Self::Host => b"berth-host/1",
            Self::Join => b"berth-join/1",
            Self::Api => b"http/1.1",
        }
    }

    /// What an ALPN protocol is for.
    pub(crate) fn of(protocol: &[u8]) -> Option<Self> {
        [Self::Node, Self::Host, Self::Join, Self::Api]
            .into_iter()
            .find(|purpose| purpose.protocol() == protocol)
    }
}
