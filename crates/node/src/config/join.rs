//! What a host needs to join a cluster.

use berth_replication::{AccessToken, JoinConfig, TokenUse, is_loopback};

use super::ConfigError;
use super::host::HostConfig;
use super::server::raft_dir;

/// Checks what a host that joins must be told.
pub(super) fn join_config(
    host: &HostConfig,
    token: &str,
    address: String,
    replace: bool,
) -> Result<JoinConfig, ConfigError> {
    let token = AccessToken::parse(token, TokenUse::Join).map_err(ConfigError::Token)?;
    let open = host.insecure || token.authority().is_some();
    let mut addresses = std::iter::once(&address).chain(token.addresses());
    if let Some(address) = addresses.find(|address| !is_loopback(address) && !open) {
        return Err(ConfigError::Plaintext { address: address.clone() });
    }
    let unreachable = token.addresses().iter().any(|member| !is_loopback(member));
    if unreachable && is_loopback(&address) {
        return Err(ConfigError::Unreachable { address });
    }
    Ok(JoinConfig {
        data_dir: raft_dir(&host.data_dir),
        name: host.name.clone(),
        insecure: host.insecure,
        token,
        address,
        replace,
    })
}
