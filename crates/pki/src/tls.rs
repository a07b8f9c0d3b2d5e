//! TLS 1.3, and nothing older.
//!
//! Sessions are not resumed: each connection shows its certificate, so that one which has expired
//! opens none.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ClientHello, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::{Keyring, PkiError, Purpose};

/// The name by which nodes are called within TLS. Which node it is, its certificate says.
pub const SERVER_NAME: &str = "node.berth.internal";

/// [`SERVER_NAME`], for TLS.
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from(SERVER_NAME).expect("it is a name")
}

/// How a listener treats those who call, by what they call for.
#[derive(Debug, Clone)]
pub struct Callers {
    node: Arc<ServerConfig>,
    host: Arc<ServerConfig>,
    join: Arc<ServerConfig>,
    api: Arc<ServerConfig>,
}

impl Callers {
    /// A listener with this certificate, which believes these authorities.
    pub fn new(
        keyring: &Arc<Keyring>,
        nodes: &CertificateDer<'_>,
        hosts: &CertificateDer<'_>,
    ) -> Result<Self, PkiError> {
        let config = |purpose: Purpose, authority: Option<&CertificateDer<'_>>| {
            let builder = ServerConfig::builder_with_provider(provider())
                .with_protocol_versions(&[&TLS13])
                .map_err(PkiError::Tls)?;
            let builder = match authority {
                Some(authority) => {
                    let roots = Arc::new(roots(authority)?);
                    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                    let verifier = verifier.build().expect("there is an authority to believe");
                    builder.with_client_cert_verifier(verifier)
                }
                None => builder.with_no_client_auth(),
            };
            let mut config = builder.with_cert_resolver(Arc::clone(keyring) as _);
            config.alpn_protocols = vec![purpose.protocol().to_vec()];
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            Ok::<_, PkiError>(Arc::new(config))
        };
        Ok(Self {
            node: config(Purpose::Node, Some(nodes))?,
            host: config(Purpose::Host, Some(hosts))?,
            join: config(Purpose::Join, None)?,
            api: config(Purpose::Api, None)?,
        })
    }

    /// What a caller calls for, and what it must show for that; `None` if it does not say.
    pub fn choose(&self, hello: &ClientHello<'_>) -> Option<(Purpose, Arc<ServerConfig>)> {
        let purpose = hello.alpn()?.find_map(Purpose::of)?;
        let config = match purpose {
            Purpose::Node => &self.node,
            Purpose::Host => &self.host,
            Purpose::Join => &self.join,
            Purpose::Api => &self.api,
        };
        Some((purpose, Arc::clone(config)))
    }
}

/// How a caller with this certificate treats whom it calls: a node that `nodes` certified.
pub fn callee(
    keyring: &Arc<Keyring>,
    nodes: &CertificateDer<'_>,
    purpose: Purpose,
) -> Result<Arc<ClientConfig>, PkiError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(PkiError::Tls)?
        .with_root_certificates(roots(nodes)?)
        .with_client_cert_resolver(Arc::clone(keyring) as _);
    config.alpn_protocols = vec![purpose.protocol().to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(crate) fn roots(authority: &CertificateDer<'_>) -> Result<RootCertStore, PkiError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned()).map_err(PkiError::Tls)?;
    Ok(roots)
}
