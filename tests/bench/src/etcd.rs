//! etcd: three members, asked over gRPC, and two ways to have addresses of it.

mod create;
mod first_free;
mod kv;
mod members;
mod wire;

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use self::create::Creating;
use self::kv::Kv;
use self::members::Members;
use crate::batches::{Waiting, queue};

/// Connections to a member, at most. 1, 4, 16, 64 and 256 made no difference.
const CONNECTIONS_MAX: usize = 16;

/// A cluster of three members, which end with it where it started them.
pub(crate) struct Etcd {
    members: Members,
    /// Pools so far: each run has keys of its own.
    pools: AtomicU32,
}

impl Etcd {
    /// Starts it.
    pub(crate) async fn start() -> Result<Self> {
        Ok(Self { members: Members::start().await?, pools: AtomicU32::new(0) })
    }

    /// A cluster that runs already.
    pub(crate) fn at(endpoints: Vec<String>) -> Self {
        Self { members: Members::at(endpoints), pools: AtomicU32::new(0) }
    }

    /// Where its members are asked.
    pub(crate) fn endpoints(&self) -> &[String] {
        &self.members.endpoints
    }

    /// Clients that each create keys which nobody else does: no look, no conflict, no retry.
    pub(crate) async fn creating(&self, clients: usize, all: bool) -> Result<Vec<Creating>> {
        let connections = self.connect(clients, all).await?;
        let pool = self.new_pool().await?;
        let connection = connections.iter().cycle().take(clients).cloned();
        let creating = |(number, kv)| Creating::new(kv, pool.clone(), number, clients);
        Ok(connection.enumerate().map(creating).collect())
    }

    /// Callers of one driver on the leader's host, which gives them the lowest free addresses: so many in
    /// a transaction at most.
    pub(crate) async fn first_free(
        &self,
        clients: usize,
        batch_max: usize,
    ) -> Result<Vec<Waiting>> {
        let mut connections = self.connect(1, false).await?;
        let connection = connections.pop().context("one was made")?;
        let (waiting, asked) = queue(clients);
        let driver = first_free::Driver::new(connection, self.new_pool().await?, batch_max);
        tokio::spawn(driver.serve(asked));
        Ok(waiting)
    }

    /// Connections for so many clients: to the leader, or in turn to all members.
    async fn connect(&self, clients: usize, all: bool) -> Result<Vec<Kv>> {
        let endpoints =
            if all { self.members.endpoints.clone() } else { vec![self.members.leader().await?] };
        let each = clients.div_ceil(endpoints.len()).min(CONNECTIONS_MAX);
        let mut connections = Vec::new();
        for _ in 0..each {
            for endpoint in &endpoints {
                connections.push(Kv::connect(endpoint).await?);
            }
        }
        Ok(connections)
    }

    /// Removes all keys.
    pub(crate) async fn clear(&self) -> Result<()> {
        let kv = Kv::connect(&self.members.leader().await?).await?;
        Ok(kv.remove_all("pools/").await?)
    }

    /// A prefix of keys without any.
    async fn new_pool(&self) -> Result<String> {
        self.clear().await?;
        Ok(format!("pools/{}/", self.pools.fetch_add(1, Ordering::Relaxed)))
    }
}
