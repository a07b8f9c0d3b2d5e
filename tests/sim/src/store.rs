//! What a claimant keeps: its networks and their endpoints.

use std::net::IpAddr;

use ipamapi::ipnet::IpNet;

/// Which space a network is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// The host's own.
    Local,
    /// Shared by all hosts.
    Shared,
    /// The Swarm's.
    Swarm,
}

/// Where a network stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its pool is wanted.
    Wanted,
    /// It has its pool, and its gateway is wanted.
    Gateway,
    /// It serves.
    Ready,
    /// It is going: nothing new begins on it.
    Leaving,
}

/// A network.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(crate) struct Net {
    /// Its number.
    pub(crate) id: u64,
    /// Its space.
    pub(crate) home: Home,
    /// The prefix it asks for; `None` lets the driver choose.
    pub(crate) wanted: Option<IpNet>,
    /// Where it stands.
    pub(crate) stage: Stage,
    /// Its pool, once it has one: the driver's name for it, and its prefix.
    pub(crate) pool: Option<(ipamapi::PoolId, IpNet)>,
    /// Its gateway.
    pub(crate) gateway: Option<IpAddr>,
    /// Its endpoints.
    pub(crate) endpoints: Vec<Endpoint>,
    /// A request about the network as a whole is under way.
    pub(crate) busy: bool,
    /// Requests about its endpoints that are under way.
    pub(crate) under_way: usize,
    /// It is to be claimed again, as what it holds is.
    pub(crate) replay: bool,
    /// The gateway is to be claimed again.
    pub(crate) replay_gateway: bool,
    /// Its pool was given for certain, and no release of it asked for.
    pub(crate) certain: bool,
    /// The same of its gateway.
    pub(crate) gateway_certain: bool,
}

/// An endpoint: an address in use.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Its number.
    pub(crate) id: u64,
    /// Its address.
    pub(crate) address: IpAddr,
    /// A request about it is under way.
    pub(crate) busy: bool,
    /// It is to be claimed again.
    pub(crate) replay: bool,
    /// It was given for certain, and no release of it asked for.
    pub(crate) certain: bool,
}

impl Net {
    /// A network that is wanted.
    pub(crate) fn new(id: u64, home: Home, wanted: Option<IpNet>) -> Self {
        Self {
            id,
            home,
            wanted,
            stage: Stage::Wanted,
            pool: None,
            gateway: None,
            endpoints: Vec::new(),
            busy: false,
            under_way: 0,
            replay: false,
            replay_gateway: false,
            certain: false,
            gateway_certain: false,
        }
    }

    /// The endpoint of this number.
    pub(crate) fn endpoint(&mut self, id: u64) -> Option<&mut Endpoint> {
        self.endpoints.iter_mut().find(|endpoint| endpoint.id == id)
    }

    /// Whoever keeps it begins anew: all of it is to be claimed again, nothing is under way.
    pub(crate) fn begin_anew(&mut self) {
        (self.busy, self.under_way) = (false, 0);
        self.replay = self.pool.is_some();
        self.replay_gateway = self.gateway.is_some();
        for endpoint in &mut self.endpoints {
            (endpoint.busy, endpoint.replay) = (false, true);
        }
    }

    /// Whether all of it has been claimed again.
    pub(crate) fn is_replayed(&self) -> bool {
        !self.replay && !self.replay_gateway && self.endpoints.iter().all(|e| !e.replay)
    }
}
