//! The names that travel between engine and driver, letter for letter as libnetwork has them.

/// The plugin type that an IPAM driver declares in its answer to `Plugin.Activate`.
pub const PLUGIN_TYPE: &str = "IpamDriver";

/// The interface type of a managed plugin's `config.json`.
pub const MANAGED_PLUGIN_TYPE: &str = "docker.ipamdriver/1.0";

/// Content type of every answer, and what the engine says it accepts.
pub const CONTENT_TYPE: &str = "application/vnd.docker.plugins.v1.2+json";

/// Option key: what kind of address is asked for. Its only known value is [`GATEWAY`].
pub const REQUEST_ADDRESS_TYPE: &str = "RequestAddressType";

/// Value of [`REQUEST_ADDRESS_TYPE`] for gateways; key of a pool's data for a gateway that the
/// driver chose (`a.b.c.d/len`).
pub const GATEWAY: &str = "com.docker.network.gateway";

/// Option key: the endpoint's MAC address. Sent to drivers that require it. The engine makes a new
/// one at each start of a container unless the user set it.
pub const MAC_ADDRESS: &str = "com.docker.network.endpoint.macaddress";

/// Option key: the endpoint's name (engines since 29).
pub const ENDPOINT_NAME: &str = "com.docker.network.endpoint.name";

/// Option key: `"true"` asks for the next address after the last given, not the lowest free one.
/// Swarm always asks so.
pub const SERIAL: &str = "com.docker.network.ipam.serial";

/// Handshake of a v1 plugin. Engines do not make it with managed plugins.
pub const ACTIVATE: &str = "Plugin.Activate";
/// Asks what the driver needs from the engine.
pub const GET_CAPABILITIES: &str = "IpamDriver.GetCapabilities";
/// Asks for the names of the local and the global address space.
pub const GET_DEFAULT_ADDRESS_SPACES: &str = "IpamDriver.GetDefaultAddressSpaces";
/// Asks for a pool.
pub const REQUEST_POOL: &str = "IpamDriver.RequestPool";
/// Gives a pool back.
pub const RELEASE_POOL: &str = "IpamDriver.ReleasePool";
/// Asks for an address of a pool.
pub const REQUEST_ADDRESS: &str = "IpamDriver.RequestAddress";
/// Gives an address back.
pub const RELEASE_ADDRESS: &str = "IpamDriver.ReleaseAddress";
