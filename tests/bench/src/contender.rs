//! Who is measured.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use berth_node::bench::{Client, Holders, Plan, Target, run};
use serde::{Deserialize, Serialize};

use crate::etcd::Etcd;
use crate::figures::Run;
use crate::host_local;
use crate::ours::Ours;
use crate::postgres::Postgres;
use crate::sqlite;

/// How long clients work before anything is recorded.
const WARM_UP: Duration = Duration::from_millis(500);

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
    PostgresFirstFree,
    BerthLocal,
    Sqlite,
    SqliteBatched,
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
            EtcdFirstFreeBatched, HostLocal, PostgresFirstFree, Sqlite, SqliteBatched,
        };
        match self {
            Self::Cluster => vec![
                BerthLeader,
                EtcdCreate,
                BerthAll,
                EtcdCreateAll,
                EtcdFirstFree,
                EtcdFirstFreeBatched,
                PostgresFirstFree,
            ],
            Self::Host => vec![BerthLocal, Sqlite, SqliteBatched, HostLocal],
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
            Self::PostgresFirstFree => "postgres-first-free",
            Self::BerthLocal => "berth-local",
            Self::Sqlite => "sqlite",
            Self::SqliteBatched => "sqlite-batched",
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
            Self::PostgresFirstFree => "PostgreSQL, first free",
            Self::BerthLocal => "Berth, host's own space",
            Self::Sqlite => "SQLite",
            Self::SqliteBatched => "SQLite, gathered",
            Self::HostLocal => "CNI host-local",
        }
    }

    /// With whom it is compared: Berth asked in the same way.
    pub(crate) fn ours(self) -> Self {
        match self {
            Self::BerthAll | Self::EtcdCreateAll => Self::BerthAll,
            Self::BerthLocal | Self::Sqlite | Self::SqliteBatched | Self::HostLocal => {
                Self::BerthLocal
            }
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
        match (contender, self) {
            (
                Contender::BerthLeader | Contender::BerthAll | Contender::BerthLocal,
                Self { ours: Some(ours), .. },
            ) => ours.measure(contender, plan, clients).await,
            (Contender::EtcdCreate, Self { etcd: Some(etcd), .. }) => {
                Ok(go(contender, plan, etcd.creating(clients, false).await?).await)
            }
            (Contender::EtcdCreateAll, Self { etcd: Some(etcd), .. }) => {
                Ok(go(contender, plan, etcd.creating(clients, true).await?).await)
            }
            (Contender::EtcdFirstFree, Self { etcd: Some(etcd), .. }) => {
                Ok(go(contender, plan, etcd.first_free(clients, 1).await?).await)
            }
            (Contender::EtcdFirstFreeBatched, Self { etcd: Some(etcd), .. }) => {
                Ok(go(contender, plan, etcd.first_free(clients, usize::MAX).await?).await)
            }
            (Contender::PostgresFirstFree, Self { postgres: Some(postgres), .. }) => {
                Ok(go(contender, plan, postgres.clients(clients).await?).await)
            }
            (Contender::Sqlite, _) => {
                let (_dir, targets) = sqlite::clients(clients, 1)?;
                Ok(go(contender, plan, targets).await)
            }
            (Contender::SqliteBatched, _) => {
                let (_dir, targets) = sqlite::clients(clients, usize::MAX)?;
                Ok(go(contender, plan, targets).await)
            }
            (Contender::HostLocal, _) => {
                let (_dir, targets) = host_local::clients(clients)?;
                Ok(go(contender, plan, targets).await)
            }
            _ => bail!("{contender:?} was not started"),
        }
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
