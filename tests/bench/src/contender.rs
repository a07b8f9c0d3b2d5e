//! Who is measured.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use berth_node::bench::{Client, Holders, Plan, Target, run};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::etcd::Etcd;
use crate::figures::Run;
use crate::host_local;
use crate::ours::Ours;
use crate::plugin::{Backend, Plugin};
use crate::postgres::{self, Postgres};
use crate::sqlite;

/// How long clients work before anything is recorded.
const WARM_UP: Duration = Duration::from_millis(500);
/// Pause after each turn.
const SETTLE: Duration = Duration::from_millis(500);

/// Somebody who gives addresses, set up in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contender {
    BerthLeader,
    BerthAll,
    EtcdCreate,
    EtcdCreateAll,
    EtcdFirstFree,
    EtcdFirstFreeBatched,
    EtcdPlugin,
    PostgresFirstFree,
    PostgresPlugin,
    BerthLocal,
    Sqlite,
    SqliteBatched,
    SqlitePlugin,
    HostLocal,
}

/// Those who are compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    /// Addresses of many hosts.
    Cluster,
    /// Addresses of one host.
    Host,
}

impl Group {
    pub(crate) const ALL: [Self; 2] = [Self::Cluster, Self::Host];

    /// Berth first: the others are compared with it.
    pub(crate) fn contenders(self) -> Vec<Contender> {
        use Contender::{
            BerthAll, BerthLeader, BerthLocal, EtcdCreate, EtcdCreateAll, EtcdFirstFree,
            EtcdFirstFreeBatched, EtcdPlugin, HostLocal, PostgresFirstFree, PostgresPlugin, Sqlite,
            SqliteBatched, SqlitePlugin,
        };
        match self {
            Self::Cluster => vec![
                BerthLeader,
                EtcdCreate,
                BerthAll,
                EtcdCreateAll,
                EtcdFirstFree,
                EtcdFirstFreeBatched,
                EtcdPlugin,
                PostgresFirstFree,
                PostgresPlugin,
            ],
            Self::Host => vec![BerthLocal, Sqlite, SqliteBatched, SqlitePlugin, HostLocal],
        }
    }

    /// Numbers of clients.
    pub(crate) fn clients(self) -> &'static [usize] {
        match self {
            Self::Cluster => &[1, 16, 64, 256],
            Self::Host => &[1, 16, 64],
        }
    }
}

impl Contender {
    /// A short name, for commands and files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BerthLeader => "berth-leader",
            Self::BerthAll => "berth-all",
            Self::EtcdCreate => "etcd-create",
            Self::EtcdCreateAll => "etcd-create-all",
            Self::EtcdFirstFree => "etcd-first-free",
            Self::EtcdFirstFreeBatched => "etcd-first-free-batched",
            Self::EtcdPlugin => "etcd-plugin",
            Self::PostgresFirstFree => "postgres-first-free",
            Self::PostgresPlugin => "postgres-plugin",
            Self::BerthLocal => "berth-local",
            Self::Sqlite => "sqlite",
            Self::SqliteBatched => "sqlite-batched",
            Self::SqlitePlugin => "sqlite-plugin",
            Self::HostLocal => "host-local",
        }
    }

    /// What it is called in texts.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::BerthLeader => "Berth, leader's socket",
            Self::BerthAll => "Berth, all three sockets",
            Self::EtcdCreate => "etcd, create-if-absent, leader",
            Self::EtcdCreateAll => "etcd, create-if-absent, all three",
            Self::EtcdFirstFree => "etcd, first free",
            Self::EtcdFirstFreeBatched => "etcd, first free, gathered",
            Self::EtcdPlugin => "etcd, first free, gathered, as a plugin",
            Self::PostgresFirstFree => "PostgreSQL, first free",
            Self::PostgresPlugin => "PostgreSQL, first free, as a plugin",
            Self::BerthLocal => "Berth, host's own space",
            Self::Sqlite => "SQLite",
            Self::SqliteBatched => "SQLite, gathered",
            Self::SqlitePlugin => "SQLite, gathered, as a plugin",
            Self::HostLocal => "CNI host-local",
        }
    }

    /// With whom it is compared: Berth asked in the same way.
    pub(crate) fn ours(self) -> Self {
        match self {
            Self::BerthAll | Self::EtcdCreateAll => Self::BerthAll,
            Self::BerthLocal
            | Self::Sqlite
            | Self::SqliteBatched
            | Self::SqlitePlugin
            | Self::HostLocal => Self::BerthLocal,
            _ => Self::BerthLeader,
        }
    }
}

/// All that contenders need, running, until this is dropped.
pub(crate) struct Ground {
    ours: Option<Ours>,
    etcd: Option<Etcd>,
    postgres: Option<Postgres>,
}

impl Ground {
    /// Starts what these need.
    pub(crate) async fn prepare(contenders: &[Contender]) -> Result<Self> {
        let need = |name: &str| contenders.iter().any(|one| one.name().starts_with(name));
        let ours = if need("berth") { Some(Ours::start().await) } else { None };
        let etcd = if need("etcd") { Some(Etcd::start().await?) } else { None };
        let postgres = if need("postgres") { Some(Postgres::start().await?) } else { None };
        Ok(Self { ours, etcd, postgres })
    }

    /// Measures one of them with fresh pools.
    pub(crate) async fn measure(
        &self,
        contender: Contender,
        clients: usize,
        duration: Duration,
    ) -> Result<Run> {
        let plan = Plan { warm_up: WARM_UP, duration, hold: None };
        match contender {
            Contender::BerthLeader | Contender::BerthAll | Contender::BerthLocal => {
                self.ours()?.measure(contender, plan, clients).await
            }
            Contender::EtcdCreate | Contender::EtcdCreateAll => {
                let all = contender == Contender::EtcdCreateAll;
                Ok(go(contender, plan, self.etcd()?.creating(clients, all).await?).await)
            }
            Contender::EtcdFirstFree | Contender::EtcdFirstFreeBatched => {
                let one = contender == Contender::EtcdFirstFree;
                let batch_max = if one { 1 } else { usize::MAX };
                Ok(go(contender, plan, self.etcd()?.first_free(clients, batch_max).await?).await)
            }
            Contender::PostgresFirstFree => {
                let clients = postgres::clients(&self.postgres()?.socket_dir, clients).await?;
                Ok(go(contender, plan, clients).await)
            }
            Contender::EtcdPlugin => {
                let backend = Backend::Etcd { endpoints: self.etcd()?.endpoints().to_vec() };
                Plugin::start(&backend).await?.measure(contender, plan, clients).await
            }
            Contender::PostgresPlugin => {
                let backend = Backend::Postgres { dir: self.postgres()?.socket_dir.clone() };
                Plugin::start(&backend).await?.measure(contender, plan, clients).await
            }
            Contender::SqlitePlugin => {
                Plugin::start(&Backend::Sqlite).await?.measure(contender, plan, clients).await
            }
            Contender::Sqlite | Contender::SqliteBatched => {
                let batch_max = if contender == Contender::Sqlite { 1 } else { usize::MAX };
                let (_dir, targets) = sqlite::clients(clients, batch_max)?;
                Ok(go(contender, plan, targets).await)
            }
            Contender::HostLocal => {
                let (_dir, targets) = host_local::clients(clients)?;
                Ok(go(contender, plan, targets).await)
            }
        }
    }

    /// Removes what a turn has left, and waits a little, so that whoever is next is not disturbed.
    pub(crate) async fn settle(&self) -> Result<()> {
        if let Some(etcd) = &self.etcd {
            etcd.clear().await?;
        }
        if let Some(postgres) = &self.postgres {
            postgres.clear().await?;
        }
        sleep(SETTLE).await;
        Ok(())
    }

    fn ours(&self) -> Result<&Ours> {
        self.ours.as_ref().context("Berth was not started")
    }

    fn etcd(&self) -> Result<&Etcd> {
        self.etcd.as_ref().context("etcd was not started")
    }

    fn postgres(&self) -> Result<&Postgres> {
        self.postgres.as_ref().context("PostgreSQL was not started")
    }
}

/// Has clients of one realm work.
async fn go<T: Target>(contender: Contender, plan: Plan, targets: Vec<T>) -> Run {
    let clients = targets.into_iter().map(|target| Client { target, realm: 0 }).collect();
    measured(contender, plan, clients).await
}

/// Has clients work.
pub(crate) async fn measured<T: Target>(
    contender: Contender,
    plan: Plan,
    clients: Vec<Client<T>>,
) -> Run {
    let count = clients.len();
    let holders: Arc<Holders> = Arc::default();
    let measured = run(plan, clients, &holders, &Arc::default()).await;
    Run {
        contender,
        clients: count,
        requests: measured.requests.summary(measured.lasted),
        errors: measured.errors.counts(),
        duplicates: holders.twice().count,
    }
}
