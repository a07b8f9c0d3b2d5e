//! Hosts for the cases: the driver on a ledger and a realm that nobody else uses.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use berth_allocator::{
    ClientName, Command, PoolRange, Prefix, Response, SpaceName, SpaceSettings, State, Text,
};
use berth_node::docker::{Driver, DriverConfig};
use berth_node::sender::{Sender, Target};
use berth_replication::{
    Config, Consistency, Deadline, Ledger, LedgerConfig, Member, NodeName, Replica, SystemClock,
};
use berth_tests::{LOCAL, PATIENCE, free_ports};
use ipamapi::PoolId;
use ipamapi::conformance::{Setup, Subject, Usage};
use tempfile::TempDir;

/// A cluster of one node, in this process.
pub(crate) struct Cluster {
    replica: Replica,
    hosts: AtomicU64,
    _dir: TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let dir = scratch();
        let address = format!("127.0.0.1:{}", free_ports(1)[0]);
        let member = Member { name: NodeName::new("n1").unwrap(), address };
        let data_dir = dir.path().join("raft");
        let config = Config::of_member(&member, "conformance", vec![member.clone()], data_dir);
        let replica = Replica::start(config, Arc::new(SystemClock)).await.unwrap();
        replica.status_when(soon(), |status| status.leader.is_some()).await.unwrap();
        Self { replica, hosts: AtomicU64::new(0), _dir: dir }
    }

    /// A host whose engine has met nobody yet.
    pub(crate) async fn host(&self, setup: Setup) -> Subject {
        let number = self.hosts.fetch_add(1, Ordering::Relaxed);
        let dir = scratch();
        let ledger = Arc::new(open_ledger(dir.path()).await);
        let client = ClientName::new(format!("host-{number}")).unwrap();
        let address = Text::new("here").unwrap();
        let local = SpaceName::new(LOCAL).unwrap();
        let global = SpaceName::new(format!("GlobalDefault@{number}")).unwrap();

        let targets = [Target::Ledger(Arc::clone(&ledger)), Target::Replica(self.replica.clone())];
        let spaces = [(local.clone(), local_settings(setup)), (global.clone(), global_settings())];
        for (target, (name, settings)) in targets.clone().into_iter().zip(spaces) {
            let maker = ClientName::new(format!("api@host-{number}")).unwrap();
            let maker = Sender::new(target, maker, address.clone());
            let made = maker.submit(Command::CreateSpace { name, settings }, soon()).await;
            assert_eq!(made, Ok(Response::Done));
        }
        let sender = |target: &Target| Sender::new(target.clone(), client.clone(), address.clone());
        let driver = Driver::new(DriverConfig {
            global: sender(&targets[1]),
            local: sender(&targets[0]),
            local_space: local.clone(),
            global_space: global.clone(),
            data_dir: dir.path().to_owned(),
            docker_socket: None,
            observer: None,
        });
        let usage = Holdings { ledger, replica: self.replica.clone(), local, global };
        Subject::new(Arc::new(driver.unwrap())).with_usage(Arc::new(usage)).keeping(dir)
    }
}

/// In memory where there is such a place: the cases make tens of thousands of commits, and are about
/// answers.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(place).unwrap()
}

fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

async fn open_ledger(dir: &Path) -> Ledger {
    const SNAPSHOT_AFTER: u64 = 10_000;
    let config = LedgerConfig {
        dir: dir.join("local"),
        name: NodeName::new("n1").unwrap(),
        snapshot_after: SNAPSHOT_AFTER,
    };
    Ledger::open(config, Arc::new(SystemClock)).await.unwrap()
}

fn v6() -> Prefix {
    Prefix::truncated("fd00:1::/48".parse().unwrap())
}

fn local_settings(setup: Setup) -> SpaceSettings {
    let mut settings = SpaceSettings::local(Some(v6()));
    if !setup.ranges.is_empty() {
        let range = |(base, length)| PoolRange { base, length };
        settings.ranges = setup.ranges.into_iter().map(range).collect();
    }
    settings
}

/// The realms are strangers to each other: none keeps clear of what another one's case left.
fn global_settings() -> SpaceSettings {
    SpaceSettings { apart: false, ..SpaceSettings::exclusive(Some(v6())) }
}

/// What a host's two spaces hold.
struct Holdings {
    ledger: Arc<Ledger>,
    replica: Replica,
    local: SpaceName,
    global: SpaceName,
}

impl Holdings {
    async fn look<T>(&self, space: &SpaceName, look: impl FnOnce(&State) -> T) -> T {
        if *space == self.local {
            return self.ledger.read(look);
        }
        self.replica.read(Consistency::Linearizable, soon(), look).await.unwrap().value
    }
}

#[async_trait]
impl Usage for Holdings {
    async fn addresses_in_use(&self, pool_id: &PoolId) -> u128 {
        let id: berth_allocator::PoolId = pool_id.as_str().parse().unwrap();
        let usage = self.look(&id.space, |state| state.pool(&id).unwrap().usage).await;
        usage.size - usage.free()
    }

    async fn claims(&self) -> u64 {
        let mut claims = 0;
        for name in [&self.local, &self.global] {
            let space = self.look(name, |state| state.space(name).unwrap()).await;
            claims += space.pools + space.addresses;
        }
        claims
    }
}
