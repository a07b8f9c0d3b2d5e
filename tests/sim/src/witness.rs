//! Sees every entry that any node applies, and every vote: what no client could tell.
//!
//! The first node that applies an entry makes it part of the log as it is remembered here, where a
//! reference state executes it too. Every other node must then apply the same entry, give the same
//! answers, and hold the same state.

use std::collections::BTreeMap;

use berth_allocator::{Answer, Batch, State};
use berth_replication::sim::{Event, Position};

use crate::network::HostId;

/// Entries between two comparisons of a node's state; every snapshot is compared.
const COMPARE_EVERY: u64 = 16;

/// A committed entry, as first applied.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its position.
    pub(crate) position: Position,
    /// Its commands; one of Raft's own has none.
    pub(crate) batch: Option<Batch>,
    /// Their answers.
    pub(crate) answers: Vec<Answer>,
    /// The hash of the state after it.
    pub(crate) fingerprint: u64,
}

/// What one node was seen to do.
#[derive(Debug, Default, Clone)]
struct Node {
    /// The index that it applies next.
    next: u64,
    /// The highest vote that it made durable: term, node.
    vote: (u64, u64),
}

/// Sees it all.
#[derive(Default)]
pub(crate) struct Witness {
    log: Vec<Entry>,
    reference: State,
    nodes: BTreeMap<HostId, Node>,
    faults: Vec<String>,
    /// States that were compared.
    pub(crate) compared: u64,
    /// Snapshots that nodes went on from.
    pub(crate) installed: u64,
}

impl Witness {
    /// The committed log.
    pub(crate) fn log(&self) -> &[Entry] {
        &self.log
    }

    /// The state to which it leads.
    pub(crate) fn reference(&self) -> &State {
        &self.reference
    }

    /// What must not be and was seen, since the last time this was asked.
    pub(crate) fn take_faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults)
    }

    /// A host comes back as another member.
    pub(crate) fn forget(&mut self, host: HostId) {
        self.nodes.remove(&host);
    }

    /// A node tells something.
    pub(crate) fn see(&mut self, host: HostId, event: &Event<'_>) {
        match event {
            Event::Applied { position, batch, answers, state } => {
                self.applied(host, *position, *batch, answers, state);
            }
            Event::Installed { position, state } => self.installed(host, *position, state),
            Event::Voted { term, node } => {
                let known = self.nodes.entry(host).or_default();
                let vote = (*term, *node);
                if vote < known.vote {
                    let before = known.vote;
                    self.fault(host, &format!("votes {vote:?} after {before:?} (C7)"));
                } else {
                    known.vote = vote;
                }
            }
            Event::VoteFound { term, node } => {
                let before = self.nodes.entry(host).or_default().vote;
                if (*term, *node) < before {
                    let found = (*term, *node);
                    self.fault(
                        host,
                        &format!("found vote {found:?} after it gave {before:?} (C7)"),
                    );
                }
            }
        }
    }

    fn applied(
        &mut self,
        host: HostId,
        position: Position,
        batch: Option<&Batch>,
        answers: &[Answer],
        state: &State,
    ) {
        let index = position.index;
        let node = self.nodes.entry(host).or_default();
        let expected = node.next;
        node.next = index + 1;
        if index != expected {
            self.fault(host, &format!("applies entry {index}, {expected} would be next (C6)"));
        }
        let end = self.log.len() as u64;
        if index == end {
            let own = batch.map(|batch| self.reference.apply(batch)).unwrap_or_default();
            let fingerprint = self.reference.fingerprint();
            if let Err(violation) = self.reference.check() {
                self.fault(host, &format!("after entry {index}: {violation}"));
            }
            self.log.push(Entry { position, batch: batch.cloned(), answers: own, fingerprint });
        } else if index > end {
            return self.fault(host, &format!("applies entry {index}, nobody applied {end} (C4)"));
        }
        let at = usize::try_from(index).expect("a simulation's log is short");
        let entry = &self.log[at];
        let (known, fingerprint) = (entry.position, entry.fingerprint);
        if known != position || entry.batch.as_ref() != batch {
            return self.fault(host, &format!("applies {position:?}, others {known:?} (C2)"));
        }
        if entry.answers != answers {
            self.fault(host, &format!("answers entry {index} otherwise than the log does (C5)"));
        }
        if index == end || index.is_multiple_of(COMPARE_EVERY) {
            self.compare(host, index, fingerprint, state);
        }
    }

    fn installed(&mut self, host: HostId, position: Option<Position>, state: &State) {
        self.nodes.entry(host).or_default().next = position.map_or(0, |p| p.index + 1);
        let Some(position) = position else { return };
        self.installed += 1;
        let at = usize::try_from(position.index).expect("a simulation's log is short");
        match self.log.get(at) {
            None => {
                self.fault(host, &format!("has a snapshot of {position:?}, which nobody applied"));
            }
            Some(entry) if entry.position != position => {
                let known = entry.position;
                self.fault(
                    host,
                    &format!("has a snapshot of {position:?}, others applied {known:?}"),
                );
            }
            Some(entry) => self.compare(host, position.index, entry.fingerprint, state),
        }
    }

    fn compare(&mut self, host: HostId, index: u64, expected: u64, state: &State) {
        self.compared += 1;
        let found = state.fingerprint();
        if found != expected {
            let what = format!("holds {found:016x} at entry {index}, others {expected:016x} (C5)");
            self.fault(host, &what);
        }
    }

    fn fault(&mut self, host: HostId, what: &str) {
        self.faults.push(format!("n{} {what}", host + 1));
    }
}
