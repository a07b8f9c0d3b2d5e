//! A request of the engine as a value: parsed, performed, answered.

use std::fmt;

use serde_json::{Value, json};

use crate::constants::{
    ACTIVATE, GET_CAPABILITIES, GET_DEFAULT_ADDRESS_SPACES, PLUGIN_TYPE, RELEASE_ADDRESS,
    RELEASE_POOL, REQUEST_ADDRESS, REQUEST_POOL,
};
use crate::{
    AddressRelease, AddressRequest, AllocatedAddress, AllocatedPool, Ipam, PoolId, PoolRequest,
    PoolSpec, RequestContext, Result, Undelivered, wire,
};

/// What the engine asks of the driver.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Activate,
    Capability,
    AddressSpaces,
    RequestPool(PoolRequest),
    ReleasePool(PoolId),
    RequestAddress(AddressRequest),
    ReleaseAddress(AddressRelease),
}

/// What it is answered.
pub(crate) struct Answer {
    pub(crate) body: Value,
    /// To be undone if it does not arrive.
    pub(crate) given: Option<Given>,
}

pub(crate) enum Given {
    Pool(AllocatedPool),
    Address(AllocatedAddress),
}

impl Call {
    /// Reads a call. `None` if the contract has no such method.
    pub(crate) fn parse(method: &str, body: &[u8]) -> Option<Result<Self>> {
        Some(match method {
            ACTIVATE => Ok(Self::Activate),
            GET_CAPABILITIES => Ok(Self::Capability),
            GET_DEFAULT_ADDRESS_SPACES => Ok(Self::AddressSpaces),
            REQUEST_POOL => wire::pool_request(body).map(Self::RequestPool),
            RELEASE_POOL => wire::pool_release(body).map(Self::ReleasePool),
            REQUEST_ADDRESS => wire::address_request(body).map(Self::RequestAddress),
            RELEASE_ADDRESS => wire::address_release(body).map(Self::ReleaseAddress),
            _ => return None,
        })
    }

    /// Has the driver do it.
    pub(crate) async fn perform(
        self,
        driver: &dyn Ipam,
        context: &RequestContext,
    ) -> Result<Answer> {
        let body = match self {
            Self::Activate => json!({ "Implements": [PLUGIN_TYPE] }),
            Self::Capability => {
                let capability = driver.capability(context).await?;
                json!({
                    "RequiresMACAddress": capability.requires_mac_address,
                    "RequiresRequestReplay": capability.requires_request_replay,
                })
            }
            Self::AddressSpaces => {
                let spaces = driver.default_address_spaces(context).await?;
                json!({
                    "LocalDefaultAddressSpace": spaces.local,
                    "GlobalDefaultAddressSpace": spaces.global,
                })
            }
            Self::RequestPool(request) => {
                let pool = driver.request_pool(context, request).await?;
                let body = wire::of_pool(&pool);
                return Ok(Answer { body, given: Some(Given::Pool(pool)) });
            }
            Self::RequestAddress(request) => {
                let address = driver.request_address(context, request).await?;
                let body = wire::of_address(&address);
                return Ok(Answer { body, given: Some(Given::Address(address)) });
            }
            Self::ReleasePool(pool_id) => {
                driver.release_pool(context, pool_id).await?;
                json!({})
            }
            Self::ReleaseAddress(release) => {
                driver.release_address(context, release).await?;
                json!({})
            }
        };
        Ok(Answer { body, given: None })
    }

    /// What the driver must hear if `given` did not arrive.
    pub(crate) fn in_vain(self, given: Given) -> Option<Undelivered> {
        match (self, given) {
            (Self::RequestPool(request), Given::Pool(given)) => {
                Some(Undelivered::Pool { request, given })
            }
            (Self::RequestAddress(request), Given::Address(given)) => {
                Some(Undelivered::Address { request, given })
            }
            _ => None,
        }
    }
}

/// One line for the log: the method, and the pool and address it is about.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Activate => f.write_str("Activate"),
            Self::Capability => f.write_str("GetCapabilities"),
            Self::AddressSpaces => f.write_str("GetDefaultAddressSpaces"),
            Self::RequestPool(request) => {
                write!(f, "RequestPool space={:?} ", request.space)?;
                match request.pool {
                    PoolSpec::Automatic { family, prefix_len: None } => {
                        write!(f, "pool=automatic-{family:?}")
                    }
                    PoolSpec::Automatic { family, prefix_len: Some(length) } => {
                        write!(f, "pool=automatic-{family:?}/{length}")
                    }
                    PoolSpec::Exact { prefix, sub_pool: None } => write!(f, "pool={prefix}"),
                    PoolSpec::Exact { prefix, sub_pool: Some(sub_pool) } => {
                        write!(f, "pool={prefix} sub_pool={sub_pool}")
                    }
                }
            }
            Self::ReleasePool(pool_id) => write!(f, "ReleasePool pool={:?}", pool_id.as_str()),
            Self::RequestAddress(request) => {
                write!(f, "RequestAddress pool={:?} address=", request.pool_id.as_str())?;
                match request.address {
                    Some(address) => write!(f, "{address}")?,
                    None => f.write_str("any")?,
                }
                if request.options.is_gateway() {
                    f.write_str(" gateway")?;
                }
                match request.options.endpoint_name() {
                    Some(name) => write!(f, " endpoint={name:?}"),
                    None => Ok(()),
                }
            }
            Self::ReleaseAddress(release) => {
                let AddressRelease { pool_id, address } = release;
                write!(f, "ReleaseAddress pool={:?} address={address}", pool_id.as_str())
            }
        }
    }
}
