//! The local ledger, on real files.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use berth_allocator::{
    ClientName, Command, Envelope, Incarnation, Millis, Register, Response, Sequence, SpaceName,
    SpaceSettings, Text,
};
use berth_replication::{
    DirectoryError, Ledger, LedgerConfig, LedgerStartError, NodeName, StoreError, SystemClock,
};

fn config(dir: &Path, snapshot_after: u64) -> LedgerConfig {
    LedgerConfig { dir: dir.join("ledger"), name: NodeName::new("host").unwrap(), snapshot_after }
}

async fn open(dir: &Path, snapshot_after: u64) -> Ledger {
    Ledger::open(config(dir, snapshot_after), Arc::new(SystemClock)).await.unwrap()
}

fn envelope(incarnation: Incarnation, sequence: u64, command: Command) -> Envelope {
    Envelope {
        client: ClientName::new("c").unwrap(),
        incarnation,
        sequence: Sequence::new(sequence),
        heard: Sequence::new(0),
        command,
    }
}

async fn register(ledger: &Ledger) -> Incarnation {
    let command = Command::Register(Register {
        instance: 1,
        address: Text::new("here").unwrap(),
        lease: Millis::new(0),
    });
    let answer = ledger.submit(envelope(Incarnation::new(0), 1, command)).await.unwrap();
    let Ok(Response::Registered(incarnation)) = answer.outcome else { panic!("{answer:?}") };
    incarnation
}

fn create(incarnation: Incarnation, number: u64) -> Envelope {
    let mut settings = SpaceSettings::exclusive(None);
    settings.ranges.clear();
    let name = SpaceName::new(format!("s{number}")).unwrap();
    envelope(incarnation, number, Command::CreateSpace { name, settings })
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_wait_together_share_syncs_and_survive() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), 1_000).await;
    let incarnation = register(&ledger).await;
    let calls = (1..=600).map(|number| ledger.submit(create(incarnation, number)));
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap().outcome, Ok(Response::Done));
    }
    let entries = ledger.status().last.get();
    assert!(entries < 100, "600 commands took {entries} entries");
    let print = ledger.fingerprint().await;
    drop(ledger);
    // It may take a moment until the dropped one let go.
    let ledger = loop {
        match Ledger::open(config(dir.path(), 1_000), Arc::new(SystemClock)).await {
            Ok(ledger) => break ledger,
            Err(LedgerStartError::Directory(DirectoryError::InUse { .. })) => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(ledger.fingerprint().await, print);
    assert_eq!(ledger.read(|state| state.spaces().count()), 600);
    // What was answered is answered the same way.
    let again = ledger.submit(create(incarnation, 7)).await.unwrap();
    assert_eq!(again.outcome, Ok(Response::Done));
    assert_eq!(ledger.read(|state| state.spaces().count()), 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_cut_behind_snapshots() {
    let dir = tempfile::tempdir().unwrap();
    for life in 0..3 {
        let ledger = open(dir.path(), 10).await;
        let incarnation = register(&ledger).await;
        for number in 1..=35 {
            ledger.submit(create(incarnation, life * 35 + number)).await.unwrap();
        }
        ledger.shutdown().await;
        let status = ledger.status();
        assert!(status.snapshot.get() + 25 > status.last.get(), "{status:?}");
        let print = ledger.fingerprint().await;
        let ledger = open(dir.path(), 10).await;
        assert_eq!(ledger.fingerprint().await, print);
        ledger.shutdown().await;
        let kept = files(&dir.path().join("ledger/snapshots"));
        assert_eq!(kept.len(), 2, "{kept:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_ledger_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), 1_000).await;
    let incarnation = register(&ledger).await;
    for number in 1..=20 {
        ledger.submit(create(incarnation, number)).await.unwrap();
    }
    ledger.shutdown().await;
    let is_log = |path: &PathBuf| path.extension() == Some(OsStr::new("log"));
    let wal = files(&dir.path().join("ledger/log")).into_iter().filter(is_log).max().unwrap();
    let whole = fs::read(&wal).unwrap();
    for place in (0..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x55;
        fs::write(&wal, damaged).unwrap();
        let error = Ledger::open(config(dir.path(), 1_000), Arc::new(SystemClock)).await.err();
        let error = error.unwrap_or_else(|| panic!("byte {place} of {}", whole.len()));
        let refused = matches!(
            error,
            LedgerStartError::Store(StoreError::Open { .. } | StoreError::Shortened { .. })
        );
        assert!(refused, "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path(), 1_000).await;
    let clock = Arc::new(SystemClock);
    let error = Ledger::open(config(dir.path(), 1_000), clock.clone()).await.err().unwrap();
    assert!(matches!(error, LedgerStartError::Directory(DirectoryError::InUse { .. })), "{error}");
    ledger.shutdown().await;
    let other = LedgerConfig { name: NodeName::new("other").unwrap(), ..config(dir.path(), 1) };
    let error = Ledger::open(other, clock).await.err().unwrap();
    assert!(
        matches!(error, LedgerStartError::Directory(DirectoryError::Foreign { .. })),
        "{error}"
    );
    let ledger_after = ledger.submit(create(Incarnation::new(0), 1)).await;
    assert!(ledger_after.is_err());
}
