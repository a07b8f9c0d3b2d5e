//! What others' addresses are like behind a plugin socket, as Docker would ask for them: a driver in a
//! process of its own, which does nothing but hand requests on.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use berth_node::bench::{Plan, Target};
use clap::Subcommand;
use ipamapi::ipnet::IpNet;
use ipamapi::{
    AddressRelease, AddressRequest, AddressSpaces, AllocatedAddress, AllocatedPool, Ipam,
    IpamError, PoolId, PoolRequest, PoolSpec, RequestContext, async_trait,
};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::contender::Contender;
use crate::etcd::Etcd;
use crate::figures::Run;
use crate::ours::of_sockets;
use crate::{postgres, sqlite};

/// Requests under way at a time: the connections that a plugin socket serves.
const AT_ONCE: usize = 256;
/// How long it may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);
const SPACE: &str = "peer-local";

/// What keeps the addresses.
#[derive(Debug, Subcommand)]
pub(crate) enum Backend {
    /// etcd, at these endpoints; the lowest free one, all that wait in a transaction.
    Etcd { endpoints: Vec<String> },
    /// PostgreSQL, with its socket in this directory.
    Postgres { dir: PathBuf },
    /// SQLite, in a directory of its own; all that wait in a transaction.
    Sqlite,
}

/// A driver's process, until this is dropped.
pub(crate) struct Plugin {
    socket: PathBuf,
    _process: Child,
    _dir: TempDir,
}

impl Plugin {
    /// Starts one, without any addresses in use.
    pub(crate) async fn start(backend: &Backend) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("plugin-").tempdir()?;
        let socket = dir.path().join("plugin.sock");
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg(&socket);
        match backend {
            Backend::Etcd { endpoints } => command.arg("etcd").args(endpoints),
            Backend::Postgres { dir } => command.arg("postgres").arg(dir),
            Backend::Sqlite => command.arg("sqlite"),
        };
        let process = command.stdin(Stdio::null()).kill_on_drop(true).spawn()?;
        let began = Instant::now();
        while !socket.exists() {
            ensure!(began.elapsed() < PATIENCE, "the plugin of {backend:?} did not start");
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { socket, _process: process, _dir: dir })
    }

    /// Measures it.
    pub(crate) async fn measure(
        &self,
        contender: Contender,
        plan: Plan,
        clients: usize,
    ) -> Result<Run> {
        of_sockets(contender, plan, clients, (vec![self.socket.clone()], SPACE)).await
    }
}

/// Serves until it is killed.
pub(crate) async fn serve(socket: &Path, backend: Backend) -> Result<()> {
    match backend {
        Backend::Etcd { endpoints } => {
            let targets = Etcd::at(endpoints).first_free(AT_ONCE, usize::MAX).await?;
            ipamapi::serve(socket, Driver::of(targets)).await?;
        }
        Backend::Postgres { dir } => {
            let targets = postgres::clients(&dir, AT_ONCE).await?;
            ipamapi::serve(socket, Driver::of(targets)).await?;
        }
        Backend::Sqlite => {
            let (_dir, targets) = sqlite::clients(AT_ONCE, usize::MAX)?;
            ipamapi::serve(socket, Driver::of(targets)).await?;
        }
    }
    Ok(())
}

/// A driver with one pool, which exists.
struct Driver<T> {
    idle: Mutex<Vec<T>>,
    idle_count: Semaphore,
}

impl<T: Target> Driver<T> {
    fn of(targets: Vec<T>) -> Self {
        Self { idle_count: Semaphore::new(targets.len()), idle: Mutex::new(targets) }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<T>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has one that is idle do something.
    async fn with<R>(&self, work: impl AsyncFnOnce(&mut T) -> R) -> Result<R> {
        let _idle = self.idle_count.acquire().await?;
        let mut one = self.idle().pop().context("one is idle")?;
        let done = work(&mut one).await;
        self.idle().push(one);
        Ok(done)
    }
}

fn internal(error: impl std::fmt::Display) -> IpamError {
    IpamError::internal(error.to_string())
}

#[async_trait]
impl<T: Target> Ipam for Driver<T> {
    async fn default_address_spaces(&self, _: &RequestContext) -> ipamapi::Result<AddressSpaces> {
        Ok(AddressSpaces::new(SPACE, "peer-global"))
    }

    async fn request_pool(
        &self,
        _: &RequestContext,
        request: PoolRequest,
    ) -> ipamapi::Result<AllocatedPool> {
        let PoolSpec::Exact { prefix, .. } = request.pool else {
            return Err(IpamError::bad_request("name the pool"));
        };
        Ok(AllocatedPool::new(PoolId::new(prefix.to_string())?, prefix))
    }

    async fn release_pool(&self, _: &RequestContext, _: PoolId) -> ipamapi::Result<()> {
        Ok(())
    }

    async fn request_address(
        &self,
        _: &RequestContext,
        request: AddressRequest,
    ) -> ipamapi::Result<AllocatedAddress> {
        let pool: IpNet = request.pool_id.as_str().parse().map_err(internal)?;
        let given = self.with(async |one: &mut T| one.request().await).await.map_err(internal)?;
        let address = given.map_err(internal)?;
        let address = IpNet::new(address, pool.prefix_len()).map_err(internal)?;
        Ok(AllocatedAddress::new(address))
    }

    async fn release_address(
        &self,
        _: &RequestContext,
        release: AddressRelease,
    ) -> ipamapi::Result<()> {
        let address = release.address;
        let released = self.with(async |one: &mut T| one.release(address).await).await;
        released.map_err(internal)?.map_err(internal)
    }
}
