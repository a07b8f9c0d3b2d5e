//! What hosts ask of each other beside the replicated log: nodes each other and their agents, agents
//! their servers.

mod hosts;
mod respondent;

use std::collections::BTreeSet;
use std::net::IpAddr;

use berth_allocator::{Prefix, SpaceName};
use berth_codec::{Kind, Record};
use berth_replication::{
    AskError, Consistency, Deadline, LogIndex, NodeId, ReadError, Replica, Servers,
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use hosts::{OfHost, all_told, held_by_hosts};
pub use respondent::Respondent;

use crate::api::Problem;
use crate::api::types::{Fingerprint, Listing, Member};
use crate::looks::{AnyLook, Look, Seen};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Question {
    /// Of the hosts that you know and that serve the Swarm of this space: which addresses of these
    /// prefixes does each hold in its own space?
    Held {
        /// The Swarm's space.
        space: SpaceName,
        /// The prefixes.
        prefixes: Vec<Prefix>,
    },
    /// What does the cluster's state say?
    Look {
        /// Nothing older than what was answered before the question will do.
        linearizable: bool,
        /// About what.
        look: AnyLook,
    },
    /// What does your API say?
    Api {
        /// The HTTP method.
        method: String,
        /// Path and query.
        target: String,
        /// The body.
        body: Vec<u8>,
    },
}

impl Record for Question {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 2;
    /// 1 MiB: thousands of prefixes.
    const LIMIT: usize = 1 << 20;
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    /// To [`Question::Held`].
    Held(Vec<OfHost>),
    /// To [`Question::Look`]: what was seen, as a record.
    Seen(Vec<u8>),
    /// To [`Question::Api`].
    Api(ApiAnswer),
}

impl Record for Answer {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 2;
    /// What fits into one frame between hosts, less its own head.
    const LIMIT: usize = (8 << 20) - 1_024;
}

/// What an API says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body's type.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

fn encode(question: &Question) -> Result<Bytes, String> {
    berth_codec::encode(question).map(Bytes::from).map_err(|error| error.to_string())
}

fn decode(answer: &[u8]) -> Result<Answer, String> {
    berth_codec::decode(answer).map_err(|error| error.to_string())
}

const STRANGE: &str = "the answer fits no question of ours";

/// Looks at the cluster's state through a server. Tries once.
pub async fn look<L: Look>(
    servers: &Servers,
    look: L,
    consistency: Consistency,
    deadline: Deadline,
) -> Result<L::Seen, ReadError> {
    let unreachable = |reason: String| ReadError::Unreachable { reason };
    let linearizable = consistency == Consistency::Linearizable;
    let question = encode(&Question::Look { linearizable, look: look.into() });
    let told = servers.ask(question.map_err(unreachable)?, deadline).await;
    let told = told.map_err(|error| unreachable(error.to_string()))?;
    match decode(&told).map_err(unreachable)? {
        Answer::Seen(seen) => seen_in(&seen).map_err(unreachable),
        _ => Err(unreachable(STRANGE.to_owned())),
    }
}

fn seen_in<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let Seen(seen) = berth_codec::decode(bytes).map_err(|error| error.to_string())?;
    Ok(seen)
}

/// Asks a server's API.
pub async fn api(
    servers: &Servers,
    method: String,
    target: String,
    body: Vec<u8>,
    deadline: Deadline,
) -> Result<ApiAnswer, AskError> {
    let question = encode(&Question::Api { method, target, body }).map_err(AskError::Refused)?;
    let told = servers.ask(question, deadline).await?;
    match decode(&told).map_err(AskError::Refused)? {
        Answer::Api(answer) => Ok(answer),
        _ => Err(AskError::Refused(STRANGE.to_owned())),
    }
}

/// Asks a node's API for the fingerprint of its state at a mark in the log.
pub(crate) async fn fingerprint(
    replica: &Replica,
    node: NodeId,
    mark: LogIndex,
    deadline: Deadline,
) -> Result<Fingerprint, String> {
    get(replica, node, format!("/v1/fingerprint?mark={mark}"), deadline).await
}

/// Asks the leader's API for the members as it sees them.
pub(crate) async fn members(
    replica: &Replica,
    leader: NodeId,
    deadline: Deadline,
) -> Result<Vec<Member>, String> {
    let target = "/v1/members?consistency=stale".to_owned();
    get::<Listing<Member>>(replica, leader, target, deadline).await.map(|members| members.items)
}

/// What a node's API has at a path.
async fn get<T: DeserializeOwned>(
    replica: &Replica,
    node: NodeId,
    target: String,
    deadline: Deadline,
) -> Result<T, String> {
    let question = encode(&Question::Api { method: "GET".into(), target, body: Vec::new() })?;
    let told = replica.ask(node, question, deadline).await.map_err(|error| error.to_string())?;
    let Answer::Api(answer) = decode(&told)? else { return Err(STRANGE.to_owned()) };
    let strange = |error: serde_json::Error| error.to_string();
    if answer.status == 200 {
        return serde_json::from_slice(&answer.body).map_err(strange);
    }
    let problem: Problem = serde_json::from_slice(&answer.body).map_err(strange)?;
    Err(problem.detail)
}

/// Addresses that a host holds, or why it did not tell.
pub type Holdings = Result<BTreeSet<IpAddr>, String>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::looks::SharingOf;
    use berth_codec::testing::golden;

    /// Nodes of different builds understand each other: a change here is a new version, or a mistake.
    #[test]
    fn the_encoding_is_what_it_was() {
        let prefix = Prefix::truncated("10.1.0.0/24".parse().unwrap());
        let space = SpaceName::new("GlobalDefault").unwrap();
        let held = Question::Held { space: space.clone(), prefixes: vec![prefix] };
        let look = Question::Look { linearizable: true, look: SharingOf { space }.into() };
        let api = Question::Api { method: "GET".into(), target: "/v1/pools".into(), body: vec![1] };
        let of_host = OfHost {
            name: "h1".into(),
            host_name: "worker".into(),
            held: Ok(BTreeSet::from(["10.1.0.2".parse().unwrap()])),
        };
        let answer = ApiAnswer { status: 200, content_type: "text/plain".into(), body: vec![2] };
        expect_test::expect!["0702000d476c6f62616c44656661756c7401000a010000183e0be050"]
            .assert_eq(&golden(&held));
        expect_test::expect!["07020101000d476c6f62616c44656661756c74304be917"]
            .assert_eq(&golden(&look));
        expect_test::expect!["07020203474554092f76312f706f6f6c730101500bb1db"]
            .assert_eq(&golden(&api));
        expect_test::expect!["0702000102683106776f726b65720001000a010002272b0e5d"]
            .assert_eq(&golden(&Answer::Held(vec![of_host])));
        expect_test::expect!["0702010101fad2eb16"].assert_eq(&golden(&Answer::Seen(vec![1])));
        expect_test::expect!["070202c80a746578742f706c61696e0102fb095442"]
            .assert_eq(&golden(&Answer::Api(answer)));
    }
}
