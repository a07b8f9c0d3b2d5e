//! `berth agent`: what every host runs, and the cluster's servers in place of a replica.

use std::sync::Arc;
use std::time::Duration;

use berth_replication::{Deadline, Ledger, Servers, ServersConfig};

use crate::api::Cluster;
use crate::config::AgentConfig;
use crate::host::{self, Host, HostError, Sockets};
use crate::process::{self, Stop, stopped};
use crate::sender::{Identity, Sender, Target};
use crate::spaces;

/// How long the ledger may take to close.
const SHUTDOWN_MAX: Duration = Duration::from_secs(5);
/// How long the cluster may take to hear that this host leaves.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// Runs an agent until a signal ends it, or it cannot go on. A second signal kills the process.
pub async fn run(config: AgentConfig) -> Result<(), HostError> {
    process::run(|stop| serve(config, stop), HostError::Signals).await
}

async fn serve(config: AgentConfig, stop: Stop) -> Result<(), HostError> {
    config.host.log_channel();
    let sockets = Sockets::bind(&config.host).await?;
    let ledger = host::open_ledger(&config.host).await?;
    let fatal = ledger.fatal();
    let served = tokio::select! {
        served = serve_from(&ledger, &config, sockets, stop) => served,
        error = fatal.wait() => Err(HostError::Fatal(error)),
    };
    // Also after an error: RocksDB must not run on while the process ends.
    if tokio::time::timeout(SHUTDOWN_MAX, ledger.shutdown()).await.is_err() {
        tracing::warn!("stopped with work still under way");
    }
    tracing::info!("stopped");
    served
}

async fn serve_from(
    ledger: &Arc<Ledger>,
    config: &AgentConfig,
    sockets: Sockets,
    stop: Stop,
) -> Result<(), HostError> {
    let servers = ServersConfig {
        name: config.host.name.clone(),
        servers: config.servers.clone(),
        dir: config.host.data_dir.join("servers"),
        secret: config.host.secret.clone(),
        insecure: config.host.insecure,
    };
    let servers = Servers::start(&servers).map_err(HostError::Servers)?;
    let address = host::host_name();
    let global = Target::Servers(servers.clone());
    let identity = Identity::new(config.host.data_dir.join("identity"));
    let global = Sender::new(global, config.host.client.clone(), address.clone()).guarded(identity);
    let cluster = Cluster::Servers(servers.clone());
    let v6 = spaces::random_unique_local();
    let host = Host::new(&config.host, Arc::clone(ledger), cluster, global, &address, v6).await?;
    servers.answer_with(host.respondent.clone());
    let (driver, kept) = (Arc::clone(&host.driver), Arc::clone(&host.driver));
    let mut parts = host.serve(sockets, &stop);
    parts.spawn(host::until_stopped(&stop, async move { kept.keep_identity().await }));
    let own = host::own_sender(Target::Servers(servers.clone()), &config.host, &address);
    let (made, met) = (config.host.clone(), servers.clone());
    parts.spawn(host::until_stopped(&stop, async move {
        let v6 = spaces::unique_local(met.met().await, None);
        host::make_global_space(own, made, v6).await;
    }));
    tracing::info!(
        name = %config.host.name, servers = config.servers.join(","),
        api = %config.host.api_socket.display(), plugin = %config.host.plugin_socket.display(),
        "agent started"
    );
    stopped(stop).await;
    tracing::info!("stopping");
    while parts.join_next().await.is_some() {}
    driver.leave(Deadline::after(LEAVE_MAX)).await;
    Ok(())
}
