//! A local ledger's files.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use berth_allocator::Response;
use berth_replication::{Fingerprint, Ledger, LedgerConfig, LedgerError, NodeName, SystemClock};

use crate::damage::copy;
use crate::{Keeper, Kept, compare, registration, sweep, times};

struct Ledgers {
    snapshot_after: u64,
}

impl Ledgers {
    async fn open(&self, dir: &Path) -> Result<Ledger, Box<dyn Error>> {
        let name = NodeName::new("host").unwrap();
        let config =
            LedgerConfig { dir: dir.to_owned(), name, snapshot_after: self.snapshot_after };
        Ok(Ledger::open(config, Arc::new(SystemClock)).await?)
    }

    /// Data of several runs: a log in tables and in the write-ahead log, and snapshots.
    #[tokio::main]
    async fn kept(&self) -> Kept {
        let (whole, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (run, commands) in [20, 0, 30, 7].into_iter().enumerate() {
            let ledger = self.open(whole.path()).await.unwrap();
            for number in 0..commands {
                register(&ledger, &format!("c{run}-{number}")).await.unwrap();
            }
            ledger.shutdown().await;
            if run == 1 {
                copy(whole.path(), older.path());
            }
        }
        let ledger = self.open(whole.path()).await.unwrap();
        register(&ledger, "last").await.unwrap();
        let fingerprint = ledger.fingerprint().await;
        ledger.shutdown().await;
        Kept { whole, older, fingerprint }
    }
}

async fn register(ledger: &Ledger, name: &str) -> Result<(), LedgerError> {
    let answer = ledger.submit(registration(name)).await?;
    assert!(matches!(answer.outcome, Ok(Response::Registered(_))), "{answer:?}");
    Ok(())
}

impl Keeper for Ledgers {
    #[tokio::main]
    async fn start(&self, dir: &Path, was: &Fingerprint) -> Result<(), Box<dyn Error>> {
        let ledger = self.open(dir).await?;
        compare(&ledger.fingerprint().await, was);
        register(&ledger, "new").await?;
        let after = ledger.fingerprint().await;
        ledger.shutdown().await;
        let again = self.open(dir).await?;
        compare(&again.fingerprint().await, &after);
        again.shutdown().await;
        Ok(())
    }
}

#[test]
fn a_damaged_ledger_stops_or_is_whole() {
    let ledgers = Ledgers { snapshot_after: 8 };
    sweep("ledger with snapshots", &ledgers, &ledgers.kept(), times(100));
}

#[test]
fn a_damaged_ledger_without_snapshots_stops_or_is_whole() {
    let ledgers = Ledgers { snapshot_after: 1_000 };
    sweep("ledger without snapshots", &ledgers, &ledgers.kept(), times(60));
}
