//! What a claimant asks for next.

use ipamapi::ipnet::{IpNet, Ipv4Net};
use ipamapi::{AddressRelease, AddressRequest, Family, Options, PoolRequest, PoolSpec};

use super::{Claimant, Kind, Purpose};
use crate::call::Request;
use crate::node::{GLOBAL_SPACE, LOCAL_SPACE, SHARED_SPACE};
use crate::scene::Scene;
use crate::store::{Home, Net, Stage};

/// The option under which a pool's request is known in the log.
pub(super) const REQUEST: &str = "request";
/// Prefixes that networks of one home choose from, few so that they meet.
const PREFIXES: u64 = 3;
/// Their length: 14 addresses, so that they get full.
const LENGTH: u8 = 28;

const ENDPOINT_NAME: &str = "com.docker.network.endpoint.name";
const ADDRESS_TYPE: &str = "RequestAddressType";
const GATEWAY: &str = "com.docker.network.gateway";

impl Claimant {
    /// Claims again what it keeps: pools first, then what is in them.
    pub(super) fn replay(&mut self, scene: &mut Scene) {
        for at in 0..self.nets.len() {
            if self.pending.len() >= self.load.at_once {
                return;
            }
            let net = &self.nets[at];
            if net.busy {
                continue;
            }
            if net.replay {
                self.ask_pool(scene, at);
            } else if net.replay_gateway {
                self.ask_gateway(scene, at);
            } else if let Some(endpoint) = net.endpoints.iter().find(|e| e.replay && !e.busy) {
                let (id, address) = (endpoint.id, endpoint.address);
                self.ask_again(scene, at, id, address);
            }
        }
    }

    /// Does one thing.
    pub(super) fn act(&mut self, scene: &mut Scene) {
        let waits = |net: &Net| !net.busy && net.stage != Stage::Ready;
        if let Some(at) = self.nets.iter().position(|net| waits(net) && net.under_way == 0) {
            return self.go_on(scene, at);
        }
        if self.nets.len() < self.load.networks && self.rng.chance(200) {
            return self.begin_network();
        }
        let ready: Vec<usize> =
            (0..self.nets.len()).filter(|at| self.nets[*at].stage == Stage::Ready).collect();
        if ready.is_empty() {
            return;
        }
        let at = *self.rng.pick(&ready);
        let net = &self.nets[at];
        let full = net.endpoints.len() + net.under_way >= self.load.endpoints;
        match self.rng.below(100) {
            0..50 if !full => self.ask_endpoint(scene, at),
            0..90 => self.release_endpoint(scene, at),
            90..96 => self.list(scene, at),
            96..98 => self.nets[at].stage = Stage::Leaving,
            _ => {}
        }
    }

    /// Takes a network that is coming or going a step further.
    fn go_on(&mut self, scene: &mut Scene, at: usize) {
        match self.nets[at].stage {
            Stage::Wanted => self.ask_pool(scene, at),
            Stage::Gateway => self.ask_gateway(scene, at),
            Stage::Leaving if !self.nets[at].endpoints.is_empty() => {
                self.release_endpoint(scene, at);
            }
            Stage::Leaving => self.leave(scene, at),
            Stage::Ready => {}
        }
    }

    fn begin_network(&mut self) {
        let home = match self.kind {
            Kind::Swarm => Home::Swarm,
            Kind::Engine if self.rng.chance(400) => Home::Local,
            Kind::Engine => Home::Shared,
        };
        let third = u8::try_from(self.rng.between(0, PREFIXES - 1)).unwrap_or(0);
        // Apart from where pools are chosen by the driver.
        let octets = match home {
            Home::Local => [10, 50, third, 0],
            Home::Shared => [10, 99, third, 0],
            Home::Swarm => [172, 20, third, 0],
        };
        let prefix = IpNet::V4(Ipv4Net::new_assert(octets.into(), LENGTH));
        let taken = self.nets.iter().any(|net| net.home == home && net.wanted == Some(prefix));
        let wanted = Some(prefix).filter(|_| !taken && self.rng.chance(800));
        let id = self.id();
        self.nets.push(Net::new(id, home, wanted));
    }

    fn ask_pool(&mut self, scene: &mut Scene, at: usize) {
        let net = &self.nets[at];
        let (id, home) = (net.id, net.home);
        // A network that has its pool asks for that one again.
        let wanted = net.pool.as_ref().map(|(_, prefix)| *prefix).or(net.wanted);
        let pool = match wanted {
            Some(prefix) => PoolSpec::Exact { prefix, sub_pool: None },
            None => PoolSpec::Automatic { family: Family::V4, prefix_len: None },
        };
        let mut options = Options::new().with(REQUEST, self.name_request());
        if home == Home::Shared {
            options = options.with("berth.space", SHARED_SPACE);
        }
        let space = if home == Home::Swarm { GLOBAL_SPACE } else { LOCAL_SPACE }.to_owned();
        let request = PoolRequest { space, pool, options, exclude: Vec::new() };
        if self.ask(scene, Purpose::Pool(id), Request::Pool(request)) {
            self.nets[at].busy = true;
        }
    }

    fn ask_gateway(&mut self, scene: &mut Scene, at: usize) {
        let net = &self.nets[at];
        let (id, address) = (net.id, net.gateway);
        let options = Options::new().with(ADDRESS_TYPE, GATEWAY);
        if self.ask_address(scene, at, Purpose::Gateway(id), address, options) {
            self.nets[at].busy = true;
        }
    }

    fn ask_endpoint(&mut self, scene: &mut Scene, at: usize) {
        let mut address = None;
        if self.rng.chance(150)
            && let Some((_, IpNet::V4(prefix))) = self.nets[at].pool
        {
            let host = u8::try_from(self.rng.between(1, 14)).unwrap_or(1);
            let [a, b, c, _] = prefix.network().octets();
            address = Some(std::net::Ipv4Addr::from([a, b, c, host]).into());
        }
        let mut options = Options::new();
        if self.kind == Kind::Swarm {
            options = options.with("com.docker.network.ipam.serial", "true");
        }
        let id = self.nets[at].id;
        if self.ask_address(scene, at, Purpose::Endpoint(id), address, options) {
            self.nets[at].under_way += 1;
        }
    }

    fn ask_again(
        &mut self,
        scene: &mut Scene,
        at: usize,
        endpoint: u64,
        address: std::net::IpAddr,
    ) {
        let purpose = Purpose::Again(self.nets[at].id, endpoint);
        if self.ask_address(scene, at, purpose, Some(address), Options::new())
            && let Some(endpoint) = self.nets[at].endpoint(endpoint)
        {
            endpoint.busy = true;
        }
    }

    fn ask_address(
        &mut self,
        scene: &mut Scene,
        at: usize,
        purpose: Purpose,
        address: Option<std::net::IpAddr>,
        options: Options,
    ) -> bool {
        let Some((pool_id, _)) = self.nets[at].pool.clone() else { return false };
        let options = options.with(ENDPOINT_NAME, self.name_request());
        let request = AddressRequest { pool_id, address, options };
        self.ask(scene, purpose, Request::Address(request))
    }

    fn release_endpoint(&mut self, scene: &mut Scene, at: usize) {
        let free: Vec<(u64, std::net::IpAddr)> =
            self.nets[at].endpoints.iter().filter(|e| !e.busy).map(|e| (e.id, e.address)).collect();
        let Some((pool_id, _)) = self.nets[at].pool.clone() else { return };
        if free.is_empty() {
            return;
        }
        let (endpoint, address) = *self.rng.pick(&free);
        let purpose = Purpose::Release(self.nets[at].id, endpoint);
        let request = Request::ReleaseAddress(AddressRelease { pool_id, address });
        if self.ask(scene, purpose, request)
            && let Some(endpoint) = self.nets[at].endpoint(endpoint)
        {
            (endpoint.busy, endpoint.certain) = (true, false);
        }
    }

    /// Gives up the gateway, then the pool.
    fn leave(&mut self, scene: &mut Scene, at: usize) {
        let Some((pool_id, _)) = self.nets[at].pool.clone() else { return };
        let id = self.nets[at].id;
        let (purpose, request) = match self.nets[at].gateway {
            Some(address) => (
                Purpose::ReleaseGateway(id),
                Request::ReleaseAddress(AddressRelease { pool_id, address }),
            ),
            None => (Purpose::ReleasePool(id), Request::ReleasePool(pool_id)),
        };
        if self.ask(scene, purpose, request) {
            let net = &mut self.nets[at];
            net.busy = true;
            let asked_for =
                if net.gateway.is_some() { &mut net.gateway_certain } else { &mut net.certain };
            *asked_for = false;
        }
    }

    fn list(&mut self, scene: &mut Scene, at: usize) {
        if let Some((pool, _)) = self.nets[at].pool.clone() {
            self.ask(scene, Purpose::List, Request::List(pool));
        }
    }

    fn name_request(&mut self) -> String {
        let (id, run) = (self.id(), self.run);
        format!("{}-{run}-{id}", self.name)
    }
}
