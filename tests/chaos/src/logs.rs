//! The committed log, gathered from the nodes' disks while they run: what one purges, another or an
//! earlier look has.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use berth_checkers::Entry;
use berth_replication::{CommittedEntry, LogIndex, committed_entries};
use tokio::time::sleep;

use crate::hosts::Host;

/// The log as far as it is known.
#[derive(Default)]
pub struct Logs(Mutex<Known>);

#[derive(Default)]
struct Known {
    entries: BTreeMap<u64, CommittedEntry>,
    /// Entries that two nodes took for committed, and that are not the same.
    different: Vec<String>,
}

impl Logs {
    /// Looks at one node after the other, for ever. `every` such time, which for all nodes together is less
    /// than a node takes to write and purge as many entries as it keeps.
    pub async fn gather(self: Arc<Self>, hosts: Vec<Host>, every: Duration) {
        let nodes: Vec<Host> = hosts.into_iter().filter(|host| host.is_node).collect();
        for node in nodes.iter().cycle() {
            self.look(node).await;
            sleep(every).await;
        }
    }

    /// Looks at one node. What cannot be read now is read later.
    pub async fn look(self: &Arc<Self>, node: &Host) {
        let (logs, dir, name) =
            (Arc::clone(self), node.data.clone().join("raft"), node.name.clone());
        let looking = tokio::task::spawn_blocking(move || {
            let from = logs.known().from();
            if let Ok(entries) = committed_entries(&dir, from) {
                logs.known().add(&name, entries);
            }
        });
        // A look that panics is one that saw nothing: the hole will show.
        let _ = looking.await;
    }

    /// The entries that hold commands, in order; or what is wrong with what was found.
    pub fn whole(&self, last: u64) -> Result<Vec<Entry>, String> {
        let known = self.known();
        if let Some(different) = known.different.first() {
            return Err(different.clone());
        }
        let mut expected = known.entries.keys().next().copied().unwrap_or_default();
        if expected > 1 {
            return Err(format!("the log begins at {expected}: what was before it was purged"));
        }
        for index in known.entries.keys() {
            if *index != expected {
                return Err(format!("entry {expected} was purged before anybody looked"));
            }
            expected += 1;
        }
        if expected <= last {
            return Err(format!("the log ends before {expected}, nodes applied {last}"));
        }
        let commands = known.entries.iter().filter_map(|(index, entry)| {
            Some(Entry { index: *index, batch: entry.batch.clone()? })
        });
        Ok(commands.collect())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// From where on a node is asked: some entries again, so that nodes are compared.
    fn from(&self) -> LogIndex {
        const AGAIN: u64 = 200;
        let last = self.entries.keys().next_back().copied().unwrap_or_default();
        LogIndex::new(last.saturating_sub(AGAIN))
    }

    fn add(&mut self, node: &str, entries: Vec<CommittedEntry>) {
        for entry in entries {
            match self.entries.entry(entry.index.get()) {
                Place::Vacant(place) => drop(place.insert(entry)),
                Place::Occupied(known) if *known.get() == entry => {}
                Place::Occupied(known) => {
                    let (index, known) = (known.key(), known.get());
                    self.different.push(format!(
                        "entry {index} is {entry:?} on {node}, and was {known:?} elsewhere"
                    ));
                }
            }
        }
    }
}
