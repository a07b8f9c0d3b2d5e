//! A cluster in one process: each node with its own runtime, so that killing it is dropping that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use berth_allocator::{
    Answer, ClientName, Command, Envelope, Incarnation, MakeToken, Millis, Register, Response,
    Role, Sequence, SpaceName, SpaceSettings, Text,
};
use berth_replication::{
    AccessToken, Config, Consistency, Deadline, DirectoryError, Fingerprint, JoinConfig, JoinError,
    Joined, Member, MemberChange, MembershipError, NodeId, NodeName, ProposeError, Proposed,
    ReadError, Replica, Secret, StartError, Status, SystemClock, TokenUse, Tuning, join,
    token_hash,
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::ports::free_ports;

/// Long enough for an election on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

pub(crate) struct Node {
    pub(crate) runtime: Runtime,
    pub(crate) replica: Replica,
}

impl Node {
    pub(crate) fn start(config: Config) -> Result<Self, StartError> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let replica = runtime.block_on(Replica::start(config, Arc::new(SystemClock)))?;
        Ok(Self { runtime, replica })
    }

    pub(crate) fn propose(
        &self,
        envelope: Envelope,
        deadline: Deadline,
    ) -> Result<Proposed, ProposeError> {
        self.runtime.block_on(self.replica.propose(envelope, deadline))
    }

    /// Has a token made with which so many hosts may join.
    pub(crate) fn token(&self, uses: Option<u32>) -> AccessToken {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut key = [7; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        let client = Client::register(&format!("operator-{number}"), self);
        let made = client.command(Command::MakeToken(MakeToken {
            hash: token_hash(&key),
            role: Role::Server,
            note: Text::new("test").unwrap(),
            lifetime: None,
            uses,
        }));
        let made = self.propose(made, soon()).unwrap().answer.outcome;
        assert!(matches!(made, Ok(Response::Token(_))), "{made:?}");
        // A cluster that has just begun does not know yet where its members are.
        self.wait(|status| status.members.iter().any(|member| !member.address.is_empty()));
        self.replica.access_token(TokenUse::Join, key).unwrap()
    }

    /// The names of all spaces.
    pub(crate) fn spaces(
        &self,
        consistency: Consistency,
        deadline: Deadline,
    ) -> Result<Vec<String>, ReadError> {
        let names = |state: &berth_allocator::State| {
            state.spaces().map(|space| space.name.to_string()).collect::<Vec<_>>()
        };
        let read = self.runtime.block_on(self.replica.read(consistency, deadline, names));
        read.map(|read| read.value)
    }

    pub(crate) fn wait(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        let status = self.runtime.block_on(self.replica.status_when(soon(), wanted));
        status.unwrap_or_else(|| panic!("not so in time: {:?}", self.replica.status()))
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.runtime.block_on(self.replica.fingerprint())
    }

    /// Ends it at once: its tasks are dropped where they stand, its sockets close.
    pub(crate) fn kill(self) {
        let Self { runtime, replica } = self;
        drop(replica);
        runtime.shutdown_background();
    }
}

/// A cluster's files and its running nodes, by number from 0.
pub(crate) struct World {
    dirs: Vec<TempDir>,
    pub(crate) configs: Vec<Config>,
    pub(crate) nodes: BTreeMap<usize, Node>,
}

pub(crate) fn tuning() -> Tuning {
    Tuning { election: Duration::from_millis(400)..Duration::from_millis(800), ..Tuning::default() }
}

pub(crate) fn member(name: &str, address: &str) -> Member {
    Member { name: NodeName::new(name).unwrap(), address: address.to_owned() }
}

impl World {
    /// Starts three nodes with nothing on disk.
    pub(crate) fn new(tuning: &Tuning) -> Self {
        Self::of(&["ada", "bob", "cyd"], tuning)
    }

    /// Starts nodes of these names with nothing on disk.
    pub(crate) fn of(names: &[&str], tuning: &Tuning) -> Self {
        let members: Vec<Member> = names
            .iter()
            .zip(free_ports(names.len()))
            .map(|(name, port)| member(name, &format!("127.0.0.1:{port}")))
            .collect();
        let dirs: Vec<_> = names.iter().map(|_| tempfile::tempdir().unwrap()).collect();
        let config = |(member, dir): (&Member, &TempDir)| Config {
            secret: Some(Secret::new(b"a secret for the tests").unwrap()),
            tuning: tuning.clone(),
            ..Config::of_member(member, "test", members.clone(), dir.path().join("raft"))
        };
        let configs = members.iter().zip(&dirs).map(config).collect();
        let mut world = Self { dirs, configs, nodes: BTreeMap::new() };
        (0..names.len()).for_each(|node| world.start(node));
        world
    }

    /// A host that has nothing yet, to join as this node.
    pub(crate) fn newcomer(&mut self, name: &str) -> usize {
        let dir = tempfile::tempdir().unwrap();
        self.configs.push(Config {
            name: NodeName::new(name).unwrap(),
            members: Vec::new(),
            data_dir: dir.path().join("raft"),
            listen: format!("127.0.0.1:{}", free_ports(1)[0]),
            // The token tells it.
            secret: None,
            ..self.configs[0].clone()
        });
        self.dirs.push(dir);
        self.configs.len() - 1
    }

    /// What a node needs to join with a token of the first running node.
    pub(crate) fn join_config(&self, node: usize) -> JoinConfig {
        let config = &self.configs[node];
        self.leader();
        JoinConfig {
            token: self.any().token(None),
            name: config.name.clone(),
            data_dir: config.data_dir.clone(),
            address: config.listen.clone(),
            replace: false,
            insecure: false,
        }
    }

    /// Has a new host join, and starts it.
    pub(crate) fn join(&mut self, name: &str) -> usize {
        let node = self.newcomer(name);
        run_join(self.join_config(node)).unwrap();
        self.start(node);
        node
    }

    /// Waits until a node votes, as all running nodes know.
    pub(crate) fn voting(&self, node: usize) {
        let id = self.nodes[&node].replica.node();
        let votes = |status: &Status| status.members.iter().any(|m| m.node == id && m.voter);
        self.nodes.values().for_each(|node| drop(node.wait(votes)));
    }

    /// Has the membership changed, through the first running node.
    pub(crate) fn change(&self, change: &MemberChange) -> Result<(), MembershipError> {
        let node = self.any();
        node.runtime.block_on(node.replica.change_members(change, soon()))
    }

    /// A node's number.
    pub(crate) fn id(&self, node: usize) -> NodeId {
        self.nodes[&node].replica.node()
    }

    /// Starts a node, waiting for what is left of its last life to let go of its files.
    pub(crate) fn start(&mut self, node: usize) {
        let since = Instant::now();
        loop {
            match Node::start(self.configs[node].clone()) {
                Ok(started) => {
                    self.nodes.insert(node, started);
                    return;
                }
                Err(
                    StartError::Directory(DirectoryError::InUse { .. })
                    | StartError::Store(_)
                    | StartError::Listen { .. },
                ) if since.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => panic!("node {node} does not start: {error:?}"),
            }
        }
    }

    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes.remove(&node).unwrap().kill();
    }

    /// Ends a node, and waits until its files are closed.
    pub(crate) fn stop(&mut self, node: usize) {
        let Node { runtime, replica } = self.nodes.remove(&node).unwrap();
        drop(replica);
        runtime.shutdown_timeout(PATIENCE);
    }

    pub(crate) fn any(&self) -> &Node {
        self.nodes.values().next().unwrap()
    }

    /// Waits until a running node leads, and gives its number.
    pub(crate) fn leader(&self) -> usize {
        let ids: Vec<u64> = self.nodes.values().map(|node| node.replica.node().get()).collect();
        let leads = |status: &Status| status.leader.is_some_and(|id| ids.contains(&id.get()));
        let leader = self.any().wait(leads).leader.unwrap();
        *self.nodes.iter().find(|(_, node)| node.replica.node() == leader).unwrap().0
    }

    pub(crate) fn follower(&self) -> usize {
        let leader = self.leader();
        *self.nodes.keys().find(|node| **node != leader).unwrap()
    }

    /// Waits until all running nodes have applied the same, and checks that it is the same.
    pub(crate) fn agree(&self) -> Fingerprint {
        let since = Instant::now();
        loop {
            let prints: Vec<_> = self.nodes.values().map(Node::fingerprint).collect();
            if prints.iter().all(|print| print.applied == prints[0].applied) {
                assert!(prints.iter().all(|print| *print == prints[0]), "{prints:?}");
                return prints[0];
            }
            assert!(since.elapsed() < PATIENCE, "they do not come together: {prints:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Joins, on a runtime of its own.
pub(crate) fn run_join(config: JoinConfig) -> Result<Joined, JoinError> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(join(config, Deadline::after(Duration::from_secs(10))))
}

/// A client that numbers its commands.
pub(crate) struct Client {
    name: ClientName,
    incarnation: Incarnation,
    sequence: AtomicU64,
}

impl Client {
    /// Registers with the cluster.
    pub(crate) fn register(name: &str, node: &Node) -> Self {
        let name = ClientName::new(name).unwrap();
        let register =
            Register { instance: 1, address: Text::new("here").unwrap(), lease: Millis::new(0) };
        let envelope = Envelope {
            client: name.clone(),
            incarnation: Incarnation::new(0),
            sequence: Sequence::new(1),
            heard: Sequence::new(0),
            command: Command::Register(register),
        };
        let answer = node.propose(envelope, soon()).unwrap().answer;
        let Ok(Response::Registered(incarnation)) = answer.outcome else {
            panic!("not registered: {answer:?}");
        };
        Self { name, incarnation, sequence: AtomicU64::new(1) }
    }

    /// A new command that makes a space.
    pub(crate) fn create(&self, space: &str) -> Envelope {
        let mut settings = SpaceSettings::exclusive(None);
        settings.ranges.clear();
        self.command(Command::CreateSpace { name: SpaceName::new(space).unwrap(), settings })
    }

    /// A new command.
    pub(crate) fn command(&self, command: Command) -> Envelope {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        Envelope {
            client: self.name.clone(),
            incarnation: self.incarnation,
            sequence: Sequence::new(sequence),
            heard: Sequence::new(0),
            command,
        }
    }
}

pub(crate) fn done(answer: &Answer) -> bool {
    matches!(answer.outcome, Ok(Response::Done))
}
