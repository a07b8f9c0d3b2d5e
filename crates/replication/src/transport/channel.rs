//! How a process speaks to others: within TLS if it knows the cluster's secret, else in plaintext
//! where that may be.
//!
//! TLS shows which node or host the other one is, and that its cluster's authority says so. What
//! either of them then claims in its greeting must be what its certificate says.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use berth_pki::{
    Authority, Bearers, Callers, Certified, Keyring, PkiError, Purpose, Subject, callee, pinned,
    server_name,
};
use tokio::net::TcpStream;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::{LazyConfigAcceptor, TlsConnector, TlsStream};

use super::stream::{PeerStream, Plaintext};
use crate::address::host_of;
use crate::{ClusterId, NodeId, NodeName, Secret};

/// Bytes in a DNS name, and in a part of it.
const DNS_NAME_BYTES_MAX: usize = 253;
const DNS_LABEL_BYTES_MAX: usize = 63;

/// How a process speaks to others. Clones are the same.
#[derive(Clone)]
pub(crate) enum Channel {
    /// In plaintext.
    Plain(Plaintext),
    /// Within TLS.
    Tls(Arc<Tls>),
}

/// What TLS needs.
pub(crate) struct Tls {
    /// Its own certificate; nothing where a token is all that it has.
    pub(super) keyring: Option<Arc<Keyring>>,
    /// What it calls for.
    pub(super) purpose: Purpose,
    pub(super) connector: TlsConnector,
    /// The fingerprint of the authority that certifies nodes.
    pub(super) authority: [u8; 32],
    /// A node's: how it treats those who call.
    pub(super) callers: Option<Callers>,
    /// A node's: by what other programs believe nodes.
    pub(super) pem: Option<String>,
}

impl Channel {
    /// A node's, which clients reach at some of these addresses (`HOST:PORT`).
    pub(crate) fn of_node(
        secret: Option<&Secret>,
        insecure: bool,
        (cluster, number, name): (ClusterId, NodeId, &NodeName),
        addresses: &[&str],
    ) -> Result<Self, PkiError> {
        let Some(secret) = encrypting(secret, insecure) else {
            return Ok(Self::Plain(Plaintext::new(insecure)));
        };
        let nodes = Arc::new(Authority::derive(secret.bytes(), Bearers::Nodes)?);
        let hosts = Authority::derive(secret.bytes(), Bearers::Hosts)?;
        let subject = Subject::Node {
            cluster: cluster.bytes(),
            number: number.get(),
            name: name.as_str().to_owned(),
        };
        let names = names(name, addresses);
        let keyring = Arc::new(Keyring::new(Arc::clone(&nodes), subject, names)?);
        let callers = Callers::new(&keyring, nodes.certificate(), hosts.certificate())?;
        let connector = callee(&keyring, nodes.certificate(), Purpose::Node)?.into();
        Ok(Self::Tls(Arc::new(Tls {
            keyring: Some(keyring),
            purpose: Purpose::Node,
            connector,
            authority: nodes.fingerprint(),
            callers: Some(callers),
            pem: Some(nodes.pem().to_owned()),
        })))
    }

    /// That of a host which is no node.
    pub(crate) fn of_host(
        secret: Option<&Secret>,
        insecure: bool,
        name: &NodeName,
    ) -> Result<Self, PkiError> {
        let Some(secret) = encrypting(secret, insecure) else {
            return Ok(Self::Plain(Plaintext::new(insecure)));
        };
        let nodes = Authority::derive(secret.bytes(), Bearers::Nodes)?;
        let hosts = Arc::new(Authority::derive(secret.bytes(), Bearers::Hosts)?);
        let subject = Subject::Host { name: name.as_str().to_owned() };
        let keyring = Arc::new(Keyring::new(hosts, subject, Vec::new())?);
        let connector = callee(&keyring, nodes.certificate(), Purpose::Host)?.into();
        Ok(Self::Tls(Arc::new(Tls {
            keyring: Some(keyring),
            purpose: Purpose::Host,
            connector,
            authority: nodes.fingerprint(),
            callers: None,
            pem: None,
        })))
    }

    /// That of a host with a token, which has no certificate and knows the nodes' authority by its
    /// fingerprint; in plaintext where they have none.
    pub(crate) fn of_bearer(
        authority: Option<[u8; 32]>,
        insecure: bool,
        purpose: Purpose,
    ) -> Result<Self, PkiError> {
        let Some(authority) = authority else {
            return Ok(Self::Plain(Plaintext::new(insecure)));
        };
        let connector = pinned(authority, purpose)?.into();
        let (keyring, callers, pem) = (None, None, None);
        Ok(Self::Tls(Arc::new(Tls { keyring, purpose, connector, authority, callers, pem })))
    }

    /// The fingerprint of the authority that certifies nodes; nothing in plaintext.
    pub(crate) fn authority(&self) -> Option<[u8; 32]> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => Some(tls.authority),
        }
    }

    /// A node's: the certificate of the authority that certifies nodes, as other programs read it.
    pub(crate) fn pem(&self) -> Option<&str> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => tls.pem.as_deref(),
        }
    }

    /// When this process's certificate expires, unless it is renewed before; nothing in plaintext.
    pub(crate) fn expires(&self) -> Option<SystemTime> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => Some(tls.keyring.as_ref()?.current().certified.expires),
        }
    }

    /// Connects to the first address of `host:port` that answers.
    pub(crate) async fn connect(&self, address: &str) -> io::Result<PeerStream> {
        let tls = match self {
            Self::Plain(plaintext) => return plaintext.connect(address).await,
            Self::Tls(tls) => tls,
        };
        let stream = match Plaintext::Anywhere.connect(address).await? {
            PeerStream::Plain(stream) => stream,
            other => return Ok(other),
        };
        let stream = tls.connector.connect(server_name(), stream).await.map_err(|error| {
            let why = format!("{error}: do both have the same secret, and both speak TLS?");
            io::Error::new(error.kind(), why)
        })?;
        let certified = certified(stream.get_ref().1.peer_certificates())?;
        if !matches!(certified.subject, Subject::Node { .. }) {
            return Err(refused(&format!("{} is no node's certificate", certified.subject)));
        }
        Ok(PeerStream::Tls(Box::new(TlsStream::Client(stream)), tls.purpose, Some(certified)))
    }

    /// Lets TLS begin on a connection that was accepted.
    pub(super) async fn accept(&self, stream: PeerStream) -> io::Result<PeerStream> {
        match (self, stream) {
            (Self::Tls(tls), PeerStream::Plain(stream)) => tls.accept(stream).await,
            (_, stream) => Ok(stream),
        }
    }
}

impl Tls {
    async fn accept(&self, stream: TcpStream) -> io::Result<PeerStream> {
        let callers = self.callers.as_ref().ok_or_else(|| refused("hosts are not called"))?;
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
        let begun = begun.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => io::Error::other(format!("{error}: does it speak TLS?")),
            _ => error,
        })?;
        let chosen = callers.choose(&begun.client_hello());
        let (purpose, config) =
            chosen.ok_or_else(|| refused("the caller does not say what it calls for"))?;
        let stream = begun.into_stream(config).await?;
        let shown = stream.get_ref().1.peer_certificates();
        let certified = match purpose {
            Purpose::Node | Purpose::Host => Some(certified(shown)?),
            Purpose::Join | Purpose::Api => None,
        };
        let fits = certified.as_ref().is_none_or(|certified| match certified.subject {
            Subject::Node { .. } => purpose == Purpose::Node,
            Subject::Host { .. } => purpose == Purpose::Host,
        });
        if let Some(certified) = certified.as_ref().filter(|_| !fits) {
            return Err(refused(&format!("{} is not for this", certified.subject)));
        }
        Ok(PeerStream::Tls(Box::new(TlsStream::Server(stream)), purpose, certified))
    }
}

/// The secret, if it is to be used for TLS. Simulated networks carry none.
fn encrypting(secret: Option<&Secret>, insecure: bool) -> Option<&Secret> {
    #[cfg(feature = "sim")]
    if crate::sim::current().is_some() {
        return None;
    }
    secret.filter(|_| !insecure)
}

fn certified(shown: Option<&[berth_pki::CertificateDer<'_>]>) -> io::Result<Certified> {
    let first = shown.and_then(<[_]>::first);
    let first = first.ok_or_else(|| refused("the other side shows no certificate"))?;
    Certified::read(first).map_err(|error| refused(&error.to_string()))
}

fn refused(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, reason)
}

/// The names and addresses at which clients reach a node: this machine's own, and whatever the
/// operator called it.
fn names(name: &NodeName, addresses: &[&str]) -> Vec<String> {
    let own = ["localhost", "127.0.0.1", "::1", name.as_str()].into_iter();
    let hosts = addresses.iter().map(|address| host_of(address));
    let mut names: Vec<String> = Vec::new();
    for name in own.chain(hosts).filter(|name| is_certifiable(name)) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn is_certifiable(name: &str) -> bool {
    if let Ok(ip) = name.parse::<IpAddr>() {
        return !ip.is_unspecified();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| {
        (1..=DNS_LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= DNS_NAME_BYTES_MAX && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_called_as_its_operator_calls_it() {
        let name = NodeName::new("db_1").unwrap();
        let addresses = ["0.0.0.0:7100", "[fd00::1]:7100", "db1.example.org:7100", "-x:1"];
        let names = names(&name, &addresses);
        assert_eq!(names, ["localhost", "127.0.0.1", "::1", "fd00::1", "db1.example.org"]);
    }
}
