//! Reaching the API of a cluster from anywhere, with a token.

use std::io;
use std::time::Duration;

use berth_pki::Purpose;
use tokio::time::timeout;

use crate::transport::Channel;
use crate::{AccessToken, UserStream};

/// How long one member may take to answer: there are others.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// Connects to the API of the first of a token's members that answers, for HTTP.
pub async fn connect_as_user(token: &AccessToken) -> io::Result<Box<dyn UserStream>> {
    let authority = token.authority();
    let authority = authority.ok_or_else(|| io::Error::other("its cluster speaks no TLS"))?;
    let channel = Channel::of_bearer(Some(authority), false, Purpose::Api);
    let channel = channel.map_err(io::Error::other)?;
    let mut failures = Vec::new();
    for address in token.addresses() {
        match timeout(CONNECT_MAX, channel.connect(address)).await {
            Ok(Ok(stream)) => return Ok(Box::new(stream)),
            Ok(Err(error)) => failures.push(format!("{address}: {error}")),
            Err(_) => failures.push(format!("{address}: does not answer")),
        }
    }
    Err(io::Error::new(io::ErrorKind::NotConnected, failures.join("; ")))
}
