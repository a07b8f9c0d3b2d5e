//! SQLite in this process: a row for each address, the lowest free one taken. One thread writes, since
//! SQLite lets one write at a time.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;

use anyhow::{Context, Result};
use berth_node::bench::Refused;
use rusqlite::{Connection, Statement};
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
    {
        let mut add = filling.prepare("INSERT INTO address VALUES (?1, NULL)")?;
        for number in FIRST..FIRST + ADDRESSES {
            add.execute([number])?;
        }
    }
    filling.commit()?;
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let (waiting, asked) = queue(clients);
    thread::Builder::new()
        .name("sqlite".into())
        .spawn(move || serve(&database, asked, batch_max))
        .context("cannot start a thread")?;
    Ok((dir, waiting))
}

fn serve(database: &Connection, mut queue: Receiver<Asked>, batch_max: usize) {
    let mut statements = Statements::prepare(database).expect("the tables were made as here");
    let mut asked = Vec::new();
    while queue.blocking_recv_many(&mut asked, batch_max) > 0 {
        let done = statements.carry_out(&asked).inspect_err(|_| {
            // An error of its own says that there was no transaction left.
            let _ = database.execute_batch("ROLLBACK");
        });
        match done {
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

/// What is asked of the database, prepared once.
struct Statements<'a> {
    begin: Statement<'a>,
    take: Statement<'a>,
    give_back: Statement<'a>,
    commit: Statement<'a>,
}

impl<'a> Statements<'a> {
    fn prepare(database: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            begin: database.prepare("BEGIN IMMEDIATE")?,
            take: database.prepare(TAKE)?,
            give_back: database.prepare(GIVE_BACK)?,
            commit: database.prepare("COMMIT")?,
        })
    }

    /// Carries all out in one transaction.
    fn carry_out(&mut self, asked: &[Asked]) -> Result<Vec<IpAddr>> {
        self.begin.execute([])?;
        let mut done = Vec::new();
        for one in asked {
            done.push(match one {
                Asked::Request(_) => {
                    let number: u32 = self.take.query_row(["client"], |row| row.get(0))?;
                    Ipv4Addr::from_bits(number).into()
                }
                Asked::Release(address, _) => {
                    let IpAddr::V4(v4) = address else { anyhow::bail!("not of the pool") };
                    self.give_back.execute([v4.to_bits()])?;
                    *address
                }
            });
        }
        self.commit.execute([])?;
        Ok(done)
    }
}
