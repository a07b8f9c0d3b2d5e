//! A whole driver: one network, the addresses of 10.77.0.0/24, in memory.
//!
//! ```text
//! cargo run --example one_subnet -- /run/docker/plugins/one-subnet.sock
//! docker network create --ipam-driver one-subnet demo
//! docker run --rm --network demo busybox ip address
//! ```

use std::{collections::BTreeSet, net::IpAddr, net::Ipv4Addr, sync::Mutex};

use ipamapi::ErrorKind::{AddressInUse, NoAvailableAddresses, NoMoreSubnets, UnknownPool};
use ipamapi::ipnet::{IpNet, Ipv4Net};
use ipamapi::{AddressRelease, AddressRequest, AddressSpaces, AllocatedAddress, AllocatedPool};
use ipamapi::{Ipam, PoolId, PoolRequest, RequestContext as Context, Result, async_trait};

const SUBNET: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 77, 0, 0), 24);

/// The addresses that are held, while there is a network.
#[derive(Default)]
struct OneSubnet(Mutex<Option<BTreeSet<IpAddr>>>);

#[async_trait]
impl Ipam for OneSubnet {
    async fn default_address_spaces(&self, _: &Context) -> Result<AddressSpaces> {
        Ok(AddressSpaces::new("one-subnet-local", "one-subnet-global"))
    }

    async fn request_pool(&self, _: &Context, request: PoolRequest) -> Result<AllocatedPool> {
        let mut held = self.0.lock().expect("no call panics");
        if held.is_some() || !request.pool.is_automatic() {
            return Err(NoMoreSubnets.because(format!("this driver gives {SUBNET}, and once")));
        }
        *held = Some(BTreeSet::new());
        Ok(AllocatedPool::new(PoolId::new("the-subnet")?, SUBNET.into()))
    }

    async fn release_pool(&self, _: &Context, _: PoolId) -> Result<()> {
        let held = self.0.lock().expect("no call panics").take();
        held.map(|_| ()).ok_or(UnknownPool.into())
    }

    async fn request_address(&self, _: &Context, ask: AddressRequest) -> Result<AllocatedAddress> {
        let mut held = self.0.lock().expect("no call panics");
        let held = held.as_mut().ok_or(UnknownPool)?;
        let mut free = SUBNET.hosts().map(IpAddr::V4).filter(|host| !held.contains(host));
        let host = match ask.address {
            Some(wanted) => free.find(|host| *host == wanted).ok_or(AddressInUse)?,
            None => free.next().ok_or(NoAvailableAddresses)?,
        };
        held.insert(host);
        Ok(AllocatedAddress::new(IpNet::new_assert(host, SUBNET.prefix_len())))
    }

    async fn release_address(&self, _: &Context, release: AddressRelease) -> Result<()> {
        let mut held = self.0.lock().expect("no call panics");
        held.as_mut().ok_or(UnknownPool)?.remove(&release.address);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    let socket = std::env::args().nth(1).ok_or("usage: one_subnet SOCKET")?;
    Ok(ipamapi::serve(socket, OneSubnet::default()).await?)
}
