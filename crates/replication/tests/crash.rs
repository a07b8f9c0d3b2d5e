//! A process that dies: by SIGKILL at any moment, or because its disk refuses a write.
//!
//! The test runs itself as the process that dies. That one prints what was acknowledged to it; what
//! it printed must be there afterwards.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "the child reports to its parent that way")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;

use berth_allocator::{
    ClientName, Command, Envelope, Incarnation, Millis, Register, Response, Sequence, SpaceName,
    SpaceSettings, Text,
};
use berth_replication::{Ledger, LedgerConfig, LedgerError, NodeName, SystemClock};

/// Tells the child where to write, and which commands.
const DIR: &str = "BERTH_TEST_DIR";
const FIRST: &str = "BERTH_TEST_FIRST";
const COUNT: &str = "BERTH_TEST_COUNT";

async fn open(dir: &Path) -> Ledger {
    let name = NodeName::new("host").unwrap();
    let config = LedgerConfig { dir: dir.to_owned(), name, snapshot_after: 7 };
    Ledger::open(config, Arc::new(SystemClock)).await.unwrap()
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

async fn create(ledger: &Ledger, incarnation: Incarnation, number: u64) -> Result<(), LedgerError> {
    let mut settings = SpaceSettings::exclusive(None);
    settings.ranges.clear();
    let name = SpaceName::new(format!("s{number}")).unwrap();
    let command = Command::CreateSpace { name, settings };
    let answer = ledger.submit(envelope(incarnation, number, command)).await?;
    assert_eq!(answer.outcome, Ok(Response::Done));
    Ok(())
}

/// Executes commands, and prints the number of each that was acknowledged.
#[tokio::main]
async fn child(dir: &str) {
    let [first, count] =
        [FIRST, COUNT].map(|name| std::env::var(name).unwrap().parse::<u64>().unwrap());
    let ledger = open(Path::new(dir)).await;
    let command = Command::Register(Register {
        instance: 1,
        address: Text::new("here").unwrap(),
        lease: Millis::new(0),
    });
    let answer = ledger.submit(envelope(Incarnation::new(0), 1, command)).await.unwrap();
    let Ok(Response::Registered(incarnation)) = answer.outcome else { panic!("{answer:?}") };
    let calls = (first..first + count).map(|number| {
        let ledger = &ledger;
        async move {
            match create(ledger, incarnation, number).await {
                Ok(()) => println!("acknowledged {number}"),
                Err(error) => {
                    assert!(matches!(error, LedgerError::Failed(_)), "{error}");
                    assert!(ledger.fatal().error().is_some());
                    println!("failed {error}");
                }
            }
        }
    });
    // A few at a time, so that there are many entries.
    futures::StreamExt::collect::<()>(futures::StreamExt::buffer_unordered(
        futures::stream::iter(calls),
        3,
    ))
    .await;
}

fn start(test: &str, limit: &str, dir: &Path, first: u64, count: u64) -> Child {
    let exe = std::env::current_exe().unwrap();
    // An ignored SIGXFSZ makes a file that would grow beyond the limit fail like a full disk.
    let script = format!("trap '' XFSZ; {limit} exec \"$0\" --exact {test} --nocapture");
    Process::new("bash")
        .args(["-c", &script])
        .arg(exe)
        .env(DIR, dir)
        .env(FIRST, first.to_string())
        .env(COUNT, count.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn acknowledged(line: &str) -> Option<String> {
    Some(format!("s{}", line.split_once("acknowledged ")?.1))
}

#[tokio::main]
async fn present(dir: &Path) -> BTreeSet<String> {
    let ledger = open(dir).await;
    let names = ledger.read(|state| state.spaces().map(|space| space.name.to_string()).collect());
    ledger.shutdown().await;
    names
}

#[test]
fn what_was_acknowledged_survives_sigkill() {
    if let Ok(dir) = std::env::var(DIR) {
        return child(&dir);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut known = BTreeSet::new();
    for round in 0..12_u64 {
        let test = "what_was_acknowledged_survives_sigkill";
        let mut child = start(test, "", dir.path(), 1 + round * 60, 60);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Another moment in each round.
        let wanted = usize::try_from(1 + round * 5).unwrap();
        let before: Vec<_> =
            lines.by_ref().filter_map(|line| acknowledged(&line.unwrap())).take(wanted).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(before.len(), wanted, "the child ended by itself");
        known.extend(before);
        known.extend(lines.filter_map(|line| acknowledged(&line.unwrap())));
        let present = present(dir.path());
        assert!(known.is_subset(&present), "lost: {:?}", known.difference(&present));
    }
}

#[test]
fn a_refused_write_ends_the_ledger_and_loses_nothing() {
    if let Ok(dir) = std::env::var(DIR) {
        return child(&dir);
    }
    let dir = tempfile::tempdir().unwrap();
    let test = "a_refused_write_ends_the_ledger_and_loses_nothing";
    let mut child = start(test, "ulimit -f 48;", dir.path(), 1, 1_000);
    let lines: Vec<String> =
        BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success(), "{lines:?}");
    let known: BTreeSet<_> = lines.iter().filter_map(|line| acknowledged(line)).collect();
    let failed = lines.iter().filter(|line| line.contains("failed ")).count();
    assert!(!known.is_empty(), "{lines:?}");
    assert!(failed > 0, "{lines:?}");
    // The first failure was the last write.
    let first_failure = lines.iter().position(|line| line.contains("failed ")).unwrap();
    assert!(lines[first_failure..].iter().all(|line| acknowledged(line).is_none()), "{lines:?}");
    let present = present(dir.path());
    assert!(known.is_subset(&present), "lost: {:?}", known.difference(&present));
}
