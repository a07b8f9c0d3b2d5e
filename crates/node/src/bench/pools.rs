//! Pools of a run: made before it, and given back after it with all that they hold.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipamapi::ipnet::IpNet;
use ipamapi::remote::RetryPolicy;
use ipamapi::{
    ErrorKind, Ipam, IpamError, Options, PoolId, PoolRequest, RemoteIpam, RequestContext,
};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::{Client, PluginClient, Progress, Wanted};

/// How long an answer is waited for. An engine would wait longer; Berth always answers earlier.
const ANSWER_MAX: Duration = Duration::from_mins(1);
/// Attempts to give a pool back, and the pause between two of them.
const RELEASES_MAX: u32 = 5;
const RELEASE_PAUSE: Duration = Duration::from_secs(1);
/// What Berth keeps with a pool, so that it is known whose it is.
const LABEL: &str = "berth.bench";

/// Pools of a run.
#[derive(Debug)]
pub struct Pools {
    space: String,
    whose: Whose,
    sockets: Vec<PathBuf>,
    made: Vec<Made>,
}

/// Who asks for a space's pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Each host for itself: the same pool is another one on each.
    Host,
    /// One manager for all hosts.
    Manager,
    /// All hosts together.
    Hosts,
}

/// A pool, as one host has it.
#[derive(Debug)]
struct Made {
    socket: usize,
    pool: usize,
    prefix: IpNet,
    id: PoolId,
}

/// Pools could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PoolsError {
    /// No driver answers on the socket.
    #[error("{} does not answer as a plugin: {reason}", socket.display())]
    NoPlugin {
        /// Which one.
        socket: PathBuf,
        /// What was said.
        #[source]
        reason: IpamError,
    },
    /// A pool was refused.
    #[error(
        "{} does not give the pool {prefix} of {space}: {reason}{}",
        socket.display(),
        advice(reason)
    )]
    NoPool {
        /// Where it was asked for.
        socket: PathBuf,
        /// Which one.
        prefix: IpNet,
        /// In which space.
        space: String,
        /// What was said.
        #[source]
        reason: IpamError,
    },
}

/// A pool that could not be given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Through which socket it was taken.
    pub socket: PathBuf,
    /// Its id.
    pub pool: String,
    /// What was said.
    pub reason: String,
}

fn advice(reason: &IpamError) -> &'static str {
    match reason.kind() {
        ErrorKind::PoolOverlap => {
            "; name a range that is free with --pool-prefix. If a bench that was killed has left it (`berth \
             pool show` says so), `berth pool rm POOL --force` removes it"
        }
        ErrorKind::InvalidAddressSpace => "; `berth space ls` shows all spaces",
        _ => "",
    }
}

fn plugin(socket: &Path) -> RemoteIpam {
    RemoteIpam::new(socket).with_retry(RetryPolicy::NEVER).with_timeout(ANSWER_MAX)
}

impl Pools {
    /// Finds out whose the space's pools are. Takes nothing, and begins no session.
    pub async fn of(wanted: &Wanted) -> Result<Self, PoolsError> {
        let mut whose = Whose::Hosts;
        let mut space = wanted.space.clone();
        for socket in &wanted.sockets {
            let spaces = plugin(socket).default_address_spaces(&RequestContext::in_process()).await;
            let spaces =
                spaces.map_err(|reason| PoolsError::NoPlugin { socket: socket.clone(), reason })?;
            let space = space.get_or_insert_with(|| spaces.local.clone());
            if *space == spaces.local {
                whose = Whose::Host;
            } else if *space == spaces.global {
                whose = Whose::Manager;
            }
        }
        let space = space.unwrap_or_default();
        Ok(Self { space, whose, sockets: wanted.sockets.clone(), made: Vec::new() })
    }

    /// The space that they are of.
    pub fn space(&self) -> &str {
        &self.space
    }

    /// Makes them, unless told to stop. What was made before an error is to be given back, too.
    pub async fn make(
        &mut self,
        prefixes: &[IpNet],
        progress: &Progress,
    ) -> Result<(), PoolsError> {
        let askers = if self.whose == Whose::Manager { 1 } else { self.sockets.len() };
        for socket in 0..askers {
            let plugin = plugin(&self.sockets[socket]);
            for (pool, &prefix) in prefixes.iter().enumerate() {
                if progress.is_stopped() {
                    return Ok(());
                }
                let id = self.make_one(&plugin, prefix).await;
                let id = id.map_err(|reason| PoolsError::NoPool {
                    socket: self.sockets[socket].clone(),
                    prefix,
                    space: self.space.clone(),
                    reason,
                })?;
                self.made.push(Made { socket, pool, prefix, id });
            }
        }
        Ok(())
    }

    async fn make_one(&self, plugin: &RemoteIpam, prefix: IpNet) -> Result<PoolId, IpamError> {
        let label = Options::new().with(LABEL, format!("process {}", std::process::id()));
        let request = PoolRequest::parse(&self.space, &prefix.to_string(), "", false)?;
        let request = request.with_options(label);
        Ok(plugin.request_pool(&RequestContext::in_process(), request).await?.id)
    }

    /// The clients that were wanted, spread over the sockets.
    pub fn clients(&self, wanted: &Wanted) -> Vec<Client<PluginClient>> {
        let client = |number: usize| {
            let socket = number % self.sockets.len();
            let asker = if self.whose == Whose::Manager { 0 } else { socket };
            let pools = wanted.pools_of(number).into_iter().filter_map(|pool| {
                let made = self.made.iter().find(|made| made.pool == pool && made.socket == asker);
                made.map(|made| (made.prefix, made.id.clone()))
            });
            let target = PluginClient::new(plugin(&self.sockets[socket]), pools.collect());
            let realm = if self.whose == Whose::Host { socket } else { 0 };
            Client { target, realm: u32::try_from(realm).unwrap_or(u32::MAX) }
        };
        (0..wanted.clients).map(client).collect()
    }

    /// Gives all of them back, with the addresses that they hold; gives those that could not be.
    pub async fn give_back(self) -> Vec<Left> {
        let mut left = Vec::new();
        for made in &self.made {
            let socket = &self.sockets[made.socket];
            if let Err(reason) = give_back(socket, &made.id).await {
                let (socket, pool) = (socket.clone(), made.id.to_string());
                left.push(Left { socket, pool, reason: reason.to_string() });
            }
        }
        left
    }
}

async fn give_back(socket: &Path, pool: &PoolId) -> Result<(), IpamError> {
    let plugin = plugin(socket);
    for attempt in 1.. {
        let released = plugin.release_pool(&RequestContext::in_process(), pool.clone()).await;
        match released {
            // It is gone: an attempt before had its effect.
            Err(error) if attempt > 1 && error.kind() == ErrorKind::UnknownPool => break,
            Err(error) if attempt == RELEASES_MAX => return Err(error),
            Err(_) => sleep(RELEASE_PAUSE).await,
            Ok(()) => break,
        }
    }
    Ok(())
}
