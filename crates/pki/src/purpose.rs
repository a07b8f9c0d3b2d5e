//! What a connection is for, which is agreed before anything else is said.

/// What a connection is for. Each has an ALPN protocol of its own, by which the listener chooses
/// whose certificates it believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// A node of the cluster speaks to another one.
    Node,
    /// A host that is no node, or none yet, speaks to a node.
    Host,
}

impl Purpose {
    /// The ALPN protocol.
    pub fn protocol(self) -> &'static [u8] {
        match self {
            Self::Node => b"berth-node/1",
            Self::Host => b"berth-host/1",
        }
    }

    /// What an ALPN protocol is for.
    pub(crate) fn of(protocol: &[u8]) -> Option<Self> {
        [Self::Node, Self::Host].into_iter().find(|purpose| purpose.protocol() == protocol)
    }

    /// The name of the authority whose certificates are believed for it.
    pub(crate) fn authority(self) -> &'static str {
        match self {
            Self::Node => "Berth nodes",
            Self::Host => "Berth hosts",
        }
    }
}
