//! The byte stream under a connection, and where plaintext is allowed.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use berth_pki::{Certified, Purpose};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsStream;

/// A connection's stream.
#[derive(Debug)]
pub(crate) enum PeerStream {
    /// Plaintext.
    Plain(TcpStream),
    /// Within TLS, for a purpose, and with a certificate if the other side has to show one for that.
    Tls(Box<TlsStream<TcpStream>>, Purpose, Option<Certified>),
    /// Of a simulated network.
    #[cfg(feature = "sim")]
    Simulated(Box<dyn crate::sim::Stream>),
}

/// A port that is open for nodes and agents.
pub struct PeerListener(Port);

enum Port {
    Plain(TcpListener),
    #[cfg(feature = "sim")]
    Simulated(Box<dyn crate::sim::Listen>),
}

impl PeerListener {
    /// Opens `host:port`; beyond loopback (`anywhere`) only where TLS is spoken, or plaintext is wanted.
    pub async fn bind(listen: &str, anywhere: bool) -> io::Result<Self> {
        #[cfg(feature = "sim")]
        if let Some(machine) = crate::sim::current() {
            return machine.listen(listen).map(Port::Simulated).map(Self);
        }
        Plaintext::new(anywhere).listen(listen).await.map(Port::Plain).map(Self)
    }

    /// Waits for the next connection; gives it, and where it comes from.
    pub(super) async fn accept(&self) -> io::Result<(PeerStream, String)> {
        match &self.0 {
            Port::Plain(listener) => loop {
                let (stream, peer) = listener.accept().await?;
                // One that has ended already is none.
                if let Ok(stream) = PeerStream::plain(stream) {
                    return Ok((stream, peer.to_string()));
                }
            },
            #[cfg(feature = "sim")]
            Port::Simulated(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((PeerStream::Simulated(stream), peer))
            }
        }
    }
}

/// Where plaintext may be spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plaintext {
    /// Between processes of one machine.
    Loopback,
    /// Anywhere: the operator said so.
    Anywhere,
}

impl Plaintext {
    /// Where it may be spoken if more than loopback is wanted.
    pub(crate) fn new(insecure: bool) -> Self {
        if insecure { Self::Anywhere } else { Self::Loopback }
    }

    fn check(self, address: SocketAddr) -> io::Result<()> {
        if self == Self::Anywhere || address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "{address} is not a loopback address, and without a secret peers speak plaintext: \
                 share a secret, use loopback, or allow it with `insecure`"
            ),
        ))
    }

    /// Connects to the first address of `host:port` that answers.
    pub(super) async fn connect(self, address: &str) -> io::Result<PeerStream> {
        #[cfg(feature = "sim")]
        if let Some(machine) = crate::sim::current() {
            return machine.connect(address).await.map(PeerStream::Simulated);
        }
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for resolved in tokio::net::lookup_host(address).await? {
            self.check(resolved)?;
            match TcpStream::connect(resolved).await {
                Ok(stream) => return PeerStream::plain(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Listens on `host:port`.
    async fn listen(self, address: &str) -> io::Result<TcpListener> {
        for resolved in tokio::net::lookup_host(address).await? {
            self.check(resolved)?;
        }
        TcpListener::bind(address).await
    }
}

impl PeerStream {
    fn plain(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Plain(stream))
    }

    /// What the other side's certificate says; nothing without TLS.
    pub(crate) fn certified(&self) -> Option<&Certified> {
        match self {
            Self::Tls(.., certified) => certified.as_ref(),
            _ => None,
        }
    }

    /// What it is for; in plaintext only what is said on it tells.
    pub(crate) fn purpose(&self) -> Option<Purpose> {
        match self {
            Self::Tls(_, purpose, _) => Some(*purpose),
            _ => None,
        }
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream, ..) => Pin::new(stream).poll_read(context, buffer),
            #[cfg(feature = "sim")]
            Self::Simulated(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream, ..) => Pin::new(stream).poll_write(context, bytes),
            #[cfg(feature = "sim")]
            Self::Simulated(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream, ..) => Pin::new(stream).poll_flush(context),
            #[cfg(feature = "sim")]
            Self::Simulated(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream, ..) => Pin::new(stream).poll_shutdown(context),
            #[cfg(feature = "sim")]
            Self::Simulated(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
