//! What a process finds on its disk, and what a write makes of that. One line each.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What is on the disk of a replica.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Which making of the directory it is.
    pub(super) instance: u128,
    /// The peers that were met.
    pub(super) peers: Vec<u64>,
    /// Whether a cluster was met.
    pub(super) home: bool,
    /// Commands that the local ledger has executed.
    pub(super) ledger: u64,
    /// The newest snapshot's index.
    pub(super) snapshot: Option<u64>,
    /// The term of the last vote.
    pub(super) vote: u64,
    pub(super) purged: Option<u64>,
    pub(super) committed: Option<u64>,
    /// The terms of all entries, by index.
    pub(super) log: BTreeMap<u64, u64>,
}

/// A write to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    Vote(u64),
    Append {
        first: u64,
        count: u64,
        term: u64,
    },
    /// Everything behind this index goes.
    Truncate(u64),
    Committed(u64),
    /// Everything up to this index goes.
    Purge(u64),
}

impl Found {
    /// The index after the last entry, or after the last one purged.
    pub(super) fn end(&self) -> u64 {
        let last = self.log.last_key_value().map(|(last, _)| *last);
        last.max(self.purged).map_or(0, |last| last + 1)
    }

    /// What it is after a write.
    pub(super) fn apply(&mut self, write: &Write) {
        match *write {
            Write::Vote(term) => self.vote = term,
            Write::Append { first, count, term } => {
                self.log.extend((first..first + count).map(|index| (index, term)));
            }
            Write::Truncate(last) => self.log.retain(|index, _| *index <= last),
            Write::Committed(index) => self.committed = Some(index),
            Write::Purge(index) => {
                self.log.retain(|kept, _| *kept > index);
                self.purged = Some(index);
            }
        }
    }

    /// Whether the log is the same: all that [`Write`]s change.
    pub(super) fn same_log(&self, other: &Self) -> bool {
        let of = |found: &Self| (found.vote, found.purged, found.committed, found.log.clone());
        of(self) == of(other)
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vote(term) => write!(f, "vote {term}"),
            Self::Append { first, count, term } => write!(f, "append {first} {count} {term}"),
            Self::Truncate(last) => write!(f, "truncate {last}"),
            Self::Committed(index) => write!(f, "committed {index}"),
            Self::Purge(index) => write!(f, "purge {index}"),
        }
    }
}

impl FromStr for Write {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wrong = || format!("{line:?} is no write");
        let mut words = line.split(' ');
        let what = words.next().ok_or_else(wrong)?;
        let numbers: Vec<u64> =
            words.map(|word| word.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
        match (what, numbers.as_slice()) {
            ("vote", &[term]) => Ok(Self::Vote(term)),
            ("append", &[first, count, term]) => Ok(Self::Append { first, count, term }),
            ("truncate", &[last]) => Ok(Self::Truncate(last)),
            ("committed", &[index]) => Ok(Self::Committed(index)),
            ("purge", &[index]) => Ok(Self::Purge(index)),
            _ => Err(wrong()),
        }
    }
}

fn or_none(index: Option<u64>) -> String {
    index.map_or_else(|| "-".to_owned(), |index| index.to_string())
}

fn list<'a>(numbers: impl Iterator<Item = &'a u64>) -> String {
    let numbers: Vec<String> = numbers.map(u64::to_string).collect();
    if numbers.is_empty() { "-".to_owned() } else { numbers.join(",") }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, home, ledger, vote, .. } = self;
        let (peers, snapshot) = (list(self.peers.iter()), or_none(self.snapshot));
        let (purged, committed) = (or_none(self.purged), or_none(self.committed));
        let first = or_none(self.log.keys().next().copied());
        let terms = list(self.log.values());
        write!(
            f,
            "found {instance} {peers} {home} {ledger} {snapshot} {vote} {purged} {committed} {first} {terms}"
        )
    }
}

impl FromStr for Found {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wrong = || format!("{line:?} is not what a process found");
        let number = |word: &str| word.parse::<u64>().map_err(|_| wrong());
        let index = |word: &str| if word == "-" { Ok(None) } else { number(word).map(Some) };
        let numbers = |word: &str| -> Result<Vec<u64>, String> {
            if word == "-" { Ok(Vec::new()) } else { word.split(',').map(number).collect() }
        };
        let words: Vec<&str> = line.split(' ').collect();
        let &[_, instance, peers, home, ledger, snapshot, vote, purged, committed, first, terms] =
            words.as_slice()
        else {
            return Err(wrong());
        };
        Ok(Self {
            instance: instance.parse().map_err(|_| wrong())?,
            peers: numbers(peers)?,
            home: home == "true",
            ledger: number(ledger)?,
            snapshot: index(snapshot)?,
            vote: number(vote)?,
            purged: index(purged)?,
            committed: index(committed)?,
            log: (index(first)?.unwrap_or(0)..).zip(numbers(terms)?).collect(),
        })
    }
}
