//! What runs on a host: the parts of `berth server`, or of `berth agent`, put together as it does, without its
//! sockets.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use berth_allocator::{
    ClientName, Command, MakeToken, PoolRange, Role, Sharing, SpaceName, SpaceSettings, Text,
};
use berth_node::docker::{Driver, DriverConfig};
use berth_node::peers::Respondent;
use berth_node::sender::{Identity, Sender, SubmitError, Target};
use berth_node::spaces;
use berth_replication::{
    AccessToken, Clock, Config, Deadline, JoinConfig, JoinError, Ledger, LedgerConfig,
    LedgerStartError, Member, MembershipError, MembershipRefusal, NodeName, Replica, Respond,
    Secret, Servers, ServersConfig, StartError, StoreError, Tuning, holds_cluster, join,
    token_hash,
};
use bytes::Bytes;

/// The space of a host's own networks.
pub(crate) const LOCAL_SPACE: &str = "LocalDefault";
/// The space of the Swarm.
pub(crate) const GLOBAL_SPACE: &str = "GlobalDefault";
/// A space that all hosts share.
pub(crate) const SHARED_SPACE: &str = "shared";

/// The secret of the token with which hosts come back.
pub(crate) const TOKEN_KEY: [u8; 32] = [7; 32];
/// Pause until the token is looked for again.
const TOKEN_PAUSE: Duration = Duration::from_secs(1);

/// How long a host tries to come back: as long as it takes.
const JOIN_MAX: Duration = Duration::from_mins(10);

/// What a node must be told.
#[derive(Clone)]
pub(crate) struct NodeConfig {
    /// Its name.
    pub(crate) name: String,
    /// It keeps a replica; else it is an agent.
    pub(crate) is_member: bool,
    /// All first members of the cluster; none once a member comes back as a new one.
    pub(crate) members: Vec<Member>,
    /// With what it comes back.
    pub(crate) token: Option<AccessToken>,
    /// Where it keeps its files.
    pub(crate) dir: PathBuf,
    /// Times and sizes of the replica.
    pub(crate) tuning: Tuning,
    /// Entries after which the ledger's log is cut.
    pub(crate) ledger_snapshot_after: u64,
    /// How long released addresses of the cluster's spaces cool.
    pub(crate) reuse_delay_millis: u64,
}

/// A node that runs.
#[derive(Clone)]
pub(crate) struct Node {
    /// The cluster, as it has it.
    pub(crate) cluster: Cluster,
    /// Its ledger.
    pub(crate) ledger: Arc<Ledger>,
    /// Its driver.
    pub(crate) driver: Arc<Driver>,
    /// What it answers other hosts with.
    _respondent: Arc<Respondent>,
}

/// Answers as long as the node is there: else a process would hold itself beyond its end.
struct Answering(Weak<Respondent>);

#[async_trait]
impl Respond for Answering {
    async fn respond(&self, question: Bytes) -> Result<Bytes, String> {
        match self.0.upgrade() {
            Some(respondent) => respondent.respond(question).await,
            None => Err("the process ends".to_owned()),
        }
    }
}

/// The cluster, as a host has it.
#[derive(Clone)]
pub(crate) enum Cluster {
    /// It is a part of it.
    Replica(Replica),
    /// It is an agent, and asks.
    Servers(Servers),
}

impl Node {
    /// Its replica, if it has one.
    pub(crate) fn replica(&self) -> Option<&Replica> {
        match &self.cluster {
            Cluster::Replica(replica) => Some(replica),
            Cluster::Servers(_) => None,
        }
    }
}

/// How a process is.
#[derive(Clone)]
pub(crate) enum Life {
    /// It is starting.
    Starting,
    /// It serves.
    Serving(Node),
    /// It has ended by itself.
    Ended(End),
}

/// Why a process ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    /// In words.
    pub(crate) reason: String,
    /// What was acknowledged is missing on its disk: nothing in a simulation damages it, so this is
    /// a fault of the node.
    pub(crate) lost_data: bool,
}

/// Where a process tells how it is.
pub(crate) type LifeSlot = Arc<Mutex<Life>>;

/// Starts a node, and runs it until it cannot go on.
pub(crate) async fn run(config: NodeConfig, clock: Arc<dyn Clock>, slot: LifeSlot) {
    let tell = |life| *slot.lock().unwrap_or_else(PoisonError::into_inner) = life;
    let node = match start(&config, clock).await {
        Ok(node) => node,
        Err(end) => return tell(Life::Ended(end)),
    };
    tell(Life::Serving(node.clone()));
    let ledger = node.ledger.fatal();
    let error = match &node.cluster {
        Cluster::Replica(replica) => {
            let target = Target::Replica(replica.clone());
            let own = Sender::new(target, api_client(&config), address(&config));
            tokio::spawn(make_spaces(own, config.reuse_delay_millis));
            let replica = replica.fatal();
            tokio::select! {
                biased;
                error = replica.wait() => error,
                error = ledger.wait() => error,
            }
        }
        Cluster::Servers(_) => {
            let driver = Arc::clone(&node.driver);
            tokio::spawn(async move { driver.keep_identity().await });
            ledger.wait().await
        }
    };
    tell(Life::Ended(End { reason: error.to_string(), lost_data: false }));
}

async fn start(config: &NodeConfig, clock: Arc<dyn Clock>) -> Result<Node, End> {
    let name = NodeName::new(config.name.as_str()).expect("simulated hosts have plain names");
    let ledger = LedgerConfig {
        dir: config.dir.join("local"),
        name: name.clone(),
        snapshot_after: config.ledger_snapshot_after,
    };
    let ledger = Ledger::open(ledger, Arc::clone(&clock)).await.map_err(|error| {
        let lost_data = match &error {
            LedgerStartError::Store(store) => lost_data(store),
            LedgerStartError::Snapshot(_) => true,
            _ => false,
        };
        End { reason: format!("{error:?}"), lost_data }
    })?;
    let ledger = Arc::new(ledger);
    let cluster = if config.is_member {
        Cluster::Replica(replica(config, &name, clock).await?)
    } else {
        Cluster::Servers(servers(config, &name)?)
    };
    let respondent = respondent(config, &ledger, &cluster);
    let local_space = SpaceName::new(LOCAL_SPACE).expect("a plain name");
    let on_ledger = || Target::Ledger(Arc::clone(&ledger));
    let local = Sender::new(on_ledger(), api_client(config), address(config));
    let own = End { reason: "the local space cannot be made".to_owned(), lost_data: false };
    spaces::ensure(&local, &local_space, SpaceSettings::local(None)).await.map_err(|_| own)?;
    let client = ClientName::new(config.name.as_str()).expect("a plain name");
    let global = match &cluster {
        Cluster::Replica(replica) => {
            Sender::new(Target::Replica(replica.clone()), client.clone(), address(config))
        }
        Cluster::Servers(servers) => {
            Sender::new(Target::Servers(servers.clone()), client.clone(), address(config))
                .guarded(Identity::new(config.dir.join("identity")))
        }
    };
    let driver = DriverConfig {
        global,
        local: Sender::new(on_ledger(), client, address(config)),
        local_space,
        global_space: SpaceName::new(GLOBAL_SPACE).expect("a plain name"),
        data_dir: config.dir.clone(),
        docker_socket: None,
        observer: None,
    };
    let driver = Driver::new(driver)
        .map_err(|error| End { reason: format!("{error:?}"), lost_data: true })?;
    Ok(Node { cluster, ledger, driver: Arc::new(driver), _respondent: respondent })
}

/// The cluster, as a node of it has it.
async fn replica(
    config: &NodeConfig,
    name: &NodeName,
    clock: Arc<dyn Clock>,
) -> Result<Replica, End> {
    if let Some(token) = &config.token {
        come_back(config, name.clone(), token.clone()).await?;
    }
    let replica = Config {
        cluster: "simulation".to_owned(),
        name: name.clone(),
        members: config.members.clone(),
        data_dir: config.dir.join("raft"),
        listen: format!("{}:7100", config.name),
        advertise: None,
        learner: false,
        secret: Some(secret()),
        keep_secret: false,
        insecure: true,
        tuning: config.tuning.clone(),
    };
    Replica::start(replica, clock).await.map_err(|error| {
        let lost_data = match &error {
            StartError::Store(store) => lost_data(store),
            StartError::Snapshot(_) | StartError::Recover { .. } => true,
            _ => false,
        };
        End { reason: format!("{error:?}"), lost_data }
    })
}

/// The cluster, as an agent has it.
fn servers(config: &NodeConfig, name: &NodeName) -> Result<Servers, End> {
    let servers = ServersConfig {
        name: name.clone(),
        servers: config.members.iter().map(|member| member.address.clone()).collect(),
        dir: config.dir.join("servers"),
        secret: Some(secret()),
        insecure: true,
    };
    Servers::start(&servers).map_err(|error| End { reason: format!("{error:?}"), lost_data: true })
}

/// Has a host answer what others ask: agents a node, nodes their agents.
fn respondent(config: &NodeConfig, ledger: &Arc<Ledger>, cluster: &Cluster) -> Arc<Respondent> {
    let replica = match cluster {
        Cluster::Replica(replica) => Some(replica.clone()),
        Cluster::Servers(_) => None,
    };
    let respondent = Arc::new(Respondent {
        name: config.name.clone(),
        ledger: Arc::clone(ledger),
        local: SpaceName::new(LOCAL_SPACE).expect("a plain name"),
        global: SpaceName::new(GLOBAL_SPACE).expect("a plain name"),
        replica,
        api: OnceLock::new(),
    });
    let answering = Arc::new(Answering(Arc::downgrade(&respondent)));
    match cluster {
        Cluster::Replica(replica) => replica.answer_with(answering),
        Cluster::Servers(servers) => servers.answer_with(answering),
    }
    respondent
}

/// What all members know.
fn secret() -> Secret {
    Secret::new(b"known to all members").expect("it is long enough")
}

/// Joins as a new member, unless that was done.
async fn come_back(config: &NodeConfig, name: NodeName, token: AccessToken) -> Result<(), End> {
    let data_dir = config.dir.join("raft");
    if holds_cluster(&data_dir) {
        return Ok(());
    }
    let address = format!("{}:7100", config.name);
    let wanted = JoinConfig { token, name, data_dir, address, replace: true, insecure: true };
    loop {
        match join(wanted.clone(), Deadline::after(JOIN_MAX)).await {
            Ok(_) => return Ok(()),
            // It was not made yet.
            Err(JoinError::Membership(MembershipError::Refused(MembershipRefusal::Token))) => {
                tokio::time::sleep(TOKEN_PAUSE).await;
            }
            Err(error) => return Err(End { reason: format!("{error:?}"), lost_data: false }),
        }
    }
}

/// Makes the token with which hosts come back, and the cluster's spaces, as soon as it can.
async fn make_spaces(sender: Sender, reuse_delay_millis: u64) {
    let (hash, note) = (token_hash(&TOKEN_KEY), Text::new("").expect("it is empty"));
    let token = MakeToken { hash, role: Role::Server, note, lifetime: None, uses: None };
    // Refused where another node has made it.
    loop {
        let make = Command::MakeToken(token.clone());
        match sender.submit(make, Deadline::after(TOKEN_PAUSE)).await {
            Ok(_) | Err(SubmitError::Rejected(_)) => break,
            Err(_) => tokio::time::sleep(TOKEN_PAUSE).await,
        }
    }
    let reuse_delay = berth_allocator::Millis::new(reuse_delay_millis);
    let exclusive = SpaceSettings { reuse_delay, ..SpaceSettings::exclusive(None) };
    let base = "10.128.0.0/9".parse().expect("a prefix");
    let ranges = vec![PoolRange { base, length: 24 }];
    let shared = SpaceSettings { sharing: Sharing::Shared, ranges, reuse_delay, apart: false };
    for (name, settings) in [(GLOBAL_SPACE, exclusive), (SHARED_SPACE, shared)] {
        let name = SpaceName::new(name).expect("a plain name");
        // Refused only if the settings cannot be, which the first run shows.
        spaces::ensure(&sender, &name, settings).await.expect("the settings can be");
    }
}

fn lost_data(error: &StoreError) -> bool {
    !matches!(error, StoreError::Fatal(_) | StoreError::Closed)
}

fn api_client(config: &NodeConfig) -> ClientName {
    ClientName::new(format!("api@{}", config.name)).expect("a plain name")
}

fn address(config: &NodeConfig) -> Text {
    Text::new(config.name.as_str()).expect("a plain name")
}
