//! The driver as an engine reaches it: what it does then is on record as the engine's.

use std::sync::Arc;

use async_trait::async_trait;
use ipamapi::{
    AddressRelease, AddressRequest, AddressSpaces, AllocatedAddress, AllocatedPool, Capability,
    Ipam, PoolId, PoolRequest, RequestContext, Result, Undelivered,
};

use super::Driver;
use crate::audit::{Asker, on_behalf_of};

/// A driver that is asked by whoever is at the other end of a request.
pub struct Asked(pub Arc<Driver>);

fn engine(context: &RequestContext) -> Asker {
    Asker::Engine(context.peer())
}

#[async_trait]
impl Ipam for Asked {
    async fn capability(&self, context: &RequestContext) -> Result<Capability> {
        on_behalf_of(engine(context), self.0.capability(context)).await
    }

    async fn default_address_spaces(&self, context: &RequestContext) -> Result<AddressSpaces> {
        self.0.default_address_spaces(context).await
    }

    async fn request_pool(
        &self,
        context: &RequestContext,
        request: PoolRequest,
    ) -> Result<AllocatedPool> {
        on_behalf_of(engine(context), self.0.request_pool(context, request)).await
    }

    async fn release_pool(&self, context: &RequestContext, pool_id: PoolId) -> Result<()> {
        on_behalf_of(engine(context), self.0.release_pool(context, pool_id)).await
    }

    async fn request_address(
        &self,
        context: &RequestContext,
        request: AddressRequest,
    ) -> Result<AllocatedAddress> {
        on_behalf_of(engine(context), self.0.request_address(context, request)).await
    }

    async fn release_address(
        &self,
        context: &RequestContext,
        release: AddressRelease,
    ) -> Result<()> {
        on_behalf_of(engine(context), self.0.release_address(context, release)).await
    }

    /// The engine asks for nothing here: Berth gives back what it did not hear of.
    async fn undelivered(&self, context: &RequestContext, answer: Undelivered) {
        self.0.undelivered(context, answer).await;
    }
}
