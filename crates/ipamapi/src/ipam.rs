//! The trait that a driver implements.

use async_trait::async_trait;

use crate::{
    AddressRelease, AddressRequest, AddressSpaces, AllocatedAddress, AllocatedPool, Capability,
    PoolId, PoolRequest, RequestContext, Result,
};

/// An IPAM driver.
///
/// Requests arrive parsed: prefixes are masked, families known, sub-pools inside their pools.
/// Calls run concurrently. A call is never cancelled by dropping its future: when its caller is
/// gone it runs on, and [`undelivered`](Self::undelivered) says so in the end.
///
/// What libnetwork expects of each method, beyond its signature, is checked case by case by the
/// [conformance suite](crate::conformance).
#[async_trait]
pub trait Ipam: Send + Sync {
    /// What the driver needs from the engine. Engines ask at their start, when the plugin is
    /// enabled and whenever a Swarm manager becomes leader. Answer at once: they wait for it.
    async fn capability(&self, _context: &RequestContext) -> Result<Capability> {
        Ok(Capability::default())
    }

    /// The default address spaces: always the same two names, and at once.
    async fn default_address_spaces(&self, context: &RequestContext) -> Result<AddressSpaces>;

    /// Gives a pool.
    async fn request_pool(
        &self,
        context: &RequestContext,
        request: PoolRequest,
    ) -> Result<AllocatedPool>;

    /// Takes a pool back, with all its addresses: that some are still out is normal. Engines log
    /// an error and go on.
    async fn release_pool(&self, context: &RequestContext, pool_id: PoolId) -> Result<()>;

    /// Gives an address of a pool.
    async fn request_address(
        &self,
        context: &RequestContext,
        request: AddressRequest,
    ) -> Result<AllocatedAddress>;

    /// Takes an address back. One that nobody holds is success. Engines log an error and never
    /// try again.
    async fn release_address(
        &self,
        context: &RequestContext,
        release: AddressRelease,
    ) -> Result<()>;

    /// Learns that the answer to a request never reached its caller, who cannot know what it was
    /// given. Engines then either give up or send an empty body, so what a dynamic request made
    /// would be held for nobody.
    ///
    /// Releases that, unless the driver does better. What was asked for explicitly stays: the
    /// engine may ask for it again.
    async fn undelivered(&self, context: &RequestContext, answer: Undelivered) {
        let released = match answer {
            Undelivered::Pool { request, given } if request.pool.is_automatic() => {
                self.release_pool(context, given.id).await
            }
            Undelivered::Address { request, given } if request.address.is_none() => {
                let (pool_id, address) = (request.pool_id, given.address.addr());
                self.release_address(context, AddressRelease { pool_id, address }).await
            }
            _ => return,
        };
        if let Err(error) = released {
            tracing::warn!(request = context.id(), %error, "what nobody heard of stays held");
        }
    }

    /// Whether the driver is part of the engine; such a driver cannot be replaced in a registry.
    fn is_built_in(&self) -> bool {
        false
    }
}

/// What a request was given in vain. `context.id()` is the one of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// A pool.
    Pool {
        /// What was asked for.
        request: PoolRequest,
        /// What the driver gave.
        given: AllocatedPool,
    },
    /// An address.
    Address {
        /// What was asked for.
        request: AddressRequest,
        /// What the driver gave.
        given: AllocatedAddress,
    },
}
