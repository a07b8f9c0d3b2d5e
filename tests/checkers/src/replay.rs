//! White box: the committed log, executed again by the pure allocator, must give every answer that a
//! client was given, and the state that each node has.

use std::collections::{BTreeMap, BTreeSet};

use berth_allocator::{Answer, Batch, ClientName, Envelope, Incarnation, Sequence, State};

use crate::{Rule, Violation};

/// A committed entry that holds commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the log.
    pub index: u64,
    /// Its commands.
    pub batch: Batch,
}

/// A command of the log, with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The entry that held it.
    pub index: u64,
    /// The command.
    pub envelope: Envelope,
    /// What it is answered. One that is there for a second time has its first run's answer.
    pub answer: Answer,
    /// It is there for the first time.
    pub first: bool,
}

/// An answer that a client was given to a command of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The client.
    pub client: ClientName,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// Its number for the command.
    pub sequence: Sequence,
    /// The entry that it was told to have been executed by.
    pub index: u64,
    /// The answer.
    pub answer: Answer,
}

/// The hash of the state that a node had when it had applied an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The node.
    pub node: String,
    /// The last entry applied.
    pub index: u64,
    /// The hash.
    pub value: u64,
}

/// Executes a whole log, from its beginning, in the order of its indices.
///
/// Finds nodes whose state is not what the log leads to.
pub fn replay(log: &[Entry], nodes: &[Fingerprint]) -> (Vec<Executed>, Vec<Violation>) {
    let (mut executed, mut found) = (Vec::new(), Vec::new());
    let mut state = State::new();
    let mut seen = BTreeSet::new();
    let mut nodes: Vec<&Fingerprint> = nodes.iter().collect();
    nodes.sort_by_key(|node| node.index);
    let mut nodes = nodes.into_iter().peekable();
    for entry in log {
        while let Some(node) = nodes.next_if(|node| node.index < entry.index) {
            found.extend(other_state(node, &state));
        }
        let answers = state.apply(&entry.batch);
        for (envelope, answer) in entry.batch.commands.iter().zip(answers) {
            let key = (envelope.client.clone(), envelope.incarnation, envelope.sequence);
            let first = seen.insert(key);
            let (index, envelope) = (entry.index, envelope.clone());
            executed.push(Executed { index, envelope, answer, first });
        }
    }
    found.extend(nodes.filter_map(|node| other_state(node, &state)));
    (executed, found)
}

fn other_state(node: &Fingerprint, state: &State) -> Option<Violation> {
    let Fingerprint { node, index, value } = node;
    let expected = state.fingerprint();
    let what = || format!("{node} holds {value:016x} at entry {index}, the log {expected:016x}");
    (*value != expected).then(|| Violation::new(Rule::SameState, what(), []))
}

/// Finds nodes that hold something else than others that applied the same entries.
pub fn same_state(nodes: &[Fingerprint]) -> Vec<Violation> {
    let mut at: BTreeMap<u64, &Fingerprint> = BTreeMap::new();
    let different = nodes.iter().filter_map(|node| {
        let first = *at.entry(node.index).or_insert(node);
        let what = || {
            let (one, other) = (&first.node, &node.node);
            let (this, that) = (first.value, node.value);
            format!("at entry {}, {one} holds {this:016x} and {other} {that:016x}", node.index)
        };
        (first.value != node.value).then(|| Violation::new(Rule::SameState, what(), []))
    });
    different.collect()
}

/// Finds answers that the log does not give, or not where the client was told.
pub fn replayed(executed: &[Executed], answers: &[Answered]) -> Vec<Violation> {
    let mut log: BTreeMap<_, Vec<&Executed>> = BTreeMap::new();
    for executed in executed {
        let Envelope { client, incarnation, sequence, .. } = &executed.envelope;
        log.entry((client, *incarnation, *sequence)).or_default().push(executed);
    }
    let wrong = answers.iter().filter_map(|told| {
        let Answered { client, incarnation, sequence, index, answer } = told;
        let runs = log.get(&(client, *incarnation, *sequence)).map_or(&[][..], Vec::as_slice);
        let given = runs.iter().find(|run| run.index == *index).map(|run| &run.answer);
        let name = format!("command {sequence} of {client}, run {incarnation}");
        let what = match given {
            Some(given) if given == answer => return None,
            Some(given) => format!("{name} was told {answer:?}, the log says {given:?}"),
            None => format!("{name} was told of entry {index}, which does not hold it"),
        };
        Some(Violation::new(Rule::Replayed, what, []))
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use berth_allocator::{Command, Millis, Register, Response, SpaceSettings, Text, Timestamp};

    use super::*;

    fn envelope(sequence: u64, incarnation: u64, command: Command) -> Envelope {
        Envelope {
            client: ClientName::new("a").unwrap(),
            incarnation: Incarnation::new(incarnation),
            sequence: Sequence::new(sequence),
            heard: Sequence::new(1),
            command,
        }
    }

    /// A client registers, and makes a space; the second command is there twice.
    fn log() -> Vec<Entry> {
        let address = Text::new("here").unwrap();
        let register = Register { instance: 1, address, lease: Millis::new(0) };
        let name = "s".parse().unwrap();
        let space = Command::CreateSpace { name, settings: SpaceSettings::exclusive(None) };
        let entry = |index, command| Entry {
            index,
            batch: Batch { at: Timestamp::new(1), commands: vec![command] },
        };
        let made = envelope(1, 1, space);
        vec![
            entry(2, envelope(0, 0, Command::Register(register))),
            entry(3, made.clone()),
            entry(5, made),
        ]
    }

    fn told(sequence: u64, index: u64, answer: Answer) -> Answered {
        let Envelope { client, incarnation, .. } = envelope(sequence, 1, Command::DeclareBehind);
        Answered { client, incarnation, sequence: Sequence::new(sequence), index, answer }
    }

    #[test]
    fn every_answer_is_found_at_its_place() {
        let (executed, found) = replay(&log(), &[]);
        assert_eq!(found, []);
        assert_eq!(executed.iter().map(|run| run.first).collect::<Vec<_>>(), [true, true, false]);
        let made = executed[1].answer.clone();
        assert_eq!(made.outcome, Ok(Response::Done));
        let right = [told(1, 3, made.clone()), told(1, 5, made.clone())];
        assert_eq!(replayed(&executed, &right), []);
        let registered = executed[0].answer.clone();
        let wrong = [told(1, 4, made.clone()), told(1, 3, registered), told(2, 3, made)];
        assert_eq!(replayed(&executed, &wrong).len(), 3);
    }

    #[test]
    fn a_node_that_holds_something_else_is_found() {
        let node = |index, value| Fingerprint { node: "n".into(), index, value };
        let mut state = State::new();
        let mut right = vec![node(1, state.fingerprint())];
        for entry in log() {
            state.apply(&entry.batch);
            right.push(node(entry.index, state.fingerprint()));
        }
        right.push(node(9, state.fingerprint()));
        assert_eq!(replay(&log(), &right).1, []);
        assert_eq!(same_state(&right), []);
        right[2].value += 1;
        assert_eq!(replay(&log(), &right).1.len(), 1);
        let other = Fingerprint { node: "m".into(), ..right[1].clone() };
        assert_eq!(same_state(&[right[1].clone(), other.clone()]), []);
        assert_eq!(same_state(&[right[1].clone(), Fingerprint { value: 0, ..other }]).len(), 1);
    }
}
