//! libnetwork's `null` driver: one pool that holds nothing. For networks without addresses.

use async_trait::async_trait;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    AddressRelease, AddressRequest, AddressSpaces, AllocatedAddress, AllocatedPool, ErrorKind,
    Family, Ipam, IpamError, PoolId, PoolRequest, PoolSpec, RequestContext, Result,
};

/// The driver's name, and that of its only address space.
pub const NAME: &str = "null";

/// A driver that gives the pool `0.0.0.0/0` (or `::/0`) to everybody, and addresses to nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullIpam;

impl NullIpam {
    fn pool(family: Family) -> AllocatedPool {
        let pool: IpNet = match family {
            Family::V4 => Ipv4Net::default().into(),
            Family::V6 => Ipv6Net::default().into(),
        };
        let id = PoolId::new(format!("{NAME}/{pool}")).expect("the name is not empty");
        AllocatedPool::new(id, pool)
    }

    fn check(pool_id: &PoolId) -> Result<()> {
        let known = [Family::V4, Family::V6].map(|family| Self::pool(family).id);
        if known.contains(pool_id) {
            return Ok(());
        }
        Err(IpamError::bad_request(format!("unknown pool id: {pool_id}")))
    }
}

#[async_trait]
impl Ipam for NullIpam {
    async fn default_address_spaces(&self, _context: &RequestContext) -> Result<AddressSpaces> {
        Ok(AddressSpaces::new(NAME, NAME))
    }

    async fn request_pool(
        &self,
        _context: &RequestContext,
        request: PoolRequest,
    ) -> Result<AllocatedPool> {
        if request.space != NAME {
            let unknown = format!("unknown address space: {}", request.space);
            return Err(IpamError::bad_request(unknown));
        }
        match request.pool {
            PoolSpec::Automatic { family, prefix_len: None } => Ok(Self::pool(family)),
            _ => Err(IpamError::bad_request(
                "null ipam driver does not handle specific address pool requests",
            )),
        }
    }

    async fn release_pool(&self, _context: &RequestContext, _pool_id: PoolId) -> Result<()> {
        Ok(())
    }

    async fn request_address(
        &self,
        _context: &RequestContext,
        request: AddressRequest,
    ) -> Result<AllocatedAddress> {
        Self::check(&request.pool_id)?;
        Err(ErrorKind::NoAddressReturned.into())
    }

    async fn release_address(
        &self,
        _context: &RequestContext,
        release: AddressRelease,
    ) -> Result<()> {
        Self::check(&release.pool_id)
    }

    fn is_built_in(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn request(space: &str, pool: &str, v6: bool) -> Result<AllocatedPool> {
        let request = PoolRequest::parse(space, pool, "", v6)?;
        NullIpam.request_pool(&RequestContext::in_process(), request).await
    }

    #[tokio::test]
    async fn pools_are_everything_and_always_the_same() {
        for (v6, id, prefix) in
            [(false, "null/0.0.0.0/0", "0.0.0.0/0"), (true, "null/::/0", "::/0")]
        {
            for _ in 0..2 {
                let pool = request(NAME, "", v6).await.unwrap();
                assert_eq!((pool.id.as_str(), pool.pool.to_string().as_str()), (id, prefix));
            }
        }
        assert!(request("other", "", false).await.is_err());
        assert!(request(NAME, "10.0.0.0/8", false).await.is_err());
    }

    #[tokio::test]
    async fn addresses_are_never_given() {
        let context = RequestContext::in_process();
        let asked = AddressRequest::parse("null/0.0.0.0/0", "").unwrap();
        let error = NullIpam.request_address(&context, asked).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoAddressReturned);

        let asked = AddressRequest::parse("default/0.0.0.0/0", "").unwrap();
        let error = NullIpam.request_address(&context, asked).await.unwrap_err();
        assert_eq!(error.to_string(), "unknown pool id: default/0.0.0.0/0");

        let release = AddressRelease::parse("null/::/0", "fd00::1").unwrap();
        assert_eq!(NullIpam.release_address(&context, release).await, Ok(()));
        assert_eq!(NullIpam.release_pool(&context, PoolId::new("any").unwrap()).await, Ok(()));
    }
}
