//! An engine, as far as a plugin sees it: it calls, once, and waits for the answer.

use std::net::IpAddr;
use std::path::Path;

use ipamapi::constants::{GATEWAY, REQUEST_ADDRESS_TYPE};
use ipamapi::remote::RetryPolicy;
use ipamapi::{
    AddressRelease, AddressRequest, AddressSpaces, AllocatedPool, Ipam, Options, PoolId,
    PoolRequest, RemoteIpam, RequestContext, Result,
};

use crate::LOCAL;

/// A client of one plugin socket.
pub struct Engine(RemoteIpam);

impl Engine {
    /// A client of this socket.
    pub fn new(socket: &Path) -> Self {
        Self(RemoteIpam::new(socket).with_retry(RetryPolicy::NEVER))
    }

    fn context() -> RequestContext {
        RequestContext::in_process()
    }

    /// What an engine does when it starts, and a Swarm manager when it leads.
    pub async fn handshake(&self) -> Result<AddressSpaces> {
        self.0.capability(&Self::context()).await?;
        self.0.default_address_spaces(&Self::context()).await
    }

    /// This pool, or any if `pool` is empty.
    pub async fn pool(&self, space: &str, pool: &str) -> Result<AllocatedPool> {
        self.sub_pool(space, pool, "").await
    }

    /// This pool, with dynamic addresses from a part of it.
    pub async fn sub_pool(&self, space: &str, pool: &str, sub: &str) -> Result<AllocatedPool> {
        let request = PoolRequest::parse(space, pool, sub, false)?;
        self.0.request_pool(&Self::context(), request).await
    }

    /// This pool of a space that the user named, as `docker network create --ipam-opt` does.
    pub async fn pool_of(&self, named: &str, pool: &str) -> Result<AllocatedPool> {
        let request = PoolRequest::parse(LOCAL, pool, "", false)?;
        let request = request.with_options(Options::new().with("berth.space", named));
        self.0.request_pool(&Self::context(), request).await
    }

    /// Gives a pool back.
    pub async fn release_pool(&self, pool: &PoolId) -> Result<()> {
        self.0.release_pool(&Self::context(), pool.clone()).await
    }

    /// Any address.
    pub async fn address(&self, pool: &PoolId) -> Result<IpAddr> {
        self.given(pool, None, Options::new()).await
    }

    /// This address.
    pub async fn exact(&self, pool: &PoolId, address: IpAddr) -> Result<IpAddr> {
        self.given(pool, Some(address), Options::new()).await
    }

    /// A gateway.
    pub async fn gateway(&self, pool: &PoolId, address: Option<IpAddr>) -> Result<IpAddr> {
        let options = Options::new().with(REQUEST_ADDRESS_TYPE, GATEWAY);
        self.given(pool, address, options).await
    }

    async fn given(
        &self,
        pool: &PoolId,
        address: Option<IpAddr>,
        options: Options,
    ) -> Result<IpAddr> {
        let request = AddressRequest { pool_id: pool.clone(), address, options };
        Ok(self.0.request_address(&Self::context(), request).await?.address.addr())
    }

    /// Gives an address back.
    pub async fn release(&self, pool: &PoolId, address: IpAddr) -> Result<()> {
        let release = AddressRelease { pool_id: pool.clone(), address };
        self.0.release_address(&Self::context(), release).await
    }
}
