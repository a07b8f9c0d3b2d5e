//! A client of a plugin socket, as an engine is one.

use std::net::IpAddr;

use ipamapi::ipnet::IpNet;
use ipamapi::{AddressRelease, AddressRequest, Ipam, Options, PoolId, RemoteIpam, RequestContext};

use super::{Refused, Target};

/// A client with a connection of its own, which asks its pools in turn.
pub struct PluginClient {
    plugin: RemoteIpam,
    pools: Vec<(IpNet, PoolId)>,
    next: usize,
}

impl PluginClient {
    /// A client of these pools, of which there is one at least.
    pub(super) fn new(plugin: RemoteIpam, pools: Vec<(IpNet, PoolId)>) -> Self {
        Self { plugin, pools, next: 0 }
    }
}

impl Target for PluginClient {
    async fn request(&mut self) -> Result<IpAddr, Refused> {
        let (prefix, id) = &self.pools[self.next];
        self.next = (self.next + 1) % self.pools.len();
        let request =
            AddressRequest { pool_id: id.clone(), address: None, options: Options::new() };
        let given = self.plugin.request_address(&RequestContext::in_process(), request).await;
        let address = given.map_err(Refused::because)?.address.addr();
        if !prefix.contains(&address) {
            return Err(Refused::because(format!("an address that is not of its pool: {address}")));
        }
        Ok(address)
    }

    async fn release(&mut self, address: IpAddr) -> Result<(), Refused> {
        let pool = self.pools.iter().find(|(prefix, _)| prefix.contains(&address));
        let (_, id) = pool.ok_or_else(|| Refused::because("that address was not given here"))?;
        let release = AddressRelease { pool_id: id.clone(), address };
        let released = self.plugin.release_address(&RequestContext::in_process(), release).await;
        released.map_err(Refused::because)
    }
}
