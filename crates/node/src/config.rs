//! Configuration: flags over `BERTH_*` over a TOML file.
//!
//! [`Settings`] is what was written, all of it optional; [`ServerConfig`] and [`AgentConfig`] are what
//! that means, checked once here so that no other code has to. A mistake is one [`ConfigError`] which says what to do.

mod agent;
mod error;
mod host;
mod join;
mod live;
mod reserve;
mod server;
mod settings;

pub use agent::AgentConfig;
pub use error::ConfigError;
pub use host::HostConfig;
pub use live::{Live, LiveConfig, Log};
pub use reserve::DiskReserve;
pub use server::{FirstMember, ServerConfig};
pub use settings::{
    AgentSettings, AuditRecord, HostSettings, LogFormat, LogLevel, MemberSettings, Settings,
};

/// The configuration file that is read if it exists and no other is named.
pub const CONFIG_FILE: &str = "/etc/berth/berth.toml";
/// The API socket, unless set otherwise.
pub const API_SOCKET: &str = "/run/berth/api.sock";
/// The plugin socket, unless set otherwise: where engines look.
pub const PLUGIN_SOCKET: &str = "/run/docker/plugins/berth.sock";
/// The data directory, unless set otherwise.
pub const DATA_DIR: &str = "/var/lib/berth";
/// Where nodes and agents connect, unless set otherwise: nobody but this host.
pub const LISTEN: &str = "127.0.0.1:7100";
