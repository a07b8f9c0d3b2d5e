//! Where a case finds its fresh drivers.

use std::any::Any;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use ipnet::IpNet;
use tokio::sync::oneshot;

use super::engine::Engine;
use super::profile::Profile;
use super::verdict::{Stop, Verdict};
use crate::remote::RetryPolicy;
use crate::{Ipam, PoolId, RemoteIpam, Server, ServerConfig};

/// What a case wants a fresh driver to be like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// The ranges for automatic pools of the default *local* space, in this order, each with the
    /// length of the pools that it is cut into. Empty: the driver's own defaults.
    pub ranges: Vec<(IpNet, u8)>,
}

/// A fresh driver.
pub struct Subject {
    driver: Arc<dyn Ipam>,
    usage: Option<Arc<dyn Usage>>,
    keep: Vec<Box<dyn Any + Send + Sync>>,
}

impl Subject {
    /// A driver that holds nothing.
    pub fn new(driver: Arc<dyn Ipam>) -> Self {
        Self { driver, usage: None, keep: Vec::new() }
    }

    /// Lets cases count what is held, which the contract has no call for.
    #[must_use]
    pub fn with_usage(mut self, usage: Arc<dyn Usage>) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Keeps something until the case is over: a data directory, a server.
    #[must_use]
    pub fn keeping(mut self, thing: impl Any + Send + Sync) -> Self {
        self.keep.push(Box::new(thing));
        self
    }
}

/// Counts what a driver holds.
#[async_trait]
pub trait Usage: Send + Sync {
    /// Addresses in use in a pool, or in its sub-pool if it has one, reserved ones included.
    async fn addresses_in_use(&self, pool_id: &PoolId) -> u128;

    /// Pools and addresses that are claimed, in all spaces. Zero when everything was released.
    async fn claims(&self) -> u64;
}

/// Makes fresh drivers: any async function from a [`Setup`] to a [`Subject`], or to `None` if the
/// driver cannot be set up so.
pub trait Factory: Send + Sync {
    /// Makes one.
    fn fresh(&self, setup: Setup) -> Pin<Box<dyn Future<Output = Option<Subject>> + Send + '_>>;
}

impl<F, Fut> Factory for F
where
    F: Fn(Setup) -> Fut + Send + Sync,
    Fut: Future<Output = Option<Subject>> + Send + 'static,
{
    fn fresh(&self, setup: Setup) -> Pin<Box<dyn Future<Output = Option<Subject>> + Send + '_>> {
        Box::pin(self(setup))
    }
}

/// What a case works with: fresh drivers, and the profile they share.
#[derive(Clone)]
pub struct Lab {
    pub(crate) profile: Profile,
    pub(crate) through_socket: bool,
    pub(crate) factory: Arc<dyn Factory>,
}

impl Lab {
    /// An engine that has just met a fresh driver.
    pub(crate) async fn engine(&self) -> Verdict<Engine> {
        self.engine_for(Setup::default()).await
    }

    /// The same with a driver of this setup.
    pub(crate) async fn engine_for(&self, setup: Setup) -> Verdict<Engine> {
        let Subject { driver, usage, keep } = self.subject(setup).await?;
        let (driver, plugin) = if self.through_socket {
            let plugin = Plugin::serve(driver).await?;
            let remote: Arc<dyn Ipam> = Arc::new(plugin.client());
            (remote, Some(plugin))
        } else {
            (driver, None)
        };
        let direct = plugin.is_none();
        Engine::meet(driver, usage, self.profile.clone(), Box::new((plugin, keep)), direct).await
    }

    /// A fresh driver behind a socket, for cases that speak bytes.
    pub(crate) async fn plugin(&self) -> Verdict<Plugin> {
        let Subject { driver, usage, keep } = self.subject(Setup::default()).await?;
        let mut plugin = Plugin::serve(driver).await?;
        plugin.usage = usage;
        plugin.keep = keep;
        Ok(plugin)
    }

    async fn subject(&self, setup: Setup) -> Verdict<Subject> {
        let fresh = self.factory.fresh(setup.clone()).await;
        fresh.ok_or_else(|| Stop::skipped(format!("the driver cannot be set up with {setup:?}")))
    }
}

/// A driver behind a socket of its own. The server stops when it is dropped.
pub(crate) struct Plugin {
    pub(crate) path: PathBuf,
    pub(crate) usage: Option<Arc<dyn Usage>>,
    keep: Vec<Box<dyn Any + Send + Sync>>,
    _stop: oneshot::Sender<()>,
}

impl Plugin {
    async fn serve(driver: Arc<dyn Ipam>) -> Verdict<Self> {
        let path = fresh_path();
        let server =
            Server::bind(&path, driver, ServerConfig::default()).await.map_err(|error| {
                Stop::failed(format!("cannot serve on {}: {error}", path.display()))
            })?;
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.serve(async move { drop(stopped.await) }));
        Ok(Self { path, usage: None, keep: Vec::new(), _stop: stop })
    }

    /// A client that tries once.
    pub(crate) fn client(&self) -> RemoteIpam {
        RemoteIpam::new(&self.path).with_retry(RetryPolicy::NEVER)
    }
}

/// A socket path that no other case uses.
pub(crate) fn fresh_path() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("ipamapi-conformance-{}-{number}.sock", std::process::id());
    std::env::temp_dir().join(name)
}
