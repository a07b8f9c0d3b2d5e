//! What a driver says about itself in the handshake.

/// What a driver needs from the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capability {
    /// Address requests carry the endpoint's MAC address. The engine then makes a random one at
    /// each start, instead of deriving it from the address.
    pub requires_mac_address: bool,
    /// At its start the engine requests again the pools and addresses of its local networks.
    pub requires_request_replay: bool,
}

/// The names of a driver's default address spaces. The engine hands them back as they are.
///
/// They should differ. The name is all that tells a Swarm manager's request (global) from a
/// host's own (local), and with equal names engines skip the check against the host's routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSpaces {
    /// For networks of one host, and for each host's part of Swarm's networks.
    pub local: String,
    /// For networks that Swarm's managers allocate.
    pub global: String,
}

impl AddressSpaces {
    /// Two names.
    pub fn new(local: impl Into<String>, global: impl Into<String>) -> Self {
        Self { local: local.into(), global: global.into() }
    }
}
