#![doc = include_str!("../README.md")]

mod address;
mod capability;
pub mod conformance;
pub mod constants;
mod context;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod ipam;
pub mod null;
mod options;
mod pool;
mod prefix;
pub mod registry;
pub mod remote;
pub mod server;
mod wire;

pub use address::{AddressRelease, AddressRequest, AllocatedAddress};
pub use async_trait::async_trait;
pub use capability::{AddressSpaces, Capability};
pub use context::{Caller, DEFAULT_DEADLINE, Peer, RequestContext};
pub use error::{ErrorClass, ErrorKind, IpamError, Result};
pub use ipam::{Ipam, Undelivered};
pub use ipnet;
pub use options::Options;
pub use pool::{AllocatedPool, PoolId, PoolRequest, PoolSpec};
pub use prefix::{Family, parse_address, parse_interface, parse_prefix};
pub use registry::{Registerer, Registry, RegistryError};
pub use remote::RemoteIpam;
pub use server::{Server, ServerConfig, serve};
