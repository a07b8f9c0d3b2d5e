//! What nodes ask of each other beside the replicated log.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use berth_allocator::{AddressState, Prefix, SpaceName, State};
use berth_codec::{Kind, Record};
use berth_replication::{Deadline, Ledger, Replica, Respond};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// How long another node may take.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Question {
    /// Which addresses of these prefixes does your host hold in its own space?
    HeldLocally(Vec<Prefix>),
}

impl Record for Question {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 1;
    /// 1 MiB: thousands of prefixes.
    const LIMIT: usize = 1 << 20;
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    /// To [`Question::HeldLocally`].
    HeldLocally(BTreeSet<IpAddr>),
}

impl Record for Answer {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 1;
    /// 32 MiB: a million addresses.
    const LIMIT: usize = 32 << 20;
}

/// A host, and what it holds in its own space; or why it did not tell.
pub type OfHost = (String, Result<BTreeSet<IpAddr>, String>);

/// What all hosts of a Swarm of so many hold. What one did not tell is not known.
pub fn all_told(hosts: Vec<OfHost>, expected: usize) -> Result<BTreeSet<IpAddr>, String> {
    if hosts.len() < expected {
        return Err(format!("the Swarm has {expected} hosts, and Berth runs on {}", hosts.len()));
    }
    let mut all = BTreeSet::new();
    for (host, held) in hosts {
        let silent = |reason| format!("{host} did not tell what it holds: {reason}");
        all.extend(held.map_err(silent)?);
    }
    Ok(all)
}

/// Answers other nodes.
pub struct Respondent {
    ledger: Arc<Ledger>,
    local: SpaceName,
}

impl Respondent {
    /// One that tells what this ledger holds in this host's space.
    pub fn new(ledger: Arc<Ledger>, local: SpaceName) -> Self {
        Self { ledger, local }
    }

    fn held(&self, prefixes: &[Prefix]) -> BTreeSet<IpAddr> {
        self.ledger.read(|state| held(state, &self.local, prefixes))
    }
}

#[async_trait]
impl Respond for Respondent {
    async fn respond(&self, question: Bytes) -> Result<Bytes, String> {
        let Question::HeldLocally(prefixes) =
            berth_codec::decode(&question).map_err(|error| error.to_string())?;
        let answer = Answer::HeldLocally(self.held(&prefixes));
        berth_codec::encode(&answer).map(Bytes::from).map_err(|error| error.to_string())
    }
}

fn held(state: &State, space: &SpaceName, prefixes: &[Prefix]) -> BTreeSet<IpAddr> {
    let mut held = BTreeSet::new();
    for id in prefixes.iter().flat_map(|prefix| state.overlapping(space, *prefix)) {
        let addresses = state.addresses(&id).unwrap_or_default();
        let claimed = addresses.into_iter().filter(|view| {
            matches!(view.state, AddressState::Held | AddressState::Stale | AddressState::Suspect)
        });
        held.extend(claimed.map(|view| view.address));
    }
    held
}

/// What every member's host holds of these prefixes in its own space.
pub async fn held_by_hosts(
    replica: &Replica,
    ledger: &Ledger,
    local: &SpaceName,
    prefixes: Vec<Prefix>,
) -> Vec<OfHost> {
    let status = replica.status();
    let deadline = Deadline::after(ANSWER_MAX);
    let question = berth_codec::encode(&Question::HeldLocally(prefixes.clone())).map(Bytes::from);
    let mut hosts = Vec::new();
    for member in status.members {
        let answer = if member.node == status.node {
            Ok(ledger.read(|state| held(state, local, &prefixes)))
        } else {
            match &question {
                Ok(question) => ask(replica, member.node, question.clone(), deadline).await,
                Err(error) => Err(error.to_string()),
            }
        };
        hosts.push((member.name, answer));
    }
    hosts
}

async fn ask(
    replica: &Replica,
    node: berth_replication::NodeId,
    question: Bytes,
    deadline: Deadline,
) -> Result<BTreeSet<IpAddr>, String> {
    let told = replica.ask(node, question, deadline).await.map_err(|error| error.to_string())?;
    let Answer::HeldLocally(addresses) =
        berth_codec::decode(&told).map_err(|error| error.to_string())?;
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::hex;

    /// Nodes of different builds understand each other: a change here is a new version, or a mistake.
    #[test]
    fn the_encoding_is_what_it_was() {
        let prefix = Prefix::truncated("10.1.0.0/24".parse().unwrap());
        let question = Question::HeldLocally(vec![prefix]);
        let answer = Answer::HeldLocally(BTreeSet::from(["10.1.0.2".parse().unwrap()]));
        expect_test::expect!["07010001000a01000018a3641cf6"].assert_eq(&hex(&question));
        expect_test::expect!["07010001000a0100026912d0d7"].assert_eq(&hex(&answer));
    }

    #[test]
    fn what_one_host_does_not_tell_is_not_known() {
        let told = |host: &str| (host.to_owned(), Ok(BTreeSet::new()));
        let silent = ("h3".to_owned(), Err("it is down".to_owned()));
        assert_eq!(all_told(vec![told("h1"), told("h2")], 2), Ok(BTreeSet::new()));
        let unknown = all_told(vec![told("h1"), told("h2"), silent], 3).unwrap_err();
        assert!(unknown.contains("h3") && unknown.contains("it is down"), "{unknown}");
        let unknown = all_told(vec![told("h1"), told("h2")], 3).unwrap_err();
        assert!(unknown.contains("3 hosts"), "{unknown}");
    }
}
