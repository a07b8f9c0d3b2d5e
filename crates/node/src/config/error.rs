//! What can be wrong with a configuration.

use std::io;
use std::path::PathBuf;

use berth_replication::{DirectoryError, SecretError, TokenError};

/// A mistake in the configuration. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that was named cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// No secret can be made.
    #[error("the system gives no random numbers for a secret")]
    Random(#[source] io::Error),
    /// What a token told cannot be read in the data directory.
    #[error(transparent)]
    Directory(DirectoryError),
    /// The configuration file is no TOML, or holds keys or values that do not exist.
    #[error("{} is not a configuration of Berth: correct it", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: toml::de::Error,
    },
    /// Not the name of a node.
    #[error(
        "{name:?} is not a node's name: set --name to 1 to 64 letters, digits, '.', '_' and '-', \
         with a letter or digit first"
    )]
    Name {
        /// As it was given.
        name: String,
    },
    /// Not an address to listen on.
    #[error("{address:?} is not an address to listen on: set --listen to HOST:PORT")]
    Listen {
        /// As it was given.
        address: String,
    },
    /// Not a member of the list.
    #[error(
        "{entry:?} in --initial-cluster is not a member: write NAME=HOST:PORT, members separated by commas"
    )]
    Member {
        /// As it was given.
        entry: String,
    },
    /// The list of members lacks this node.
    #[error(
        "this node is called {name}, but --initial-cluster names no such member: add it, or correct --name"
    )]
    NotAMember {
        /// This node.
        name: String,
    },
    /// A member is listed twice.
    #[error("--initial-cluster names {name} twice: give each member its own name")]
    SameName {
        /// The member.
        name: String,
    },
    /// Two members in one place.
    #[error("--initial-cluster has {address} twice: give each member its own address")]
    SameAddress {
        /// The address.
        address: String,
    },
    /// Not an address at which to be reached.
    #[error(
        "{address:?} is not an address: set --advertise to HOST:PORT, as other hosts reach this node"
    )]
    Advertise {
        /// As it was given.
        address: String,
    },
    /// The token is none.
    #[error(transparent)]
    Token(TokenError),
    /// Members on other hosts could not reach this node.
    #[error(
        "the cluster's members are on other hosts, and {address} is this host's own: set --listen, or \
         --advertise, to an address at which they reach this node"
    )]
    Unreachable {
        /// The address.
        address: String,
    },
    /// A cluster is formed or joined, not both.
    #[error("--join and --initial-cluster exclude each other: a cluster is joined, or formed")]
    JoinAndForm,
    /// There is no cluster to start, and none may be made.
    #[error(
        "{} holds no cluster: add --bootstrap to form a new one, or --join TOKEN to join one, or correct \
         --data-dir", path.display()
    )]
    NoCluster {
        /// The data directory.
        path: PathBuf,
    },
    /// The secret is none.
    #[error("{} holds no secret that can be used", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: SecretError,
    },
    /// Others could join the conversation.
    #[error(
        "a cluster beyond this host needs a secret: write 16 random bytes or more to a file, give \
         it to each member, and name it with --bootstrap-secret-file"
    )]
    SecretNeeded,
    /// Peers would speak plaintext.
    #[error(
        "{address} is not on loopback, and without a secret peers speak plaintext: name a file with \
         16 random bytes or more with --bootstrap-secret-file, the same on each host, listen on \
         loopback, or say --insecure"
    )]
    Plaintext {
        /// The address.
        address: String,
    },
    /// An agent without servers.
    #[error("an agent needs the cluster's nodes: name some with --server HOST:PORT,HOST:PORT")]
    NoServers,
    /// Not the address of a server.
    #[error("{address:?} in --server is not an address: write HOST:PORT, separated by commas")]
    Server {
        /// As it was given.
        address: String,
    },
    /// Servers would be spoken to in plaintext.
    #[error(
        "{address} is not on loopback, and without a secret servers are spoken to in plaintext: name \
         the cluster's secret with --bootstrap-secret-file, or say --insecure"
    )]
    PlaintextServer {
        /// The address.
        address: String,
    },
    /// An agent on a node's data.
    #[error(
        "{} holds the data of a node of a cluster: run it as `berth server`, or give the agent \
         another --data-dir", path.display()
    )]
    ServersData {
        /// The data directory.
        path: PathBuf,
    },
    /// Not a mode of the managed plugin.
    #[error("{mode:?} is not a mode: set BERTH_MODE to server or agent")]
    Mode {
        /// As it was given.
        mode: String,
    },
    /// Not the name of a realm.
    #[error(
        "{realm:?} is not a realm: set --realm to letters, digits, '.', '_' and '-', 100 at most"
    )]
    Realm {
        /// As it was given.
        realm: String,
    },
    /// Not a size.
    #[error(
        "{text:?} is not a size: set --disk-reserve to bytes, to a number with KiB, MiB or GiB, or to \
         a share below 100%"
    )]
    DiskReserve {
        /// As it was given.
        text: String,
    },
    /// Two sockets in one place.
    #[error("--api-socket and --plugin-socket are both {}: give each its own path", path.display())]
    SameSocket {
        /// The path.
        path: PathBuf,
    },
    /// A socket that the kernel would not take.
    #[error("{} is too long for a socket: its path may have {max} bytes, choose a shorter one", path.display())]
    SocketPath {
        /// The path.
        path: PathBuf,
        /// How many bytes it may have.
        max: usize,
    },
}
