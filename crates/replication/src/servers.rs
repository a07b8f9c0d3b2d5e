//! The cluster, as an agent speaks to it: a host without a replica.
//!
//! An agent speaks to one server at a time, the leader where it can reach it: fewer hops. What the
//! server cannot do itself it hands to the leader. Commands go through the same proposer as a
//! node's own, so that they are batched, sent again after a doubt, and their errors are honest.

mod attend;
mod home;
mod tracker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use berth_allocator::Envelope;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

pub(crate) use home::Home;
#[cfg(feature = "fuzzing")]
pub(crate) use home::Met;
#[cfg(test)]
pub(crate) use home::golden;

use crate::cluster::{ClusterError, check_address};
use crate::proposer::{Execute, Proposer};
use crate::replica::{Executed, Hindrance, unexpected};
use crate::transport::{
    AgentIdentity, CallError, Channel, Greeter, Link, Request, Response, Target, Whereabouts,
};
use crate::{AskError, ClusterId, Deadline, NodeName, ProposeError, Proposed, Respond, Secret};

/// How long connecting and greeting may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Pause after a question that was not sent.
const PAUSE: Duration = Duration::from_millis(20);

/// What [`Servers`] must be told.
#[derive(Debug, Clone)]
pub struct ServersConfig {
    /// This host's name; no node's of the cluster.
    pub name: NodeName,
    /// Some of the cluster's nodes, `HOST:PORT`; it tells of the others.
    pub servers: Vec<String>,
    /// Where the cluster is noted once it was met; made if it does not exist.
    pub dir: PathBuf,
    /// What all nodes and agents know, and what their certificates follow from; `None` only where
    /// nobody else can reach them: without it they speak plaintext.
    pub secret: Option<Secret>,
    /// Has them speak plaintext, anywhere, whether or not there is a secret.
    pub insecure: bool,
}

/// [`Servers`] could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// No servers, or an address that is not one.
    #[error(transparent)]
    Address(ClusterError),
    /// This host's certificate.
    #[error("cannot make this host's certificate")]
    Certificate(#[source] berth_pki::PkiError),
    /// What is noted of the cluster cannot be read or written.
    #[error("cannot use {}, where this host's cluster is noted", path.display())]
    Home {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// How the servers are, as this host knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServersStatus {
    /// The one that it speaks to, if any answers.
    pub server: Option<String>,
    /// Why none does.
    pub failure: Option<String>,
    /// All that it knows.
    pub addresses: Vec<String>,
}

/// The cluster's servers. Clones are the same; what runs for them ends with the last one.
#[derive(Clone)]
pub struct Servers(Arc<Inner>);

struct Inner {
    core: Core,
    proposer: Proposer,
    tasks: std::sync::Mutex<JoinSet<()>>,
}

impl Servers {
    /// Begins to look for the servers.
    pub fn start(config: &ServersConfig) -> Result<Self, ServersError> {
        if config.servers.is_empty() {
            return Err(ServersError::Address(ClusterError::Empty));
        }
        for address in &config.servers {
            check_address(address).map_err(ServersError::Address)?;
        }
        let home = Home::open(&config.dir)
            .map_err(|(path, source)| ServersError::Home { path, source })?;
        let secret = config.secret.as_ref();
        let channel = Channel::of_host(secret, config.insecure, &config.name)
            .map_err(ServersError::Certificate)?;
        let identity = AgentIdentity::new(config.name.clone(), secret, home);
        let core =
            Core { identity: Arc::new(identity), channel, now: watch::channel(Now::default()).0 };
        let mut tasks = JoinSet::new();
        tasks.spawn(tracker::run(core.clone(), config.servers.clone()));
        let proposer = Proposer::start(core.clone(), &mut tasks);
        Ok(Self(Arc::new(Inner { core, proposer, tasks: std::sync::Mutex::new(tasks) })))
    }

    /// Has the servers' questions answered by `respondent`, from now on.
    pub fn answer_with(&self, respondent: Arc<dyn Respond>) {
        let mut tasks = self.0.tasks.lock().expect("nothing panics while it holds the tasks");
        tasks.spawn(attend::run(self.0.core.clone(), respondent));
    }

    /// The cluster, once it was met.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.0.core.identity.home().cluster()
    }

    /// The cluster, as soon as it is met.
    pub async fn met(&self) -> ClusterId {
        loop {
            self.reached(Deadline::after(Deadline::AFTER_MAX)).await;
            if let Some(cluster) = self.cluster() {
                return cluster;
            }
        }
    }

    /// How the servers are.
    pub fn status(&self) -> ServersStatus {
        let now = self.0.core.now.borrow();
        ServersStatus {
            server: now.server.as_ref().map(|server| server.address.clone()),
            failure: now.failure.clone(),
            addresses: now.addresses.clone(),
        }
    }

    /// When this host's certificate expires, unless it is renewed before; nothing without TLS.
    pub fn certificate_expires(&self) -> Option<SystemTime> {
        self.0.core.channel.expires()
    }

    /// Waits until a server answers; false if the deadline passes before.
    pub async fn reached(&self, deadline: Deadline) -> bool {
        self.0.core.server(deadline).await.is_some()
    }

    /// Has a command executed, as [`crate::Replica::propose`] does.
    pub async fn propose(
        &self,
        envelope: Envelope,
        deadline: Deadline,
    ) -> Result<Proposed, ProposeError> {
        self.0.proposer.propose(envelope, deadline).await
    }

    /// Asks a server something; again, if it can have had no effect.
    pub async fn ask(&self, question: Bytes, deadline: Deadline) -> Result<Bytes, AskError> {
        loop {
            let Some(server) = self.0.core.server(deadline).await else {
                return Err(AskError::Silent(self.0.core.why()));
            };
            let request = Request::Question { body: question.clone() };
            match self.0.core.call(&server, &request, deadline).await {
                Ok(Response::Told { body }) => return Ok(body),
                Ok(Response::Failed { reason }) => return Err(AskError::Refused(reason)),
                Ok(_) => {
                    let reason = "its answer fits no question of ours";
                    return Err(AskError::Refused(reason.to_owned()));
                }
                Err(CallError::NotSent(_)) if !deadline.has_passed() => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(AskError::Silent(error.to_string())),
            }
        }
    }
}

/// A server that is spoken to.
struct Server {
    address: String,
    link: Link,
}

/// What is known of the servers.
#[derive(Default)]
struct Now {
    server: Option<Arc<Server>>,
    failure: Option<String>,
    addresses: Vec<String>,
}

/// What the parts share. Clones are the same.
#[derive(Clone)]
struct Core {
    identity: Arc<AgentIdentity>,
    channel: Channel,
    now: watch::Sender<Now>,
}

impl Core {
    fn link(&self, address: &str) -> Link {
        Link::new(Target {
            greeter: Greeter::Agent(Arc::clone(&self.identity)),
            whereabouts: Whereabouts::Fixed(address.to_owned()),
            channel: self.channel.clone(),
            connect_timeout: CONNECT_MAX,
        })
    }

    /// The server that is spoken to, as soon as there is one.
    async fn server(&self, deadline: Deadline) -> Option<Arc<Server>> {
        let mut now = self.now.subscribe();
        let found = timeout_at(deadline.instant(), now.wait_for(|now| now.server.is_some())).await;
        found.ok()?.ok()?.server.clone()
    }

    /// Why there is none.
    fn why(&self) -> String {
        let failure = self.now.borrow().failure.clone();
        failure.unwrap_or_else(|| "no server has answered yet".to_owned())
    }

    /// Calls a server for as long as it is the one that is spoken to.
    async fn call(
        &self,
        server: &Arc<Server>,
        request: &Request,
        deadline: Deadline,
    ) -> Result<Response, CallError> {
        let mut now = self.now.subscribe();
        let other = |now: &Now| !now.server.as_ref().is_some_and(|it| Arc::ptr_eq(it, server));
        tokio::select! {
            response = server.link.call(request, deadline) => response,
            _ = now.wait_for(other) => {
                Err(CallError::Lost(format!("the server at {} fell silent", server.address)))
            }
        }
    }
}

impl Execute for Core {
    async fn execute(
        &self,
        commands: Vec<Envelope>,
        deadline: Deadline,
    ) -> Result<Executed, Hindrance> {
        let server = self.server(deadline).await;
        let server = server.ok_or_else(|| Hindrance::Unreachable { reason: self.why() })?;
        let request = Request::Propose { commands, patience_ms: deadline.millis() };
        match self.call(&server, &request, deadline).await? {
            Response::Proposed(result) => Ok(result?),
            other => Err(unexpected(other)),
        }
    }
}
