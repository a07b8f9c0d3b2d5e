//! SQLite in this process: a row for each address, the lowest free one taken. One thread writes, since
//! SQLite lets one write at a time.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;

use anyhow::{Context, Result};
use berth_node::bench::Refused;
use rusqlite::{Connection, TransactionBehavior, params};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

use crate::batches::{Answer, Asked, Waiting, queue};

/// 10.0.0.0, and how many addresses there are from there: more than any run takes.
const FIRST: u32 = 10 << 24;
const ADDRESSES: u32 = 1 << 20;

/// The log is written ahead, and synced with every commit.
const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -262144;
    CREATE TABLE address (number INTEGER PRIMARY KEY, owner TEXT);
    CREATE INDEX free ON address (number) WHERE owner IS NULL;";
const TAKE: &str = "
    UPDATE address SET owner = ?1 WHERE number = (
        SELECT number FROM address WHERE owner IS NULL ORDER BY number LIMIT 1
    ) RETURNING number";
const GIVE_BACK: &str = "UPDATE address SET owner = NULL WHERE number = ?1";

/// Clients of a fresh database, of whose requests so many share a transaction at most. The directory is
/// the database's.
pub(crate) fn clients(clients: usize, batch_max: usize) -> Result<(TempDir, Vec<Waiting>)> {
    let dir = tempfile::Builder::new().prefix("sqlite-").tempdir()?;
    let mut database = Connection::open(dir.path().join("addresses"))?;
    database.execute_batch(SCHEMA)?;
    let filling = database.transaction()?;
    for number in FIRST..FIRST + ADDRESSES {
        filling.prepare_cached("INSERT INTO address VALUES (?1, NULL)")?.execute([number])?;
    }
    filling.commit()?;
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let (waiting, asked) = queue(clients);
    thread::Builder::new()
        .name("sqlite".into())
        .spawn(move || serve(&mut database, asked, batch_max))
        .context("cannot start a thread")?;
    Ok((dir, waiting))
}

fn serve(database: &mut Connection, mut queue: Receiver<Asked>, batch_max: usize) {
    let mut asked = Vec::new();
    while queue.blocking_recv_many(&mut asked, batch_max) > 0 {
        match carry_out(database, &asked) {
            Ok(done) => {
                for (one, done) in asked.drain(..).zip(done) {
                    let _ = answer(one).send(Ok(done));
                }
            }
            Err(error) => {
                for one in asked.drain(..) {
                    let _ = answer(one).send(Err(Refused::because(&error)));
                }
            }
        }
    }
}

fn answer(asked: Asked) -> Answer {
    match asked {
        Asked::Request(answer) | Asked::Release(_, answer) => answer,
    }
}

/// Carries all out in one transaction.
fn carry_out(database: &mut Connection, asked: &[Asked]) -> Result<Vec<IpAddr>> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut done = Vec::new();
    {
        let mut take = transaction.prepare_cached(TAKE)?;
        let mut give_back = transaction.prepare_cached(GIVE_BACK)?;
        for one in asked {
            done.push(match one {
                Asked::Request(_) => {
                    let number: u32 = take.query_row(params!["client"], |row| row.get(0))?;
                    Ipv4Addr::from_bits(number).into()
                }
                Asked::Release(address, _) => {
                    let IpAddr::V4(v4) = address else { anyhow::bail!("not of the pool") };
                    give_back.execute([v4.to_bits()])?;
                    *address
                }
            });
        }
    }
    transaction.commit()?;
    Ok(done)
}
