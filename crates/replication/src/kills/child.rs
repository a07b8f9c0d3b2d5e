//! The process that dies: it works on a replica's files as Raft's library would, and tells each step.

use std::error::Error;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use berth_allocator::{
    Batch, ClientName, Command, Envelope, Incarnation, Millis, Register, Sequence, State, Text,
    Timestamp,
};
use openraft::storage::{IOFlushed, RaftLogStorage, RaftStateMachine};
use openraft::type_config::TypeConfigExt;
use openraft::{EntryPayload, RaftLogReader, RaftSnapshotBuilder};

use super::found::{self, Found};
use super::{PLAN, SEED};
use crate::directory::DataDirectory;
use crate::machine::{self, StateMachine};
use crate::raft::{
    Entry, LogId, LogPosition, MembershipRecord, Proposal, Snapshot, TypeConfig, Vote,
};
use crate::rocks::RaftLog;
use crate::servers::Home;
use crate::snapshot::SnapshotStore;
use crate::{ClusterId, Fatal, Ledger, LedgerConfig, NodeId, NodeName, SystemClock};

const CLUSTER: ClusterId = ClusterId::new([1; 16]);
/// Steps of a life that nothing ends.
const STEPS: u64 = 70;
/// How long a delay takes: SIGKILL may come meanwhile.
const DELAY: Duration = Duration::from_millis(30);

/// Places whose refusal the store itself latches.
const LATCHES: [&str; 9] = [
    "round",
    "witness.",
    "callback",
    "entry",
    "cut",
    "snapshot-write",
    "snapshot-rename",
    "snapshot-sync",
    "snapshot-remove",
];

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Tells the parent: a write to a pipe outlives this process.
fn tell(line: impl Display) {
    println!("{line}");
}

/// Lives until the plan ends it, or all steps were taken.
#[tokio::main]
pub(super) async fn run(dir: &Path) {
    // What the test harness has begun to say on this line.
    println!();
    let plan = Plan::new(&std::env::var(PLAN).unwrap());
    plan.arm();
    let fatal = Fatal::new();
    match live(dir, &plan, &fatal).await {
        Ok(()) => tell("lived"),
        Err(error) => {
            let told = chain(&*error);
            if let Some(place) =
                plan.place.filter(|place| told.contains(&format!("failpoint {place}")))
            {
                tell(format!("struck {place}"));
            }
            tell(format!("failed {told}"));
        }
    }
    // As the node does: nothing is cleaned up behind a failed write.
    std::process::exit(0);
}

fn chain(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

/// What is to happen at a failpoint.
struct Plan {
    action: String,
    place: Option<&'static str>,
    skip: u64,
}

impl Plan {
    fn new(plan: &str) -> Self {
        let mut words = plan.split(' ');
        let action = words.next().unwrap_or_default().to_owned();
        let place = words.next();
        let place = super::PLACES.into_iter().find(|known| Some(*known) == place);
        let skip = words.next().map_or(0, |skip| skip.parse().unwrap());
        Self { action, place, skip }
    }

    fn arm(&self) {
        let Some(place) = self.place else { return };
        if self.action == "refuse" {
            let skipped =
                if self.skip > 0 { format!("{}*off->", self.skip) } else { String::new() };
            fail::cfg(place, &format!("{skipped}1*return")).unwrap();
            return;
        }
        let (left, abort) = (AtomicU64::new(self.skip), self.action == "abort");
        let strike = move || {
            let skipped =
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            if skipped.is_err() {
                tell(format!("struck {place}"));
                if abort {
                    std::process::abort();
                }
                std::thread::sleep(DELAY);
            }
        };
        fail::cfg_callback(place, strike).unwrap();
    }

    fn disarm(&self) {
        if let Some(place) = self.place {
            fail::remove(place);
        }
    }
}

/// Random numbers that a seed repeats (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// The batch of an entry: any node would have it there.
fn batch(index: u64) -> Batch {
    let register = Register {
        instance: u128::from(index),
        address: Text::new("here").unwrap(),
        lease: Millis::new(0),
    };
    let envelope = Envelope {
        client: ClientName::new(format!("c{}", index % 40)).unwrap(),
        incarnation: Incarnation::new(0),
        sequence: Sequence::new(1),
        heard: Sequence::new(0),
        command: Command::Register(register),
    };
    Batch { at: Timestamp::new(index), commands: vec![envelope] }
}

/// The state after all entries up to an index.
fn state_at(index: u64) -> State {
    let mut state = State::new();
    for index in 0..=index {
        state.apply(&batch(index));
    }
    state
}

fn id(term: u64, index: u64) -> LogId {
    LogId::from(LogPosition { term, leader: 1, index })
}

async fn live(dir: &Path, plan: &Plan, fatal: &Fatal) -> Result<()> {
    let name = NodeName::new("ada").unwrap();
    let directory = DataDirectory::open(dir, &name, Some((CLUSTER, NodeId::new(1))), None)?;
    let log = RaftLog::open(dir, fatal)?;
    let needed = log.purged().map(|purged| purged.index());
    let (snapshots, loaded) = SnapshotStore::open(&dir.join("snapshots"), CLUSTER, needed)?;
    let snapshots = Arc::new(snapshots);
    let machine = StateMachine::new(loaded, Arc::clone(&snapshots), fatal.clone())?;
    let home = Home::open(&dir.join("servers")).map_err(|(_, error)| error)?;
    let config = LedgerConfig { dir: dir.join("ledger"), name, snapshot_after: 3 };
    let ledger = Ledger::open(config, Arc::new(SystemClock)).await?;
    let mut node = Node {
        plan,
        fatal,
        directory,
        log,
        snapshots,
        machine,
        home,
        ledger,
        found: Found::default(),
        write: 0,
    };
    node.look().await?;
    tell(&node.found);
    let mut dice = Dice(std::env::var(SEED).unwrap().parse().unwrap());
    if plan.action == "end" {
        return Ok(());
    }
    for step in 0..STEPS {
        if let Err(error) = node.step(&mut dice, step).await {
            node.must_have_stopped(&*error).await;
            return Err(error);
        }
    }
    // What failed beside a step that nobody waited for.
    let (fatal, ledger) = (fatal.error(), node.ledger.fatal().error());
    fatal.or(ledger).map_or(Ok(()), |fatal| Err(fatal.into()))
}

struct Node<'a> {
    plan: &'a Plan,
    fatal: &'a Fatal,
    directory: DataDirectory,
    log: RaftLog,
    snapshots: Arc<SnapshotStore>,
    machine: StateMachine,
    home: Home,
    ledger: Ledger,
    /// What is there, as far as this process knows.
    found: Found,
    /// Writes to the log that were begun.
    write: u64,
}

impl Node<'_> {
    /// Reads all that was kept, and brings the state up to the committed position.
    async fn look(&mut self) -> Result<()> {
        let mut reader = self.log.get_log_reader().await;
        self.found.instance = self.directory.instance();
        self.found.peers = self.directory.peers();
        self.found.home = self.home.cluster().is_some();
        self.found.ledger = self.ledger.read(|state| state.revision().get());
        self.found.vote = reader.read_vote().await?.map_or(0, |vote| vote.leader_id.term);
        self.found.purged = self.log.purged().map(|purged| purged.index());
        self.found.committed = self.log.read_committed().await?.map(|id| id.index());
        for entry in reader.try_get_log_entries(..).await? {
            self.found.log.insert(entry.log_id.index(), entry.log_id.committed_leader_id().term);
        }
        self.found.snapshot = self.snapshots.current().and_then(|file| file.header.index());
        self.apply().await
    }

    /// Applies what is committed, and compares the state with what it must be.
    async fn apply(&mut self) -> Result<()> {
        let applied = self.machine.applied_state().await?.0.map(|id| id.index());
        if let Some(committed) = self.found.committed.filter(|index| Some(*index) > applied) {
            let from = applied.map_or(0, |applied| applied + 1);
            let entries =
                self.log.get_log_reader().await.try_get_log_entries(from..=committed).await?;
            assert_eq!(entries.len() as u64, committed + 1 - from, "committed entries are there");
            let entries = entries.into_iter().map(|entry| Ok((entry, None)));
            self.machine.apply(futures::stream::iter(entries)).await?;
        }
        if let Some(index) = self.machine.applied_state().await?.0.map(|id| id.index()) {
            let fingerprint = self.machine.applied().read(State::fingerprint).0;
            assert_eq!(fingerprint, state_at(index).fingerprint(), "the state at {index}");
        }
        Ok(())
    }

    async fn step(&mut self, dice: &mut Dice, step: u64) -> Result<()> {
        match dice.below(18) {
            0 | 1 => self.vote().await,
            2 => self.truncate(dice).await,
            3..=5 => self.commit(dice).await,
            6 | 7 => self.snapshot().await,
            8 => self.install().await,
            9 | 10 => self.purge(dice).await,
            11 => self.meet(step),
            12 | 13 => self.execute().await,
            _ => self.append(dice).await,
        }
    }

    /// Tells a write to the log before it is begun; gives its number.
    fn ask(&mut self, write: &found::Write) -> u64 {
        self.write += 1;
        self.found.apply(write);
        tell(format!("ask {write}"));
        self.write
    }

    async fn vote(&mut self) -> Result<()> {
        let term = self.found.vote + 1;
        let number = self.ask(&found::Write::Vote(term));
        self.log.save_vote(&Vote::new(term, 1)).await?;
        tell(format!("done {number}"));
        Ok(())
    }

    async fn append(&mut self, dice: &mut Dice) -> Result<()> {
        let (first, term) = (self.found.end(), self.found.vote);
        let count = 1 + dice.below(4);
        let number = self.ask(&found::Write::Append { first, count, term });
        let entries = (first..first + count).map(|index| Entry {
            log_id: id(term, index),
            payload: EntryPayload::Normal(Proposal::new(batch(index)).unwrap()),
        });
        let (done, synced) = TypeConfig::oneshot();
        self.log.append(entries, IOFlushed::signal(done)).await?;
        let told = async move {
            synced.await??;
            tell(format!("done {number}"));
            Ok(())
        };
        // Raft does not wait either.
        if dice.below(3) == 0 {
            tokio::spawn(async move { told.await as Result<()> });
            return Ok(());
        }
        told.await
    }

    async fn truncate(&mut self, dice: &mut Dice) -> Result<()> {
        let committed = self.found.committed.max(self.found.purged).map_or(0, |index| index + 1);
        let Some(uncommitted) = self.found.end().checked_sub(committed).filter(|left| *left > 0)
        else {
            return Ok(());
        };
        let Some(last) = (committed + dice.below(uncommitted)).checked_sub(1) else {
            return Ok(());
        };
        let Some(term) = self.found.log.get(&last) else { return Ok(()) };
        let last_id = id(*term, last);
        let number = self.ask(&found::Write::Truncate(last));
        self.log.truncate_after(Some(last_id)).await?;
        tell(format!("done {number}"));
        Ok(())
    }

    async fn commit(&mut self, dice: &mut Dice) -> Result<()> {
        let Some((&last, _)) = self.found.log.last_key_value() else { return Ok(()) };
        let first = self.found.committed.max(self.found.purged).map_or(0, |index| index + 1);
        if first > last {
            return Ok(());
        }
        let index = first + dice.below(last - first + 1);
        let committed = id(self.found.log[&index], index);
        self.ask(&found::Write::Committed(index));
        self.log.save_committed(Some(committed)).await?;
        self.apply().await
    }

    async fn snapshot(&mut self) -> Result<()> {
        let Some(last) = self.machine.applied_state().await?.0 else { return Ok(()) };
        if self.found.snapshot >= Some(last.index()) {
            return Ok(());
        }
        tell(format!("snapshot {}", last.index()));
        self.machine.get_snapshot_builder().await.build_snapshot().await?;
        self.found.snapshot = Some(last.index());
        tell(format!("kept {}", last.index()));
        Ok(())
    }

    /// Receives and installs a snapshot of another node that is ahead of this one.
    async fn install(&mut self) -> Result<()> {
        let index = self.found.end() + 5;
        let bytes = self.others(index)?;
        tell(format!("snapshot {index}"));
        let mut incoming = self.snapshots.receive(bytes.len() as u64)?;
        for piece in bytes.chunks(bytes.len() / 3 + 1) {
            incoming.append(piece)?;
        }
        incoming.sync()?;
        let snapshot = incoming.open()?;
        let meta = machine::meta(snapshot.header.clone())?;
        let snapshot = Snapshot { meta, snapshot };
        self.machine.install_snapshot(&snapshot.meta, snapshot.snapshot).await?;
        drop(incoming);
        self.found.snapshot = Some(index);
        tell(format!("kept {index}"));
        self.purge_to(index).await
    }

    /// The bytes of a snapshot that another node has.
    fn others(&self, index: u64) -> Result<Vec<u8>> {
        self.plan.disarm();
        let dir = tempfile::tempdir()?;
        let (store, _) = SnapshotStore::open(dir.path(), CLUSTER, None)?;
        let last = LogPosition { term: self.found.vote, leader: 1, index };
        let file = store.write(Some(last), MembershipRecord::default(), &state_at(index))?;
        let bytes = file.read(0, usize::MAX)?;
        self.plan.arm();
        Ok(bytes)
    }

    async fn purge(&mut self, dice: &mut Dice) -> Result<()> {
        let first = self.found.purged.map_or(0, |purged| purged + 1);
        match self.found.snapshot.filter(|snapshot| *snapshot >= first) {
            Some(snapshot) => self.purge_to(first + dice.below(snapshot - first + 1)).await,
            None => Ok(()),
        }
    }

    async fn purge_to(&mut self, index: u64) -> Result<()> {
        let term = self.found.log.get(&index).copied().unwrap_or(self.found.vote);
        self.ask(&found::Write::Purge(index));
        self.log.purge(id(term, index)).await?;
        Ok(())
    }

    /// Meets a peer, and a cluster for the first time.
    fn meet(&mut self, step: u64) -> Result<()> {
        if self.home.cluster().is_none() {
            tell("home asked");
            self.home.meet(CLUSTER)?;
            tell("home met");
        }
        let peer = self.found.peers.len() as u64 + 2 + step / STEPS;
        tell(format!("peer {peer}"));
        self.directory.meet(NodeId::new(peer), 7)?.expect("it was not met before");
        self.found.peers.push(peer);
        tell(format!("met {peer}"));
        Ok(())
    }

    /// Has the local ledger execute a command.
    async fn execute(&mut self) -> Result<()> {
        let number = self.found.ledger + 1;
        self.found.ledger = number;
        tell(format!("command {number}"));
        let envelope = batch(number).commands.remove(0);
        self.ledger.submit(envelope).await?;
        tell(format!("executed {number}"));
        Ok(())
    }

    /// After a failed write there is no other one. What is refused around a write, Raft's library or
    /// its peer is told, and stops the node.
    async fn must_have_stopped(&mut self, error: &(dyn Error + Send + Sync)) {
        self.plan.disarm();
        let place = self.plan.place.unwrap_or_default();
        let (log, ledger) = (self.fatal.error().is_some(), self.ledger.fatal().error().is_some());
        let latches = LATCHES.iter().any(|latches| place.starts_with(latches));
        assert!(!latches || log || ledger, "not latched: {}", chain(error));
        if log {
            let again = self.log.save_vote(&Vote::new(self.found.vote + 1, 1)).await;
            assert!(again.is_err(), "a vote was saved after {}", chain(error));
        }
        if ledger {
            let again = self.ledger.submit(batch(0).commands.remove(0)).await;
            assert!(again.is_err(), "a command was executed after {}", chain(error));
        }
    }
}
