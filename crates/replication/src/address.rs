//! What the host in an address with a port tells: `10.0.0.1:7100`, `[fd00::1]:7100`, `n1:7100`.

use std::net::IpAddr;

/// The host, without what encloses IPv6's.
pub(crate) fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether an address is that of all of a host's interfaces, at which nobody else reaches it.
pub(crate) fn is_unspecified(address: &str) -> bool {
    host_of(address).parse().is_ok_and(|ip: IpAddr| ip.is_unspecified())
}

/// Whether nobody beyond this host can be there. A name other than `localhost` may be anywhere.
pub fn is_loopback(address: &str) -> bool {
    let host = host_of(address);
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}
