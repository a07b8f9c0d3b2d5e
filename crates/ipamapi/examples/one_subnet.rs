//! A whole driver: one network, the addresses of 10.77.0.0/24, in memory.
//!
//! ```text
//! cargo run --example one_subnet -- /run/docker/plugins/one-subnet.sock
//! docker network create --ipam-driver one-subnet demo
//! docker run --rm --network demo busybox ip address
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use tokio::signal;

use ipamapi::ErrorKind::{
    AddressInUse, AddressOutOfRange, NoAvailableAddresses, NoMoreSubnets, PoolOverlap, UnknownPool,
};
use ipamapi::{
    AddressRelease, AddressRequest, AddressSpaces, AllocatedAddress, AllocatedPool, Ipam, PoolId,
    PoolRequest, RequestContext, Result, Server, ServerConfig, Undelivered, async_trait,
    ipnet::Ipv4Net,
};

const SUBNET: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 77, 0, 0), 24);

/// The addresses that are held, while there is a network.
#[derive(Default)]
struct OneSubnet(Mutex<Option<BTreeSet<Ipv4Addr>>>);

#[async_trait]
impl Ipam for OneSubnet {
    async fn default_address_spaces(&self, _: &RequestContext) -> Result<AddressSpaces> {
        Ok(AddressSpaces::new("one-subnet-local", "one-subnet-global"))
    }

    async fn request_pool(
        &self,
        _: &RequestContext,
        request: PoolRequest,
    ) -> Result<AllocatedPool> {
        if !request.pool.is_automatic() {
            return Err(PoolOverlap.because(format!("this driver only gives {SUBNET}")));
        }
        let mut held = self.0.lock().expect("no call panics");
        if held.is_some() {
            return Err(NoMoreSubnets.into());
        }
        *held = Some(BTreeSet::new());
        let id = PoolId::new("the-subnet")?;
        Ok(AllocatedPool::new(id, SUBNET.into()))
    }

    async fn release_pool(&self, _: &RequestContext, _: PoolId) -> Result<()> {
        let mut held = self.0.lock().expect("no call panics");
        held.take().map(|_| ()).ok_or(UnknownPool.into())
    }

    async fn request_address(
        &self,
        _: &RequestContext,
        request: AddressRequest,
    ) -> Result<AllocatedAddress> {
        let mut held = self.0.lock().expect("no call panics");
        let held = held.as_mut().ok_or(UnknownPool)?;
        let wanted = SUBNET.hosts().find(|host| match request.address {
            Some(address) => address == *host,
            None => !held.contains(host),
        });
        let host = match (wanted, request.address) {
            (Some(host), _) => host,
            (None, Some(_)) => return Err(AddressOutOfRange.into()),
            (None, None) => return Err(NoAvailableAddresses.because("254 of 254 are held")),
        };
        if !held.insert(host) {
            return Err(AddressInUse.into());
        }
        let address = Ipv4Net::new_assert(host, SUBNET.prefix_len());
        Ok(AllocatedAddress::new(address.into()))
    }

    async fn release_address(&self, _: &RequestContext, release: AddressRelease) -> Result<()> {
        let mut held = self.0.lock().expect("no call panics");
        let held = held.as_mut().ok_or(UnknownPool)?;
        held.retain(|host| release.address != *host);
        Ok(())
    }

    async fn undelivered(&self, context: &RequestContext, answer: Undelivered) {
        // A refusal means that it is gone already.
        let _ = match answer {
            Undelivered::Pool { given, .. } => self.release_pool(context, given.id).await,
            Undelivered::Address { request, given } => {
                let AddressRequest { pool_id, .. } = request;
                let address = given.address.addr();
                self.release_address(context, AddressRelease { pool_id, address }).await
            }
        };
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let path = std::env::args().nth(1).ok_or("usage: one_subnet SOCKET")?;
    let driver = Arc::new(OneSubnet::default());
    let server = Server::bind(&path, driver, ServerConfig::default()).await?;
    server.serve(async { signal::ctrl_c().await.unwrap_or_default() }).await;
    Ok(())
}
