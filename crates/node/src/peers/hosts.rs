//! What all hosts of a Swarm hold in their own spaces.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_allocator::{Prefix, SpaceName};
use berth_replication::{AskError, Deadline, Replica};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Answer, Holdings, Question, STRANGE, decode, encode};
use crate::peers::Respondent;

/// How long another node may take.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// How long an agent may take of that.
const AGENT_MAX: Duration = Duration::from_secs(3);

/// What a host holds in its own space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfHost {
    /// Its name in Berth.
    pub name: String,
    /// What its system calls it, as Swarm knows it.
    pub host_name: String,
    /// What it holds.
    pub held: Holdings,
}

/// What all hosts hold, if each of those that the Swarm names has told. What one did not tell is not
/// known.
pub fn all_told(hosts: Vec<OfHost>, named: &[String]) -> Holdings {
    let mut missing: Vec<&String> = named.iter().collect();
    for told in &hosts {
        let is = |name: &&String| **name == told.host_name || **name == told.name;
        if let Some(at) = missing.iter().position(is) {
            missing.swap_remove(at);
        }
    }
    if !missing.is_empty() {
        missing.sort_unstable();
        let silent: Vec<&str> = missing.into_iter().map(String::as_str).collect();
        return Err(format!("no Berth tells what {} holds", silent.join(", ")));
    }
    let mut all = BTreeSet::new();
    for OfHost { name, held, .. } in hosts {
        let silent = |reason| format!("{name} did not tell what it holds: {reason}");
        all.extend(held.map_err(silent)?);
    }
    Ok(all)
}

/// What the hosts of a Swarm hold of these prefixes in their own spaces: members, and their agents.
pub async fn held_by_hosts(
    respondent: &Respondent,
    replica: &Replica,
    space: &SpaceName,
    prefixes: Vec<Prefix>,
) -> Vec<OfHost> {
    let status = replica.status();
    let deadline = Deadline::after(ANSWER_MAX);
    let mut asking = Vec::new();
    let question = encode(&Question::Held { space: space.clone(), prefixes: prefixes.clone() });
    for member in status.members {
        let (question, prefixes) = (question.clone(), &prefixes);
        asking.push(async move {
            if member.node == status.node {
                return respondent.held(space, prefixes).await;
            }
            let told = async { told(replica.ask(member.node, question?, deadline).await) };
            told.await.unwrap_or_else(|reason| {
                let (name, host_name) = (member.name, String::new());
                vec![OfHost { name, host_name, held: Err(reason) }]
            })
        });
    }
    let mut hosts: Vec<OfHost> = futures::future::join_all(asking).await.concat();
    // An agent may just have gone from one node to another: its word counts, not its silence.
    hosts.sort_by(|a, b| a.name.cmp(&b.name).then(a.held.is_err().cmp(&b.held.is_err())));
    hosts.dedup_by(|later, first| later.name == first.name);
    hosts
}

fn told(answer: Result<Bytes, AskError>) -> Result<Vec<OfHost>, String> {
    match decode(&answer.map_err(|error| error.to_string())?)? {
        Answer::Held(hosts) => Ok(hosts),
        _ => Err(STRANGE.to_owned()),
    }
}

/// What the agents that attend to this node hold.
pub(super) async fn held_by_agents(
    replica: &Replica,
    space: &SpaceName,
    prefixes: &[Prefix],
) -> Vec<OfHost> {
    let deadline = Deadline::after(AGENT_MAX);
    let question = encode(&Question::Held { space: space.clone(), prefixes: prefixes.to_owned() });
    let asking = replica.attendants().into_iter().map(|agent| {
        let question = question.clone();
        async move {
            let told =
                async { told(replica.ask_attendant(&agent.name, question?, deadline).await) };
            told.await.unwrap_or_else(|reason| {
                let (name, host_name) = (agent.name.to_string(), String::new());
                vec![OfHost { name, host_name, held: Err(reason) }]
            })
        }
    });
    futures::future::join_all(asking).await.concat()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn told(name: &str, host_name: &str, held: &[&str]) -> OfHost {
        let held: BTreeSet<IpAddr> = held.iter().map(|text| text.parse().unwrap()).collect();
        OfHost { name: name.into(), host_name: host_name.into(), held: Ok(held) }
    }

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_one_host_does_not_tell_is_not_known() {
        let hosts = || vec![told("b1", "h1", &["10.0.0.1"]), told("h2", "", &["10.0.0.2"])];
        let both = all_told(hosts(), &named(&["h1", "h2"])).unwrap();
        assert_eq!(both.len(), 2);
        let unknown = all_told(hosts(), &named(&["h1", "h2", "h3"])).unwrap_err();
        assert!(unknown.contains("h3"), "{unknown}");
        // Two hosts of one name are two hosts.
        let unknown = all_told(hosts(), &named(&["h1", "h1"])).unwrap_err();
        assert!(unknown.contains("h1"), "{unknown}");
        let silent = OfHost { held: Err("it is down".into()), ..told("h3", "h3", &[]) };
        let unknown = all_told([hosts(), vec![silent]].concat(), &named(&["h1", "h2", "h3"]));
        let unknown = unknown.unwrap_err();
        assert!(unknown.contains("h3") && unknown.contains("it is down"), "{unknown}");
    }
}
