//! Berth: three nodes, asked through their plugin sockets.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use berth_node::bench::{Plan, Pools, Progress, Wanted};
use berth_tests::{Cluster, GLOBAL, LOCAL};

use crate::contender::{Contender, measured};
use crate::figures::Run;

/// Room for more addresses than any run takes.
const POOL: &str = "10.0.0.0/8";

/// A cluster of the binary that `BERTH_BIN` names.
pub(crate) struct Ours(Cluster);

impl Ours {
    pub(crate) async fn start() -> Self {
        Self(Cluster::start(3).await)
    }

    /// Measures with a pool of its own.
    pub(crate) async fn measure(
        &self,
        contender: Contender,
        plan: Plan,
        clients: usize,
    ) -> Result<Run> {
        let nodes = &self.0.nodes;
        let all = contender == Contender::BerthAll;
        let leader = self.0.leader().await;
        let asked = nodes.iter().enumerate().filter(|(number, _)| all || *number == leader);
        let sockets: Vec<PathBuf> = asked.map(|(_, node)| node.plugin_socket.clone()).collect();
        let space = if contender == Contender::BerthLocal { LOCAL } else { GLOBAL };
        of_sockets(contender, plan, clients, (sockets, space)).await
    }
}

/// Measures plugin sockets with a pool of its own in a space of theirs.
pub(crate) async fn of_sockets(
    contender: Contender,
    plan: Plan,
    clients: usize,
    (sockets, space): (Vec<PathBuf>, &str),
) -> Result<Run> {
    let (space, prefix) = (Some(space.to_owned()), POOL.parse()?);
    let wanted = Wanted { sockets, space, prefix, pools: 1, clients, fill: 0 };
    wanted.check(&plan)?;
    let mut pools = Pools::of(&wanted).await?;
    pools.make(&[prefix], &Progress::default()).await?;
    let run = measured(contender, plan, pools.clients(&wanted)).await;
    let left = pools.give_back().await;
    ensure!(left.is_empty(), "a pool could not be given back: {left:?}");
    Ok(run)
}
