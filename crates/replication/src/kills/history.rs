//! What must be found: all that was acknowledged, nothing that was not asked for.
//!
//! One thread writes the log in the order in which it is asked to. So what a process finds is what its
//! predecessor found, after some first part of that one's writes; and that part goes at least as
//! far as what was acknowledged.

use std::collections::BTreeSet;

use super::found::{Found, Write};

/// What the processes of one directory have told.
#[derive(Default)]
pub(super) struct History {
    /// What the log may be: after the writes that were acknowledged, and after each one since.
    logs: Vec<Found>,
    /// Which making of the directory it is, once a process has used it.
    instance: Option<u128>,
    peers: Told,
    snapshots: Told,
    home: Told,
    commands: Told,
}

/// What was asked for, and what was acknowledged.
#[derive(Default)]
struct Told {
    asked: BTreeSet<u64>,
    done: BTreeSet<u64>,
}

impl History {
    /// Takes what one process told. An error says what it found that cannot be.
    pub(super) fn check(&mut self, lines: &[String]) -> Result<(), String> {
        if self.logs.is_empty() {
            self.logs.push(Found::default());
        }
        let mut acknowledged = 0;
        for line in lines {
            let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
            match what {
                "found" => self.finds(line.parse()?)?,
                "ask" => {
                    let write: Write = rest.parse()?;
                    let mut next = self.logs.last().expect("never empty").clone();
                    next.apply(&write);
                    self.logs.push(next);
                }
                "done" => acknowledged = acknowledged.max(number(rest)?),
                "peer" => drop(self.peers.asked.insert(number(rest)?)),
                "met" => drop(self.peers.done.insert(number(rest)?)),
                "snapshot" => drop(self.snapshots.asked.insert(number(rest)?)),
                "kept" => drop(self.snapshots.done.insert(number(rest)?)),
                "command" => drop(self.commands.asked.insert(number(rest)?)),
                "executed" => drop(self.commands.done.insert(number(rest)?)),
                "home" if rest == "asked" => drop(self.home.asked.insert(0)),
                "home" => drop(self.home.done.insert(0)),
                _ => {}
            }
        }
        // The first of them stands for no write of this process.
        let durable = usize::try_from(acknowledged).map_err(|error| error.to_string())?;
        if durable > 0 {
            self.logs.drain(..durable);
        }
        Ok(())
    }

    fn finds(&mut self, found: Found) -> Result<(), String> {
        if !self.logs.iter().any(|log| log.same_log(&found)) {
            return Err(format!(
                "found {found:?}, but one of these should be there: {:?}",
                self.logs
            ));
        }
        if self.instance.is_some_and(|instance| instance != found.instance) {
            return Err(format!(
                "the directory was {:?}, now it is {}",
                self.instance, found.instance
            ));
        }
        self.peers.compare("peer", &found.peers.iter().copied().collect())?;
        self.home.compare("cluster", &found.home.then_some(0).into_iter().collect())?;
        self.commands.compare("command", &(1..=found.ledger).collect())?;
        let newest = found.snapshot;
        let (asked, done) = (&self.snapshots.asked, self.snapshots.done.last().copied());
        if newest < done || newest.is_some_and(|newest| !asked.contains(&newest)) {
            return Err(format!("found snapshot {newest:?}, but {done:?} was acknowledged"));
        }
        self.instance = Some(found.instance);
        self.logs = vec![found];
        Ok(())
    }
}

impl Told {
    fn compare(&self, what: &str, found: &BTreeSet<u64>) -> Result<(), String> {
        if self.done.is_subset(found) && found.is_subset(&self.asked) {
            return Ok(());
        }
        let Self { asked, done } = self;
        Err(format!("found {what} {found:?}, asked for were {asked:?}, acknowledged {done:?}"))
    }
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}
