//! A driver behind a plugin socket, called as the engine calls it.

mod client;
mod retry;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::header::{HeaderValue, InvalidHeaderValue};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use self::client::{HttpAnswer, HttpClient, TransportError};
use crate::constants::{
    ACTIVATE, GET_CAPABILITIES, GET_DEFAULT_ADDRESS_SPACES, RELEASE_ADDRESS, RELEASE_POOL,
    REQUEST_ADDRESS, REQUEST_POOL,
};
use crate::wire::{self, Fields};
use crate::{
    AddressRelease, AddressRequest, AddressSpaces, AllocatedAddress, AllocatedPool, Capability,
    ErrorKind, Ipam, IpamError, PoolId, PoolRequest, Registerer, RegistryError, RequestContext,
    Result, parse_interface, parse_prefix,
};

pub use self::retry::RetryPolicy;

/// An [`Ipam`] that calls a plugin.
///
/// Like the engine it waits as long as the plugin takes, unless [`with_timeout`] says otherwise:
/// a context's deadline is the plugin's business. A plugin's error comes back as the well-known
/// error that its text begins with.
///
/// [`with_timeout`]: Self::with_timeout
pub struct RemoteIpam {
    client: HttpClient,
    retry: RetryPolicy,
    timeout: Option<Duration>,
}

impl RemoteIpam {
    /// A client of the plugin at this socket. Nothing is sent yet.
    pub fn new(socket: impl AsRef<Path>) -> Self {
        let client = HttpClient::new(socket.as_ref());
        Self { client, retry: RetryPolicy::default(), timeout: None }
    }

    /// Repeats calls by this policy.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Gives an attempt up after so long, as `docker plugin enable --timeout` does.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends this `Host`, which is empty or an escaped path in older engines.
    pub fn with_host(mut self, host: &str) -> Result<Self, InvalidHeaderValue> {
        self.client.host = HeaderValue::from_str(host)?;
        Ok(self)
    }

    /// The handshake of v1 plugins: what the plugin implements.
    pub async fn activate(&self) -> Result<Vec<String>> {
        let answer = self.call(ACTIVATE, None).await?;
        answer.list("Implements")
    }

    /// Registers the plugin under a name together with its capabilities, as an engine does. One
    /// that knows no capabilities has none.
    pub async fn register(
        self,
        name: &str,
        registerer: &dyn Registerer,
    ) -> Result<Arc<dyn Ipam>, RegistryError> {
        let capability = self.capability(&RequestContext::in_process()).await;
        let driver: Arc<dyn Ipam> = Arc::new(self);
        let capability = capability.unwrap_or_else(|error| {
            tracing::info!(name, %error, "remote ipam driver does not support capabilities");
            Capability::default()
        });
        registerer.register_ipam_driver_with_capabilities(name, driver.clone(), capability)?;
        Ok(driver)
    }

    /// Makes a call, and repeats it while the connection fails.
    async fn call(&self, method: &str, body: Option<Value>) -> Result<Fields> {
        // A newline follows the object, as Go's encoder has it.
        let whole = body.map_or_else(Bytes::new, |body| Bytes::from(format!("{body}\n")));
        let (started, mut retries) = (Instant::now(), 0);
        let mut body = whole;
        loop {
            let error = match self.attempt(method, body.clone()).await {
                Ok(answer) => return read(method, &answer),
                Err(error) => error,
            };
            retries += 1;
            let Some(pause) = self.retry.next(retries, started.elapsed()) else {
                let text = format!("{method}: {error}; the outcome is unknown");
                return Err(IpamError::unavailable(text));
            };
            tracing::warn!(method, %error, ?pause, "cannot call the plugin, trying again");
            if self.retry.empty_body && !matches!(error, TransportError::Connect { .. }) {
                body = Bytes::new();
            }
            sleep(pause).await;
        }
    }

    async fn attempt(&self, method: &str, body: Bytes) -> Result<HttpAnswer, TransportError> {
        let attempt = self.client.post(method, body);
        match self.timeout {
            None => attempt.await,
            Some(limit) => timeout(limit, attempt).await.unwrap_or(Err(TransportError::TimedOut)),
        }
    }
}

/// Tells answers from errors, in both their forms.
fn read(method: &str, answer: &HttpAnswer) -> Result<Fields> {
    if answer.status != 200 {
        let fields = Fields::of_answer(&answer.body);
        let text = fields.as_ref().ok().and_then(|fields| fields.string("Err").ok());
        let whole = String::from_utf8_lossy(&answer.body);
        let text = text.filter(|text| !text.is_empty()).unwrap_or(&whole);
        return Err(IpamError::from_answer(answer.status, text));
    }
    let fields = Fields::of_answer(&answer.body).map_err(|error| {
        IpamError::internal(format!("the plugin's answer to {method} is wrong: {error}"))
    })?;
    match fields.string("Error")? {
        "" => Ok(fields),
        text => Err(IpamError::from_answer(500, text)),
    }
}

fn wrong_answer(what: &str, text: &str) -> IpamError {
    IpamError::internal(format!("the plugin answered with {what} {text:?}"))
}

#[async_trait]
impl Ipam for RemoteIpam {
    async fn capability(&self, _context: &RequestContext) -> Result<Capability> {
        let answer = self.call(GET_CAPABILITIES, None).await?;
        Ok(Capability {
            requires_mac_address: answer.bool("RequiresMACAddress")?,
            requires_request_replay: answer.bool("RequiresRequestReplay")?,
        })
    }

    async fn default_address_spaces(&self, _context: &RequestContext) -> Result<AddressSpaces> {
        let answer = self.call(GET_DEFAULT_ADDRESS_SPACES, None).await?;
        let local = answer.string("LocalDefaultAddressSpace")?;
        Ok(AddressSpaces::new(local, answer.string("GlobalDefaultAddressSpace")?))
    }

    async fn request_pool(
        &self,
        _context: &RequestContext,
        request: PoolRequest,
    ) -> Result<AllocatedPool> {
        let answer = self.call(REQUEST_POOL, Some(wire::of_pool_request(&request))).await?;
        let prefix = answer.string("Pool")?;
        let pool = parse_prefix(prefix).ok_or_else(|| wrong_answer("the pool", prefix))?;
        let id = answer.string("PoolID")?;
        let id = PoolId::new(id).map_err(|_| wrong_answer("the pool id", id))?;
        Ok(AllocatedPool { data: answer.strings("Data")?, ..AllocatedPool::new(id, pool) })
    }

    async fn release_pool(&self, _context: &RequestContext, pool_id: PoolId) -> Result<()> {
        self.call(RELEASE_POOL, Some(json!({ "PoolID": pool_id.as_str() }))).await?;
        Ok(())
    }

    async fn request_address(
        &self,
        _context: &RequestContext,
        request: AddressRequest,
    ) -> Result<AllocatedAddress> {
        let answer = self.call(REQUEST_ADDRESS, Some(wire::of_address_request(&request))).await?;
        let text = answer.string("Address")?;
        if text.is_empty() {
            return Err(ErrorKind::NoAddressReturned.into());
        }
        let address = parse_interface(text).ok_or_else(|| wrong_answer("the address", text))?;
        Ok(AllocatedAddress::new(address))
    }

    async fn release_address(
        &self,
        _context: &RequestContext,
        release: AddressRelease,
    ) -> Result<()> {
        let AddressRelease { pool_id, address } = release;
        let body = json!({ "PoolID": pool_id.as_str(), "Address": address.to_string() });
        self.call(RELEASE_ADDRESS, Some(body)).await?;
        Ok(())
    }
}
