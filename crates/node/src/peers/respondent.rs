//! Answers what other hosts ask.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use berth_allocator::{AddressState, Envelope, Prefix, Sharing, SpaceName, State};
use berth_replication::{
    Consistency, Deadline, Ledger, NodeName, Replica, Respond, UserStream, Witness,
};
use bytes::Bytes;

use super::hosts::{OfHost, held_by_agents};
use super::{Answer, Question};
use crate::api::Api;
use crate::audit::{Asker, Pending};
use crate::looks::AnyLook;

/// How long reading the cluster's state may take.
const READ_MAX: Duration = Duration::from_secs(5);

/// Answers for one host.
pub struct Respondent {
    /// Its name in Berth.
    pub name: String,
    /// Its own ledger.
    pub ledger: Arc<Ledger>,
    /// Its own space.
    pub local: SpaceName,
    /// The space of the Swarm that it serves.
    pub global: SpaceName,
    /// The cluster, where this host is a node of it.
    pub replica: Option<Replica>,
    /// Its API, once there is one: what agents have no state to answer from.
    pub api: OnceLock<Api>,
}

impl Respondent {
    /// What this host, and the agents that attend to it, hold in their own spaces.
    pub(super) async fn held(&self, space: &SpaceName, prefixes: &[Prefix]) -> Vec<OfHost> {
        let mut hosts = match &self.replica {
            Some(replica) => held_by_agents(replica, space, prefixes).await,
            None => Vec::new(),
        };
        if *space == self.global {
            let mut all = self.ledger.read(|state| held(state, &self.local, prefixes));
            if let Some(replica) = &self.replica {
                all.extend(held_in_shared(replica, prefixes).await);
            }
            hosts.push(OfHost {
                name: self.name.clone(),
                host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
                held: Ok(all),
            });
        }
        hosts
    }

    async fn look(&self, linearizable: bool, look: AnyLook) -> Result<Answer, String> {
        let replica = self.replica.as_ref().ok_or("this host is no node of the cluster")?;
        let consistency = if linearizable { Consistency::Linearizable } else { Consistency::Stale };
        let read = replica.read(consistency, Deadline::after(READ_MAX), |state| look.look(state));
        let seen = read.await.map_err(|error| error.to_string())?.value;
        seen.map(Answer::Seen).map_err(|error| error.to_string())
    }
}

impl Respondent {
    async fn answer(&self, asker: Asker, question: Bytes) -> Result<Bytes, String> {
        let answer = match berth_codec::decode(&question).map_err(|error| error.to_string())? {
            Question::Held { space, prefixes } => Answer::Held(self.held(&space, &prefixes).await),
            Question::Look { linearizable, look } => self.look(linearizable, look).await?,
            Question::Api { method, target, body } => {
                let api = self.api.get().filter(|_| self.replica.is_some());
                let api = api.ok_or("this host's API serves no others")?;
                Answer::Api(api.answer(asker, &method, &target, body).await?)
            }
        };
        let encoded = berth_codec::encode(&answer).map(Bytes::from);
        encoded.map_err(|error| format!("the answer does not fit into a message: {error}"))
    }
}

#[async_trait]
impl Respond for Respondent {
    async fn respond(&self, question: Bytes) -> Result<Bytes, String> {
        self.answer(Asker::Node, question).await
    }

    async fn respond_to_agent(&self, agent: &NodeName, question: Bytes) -> Result<Bytes, String> {
        self.answer(Asker::Agent(agent.clone()), question).await
    }

    async fn serve_user(&self, stream: Box<dyn UserStream>, peer: &str) {
        if let Some(api) = self.api.get() {
            api.serve_user(stream, peer).await;
        }
    }

    fn witness(&self, agent: &NodeName, commands: &[Envelope]) -> Option<Witness> {
        let asker = Asker::Agent(agent.clone());
        let begin = |it: &Envelope| Pending::begin(&asker, &it.command).of_client(&it.client);
        let pending: Vec<Pending> = commands.iter().map(begin).collect();
        Some(Box::new(move |executed| match executed {
            Ok((log_index, answers)) => {
                for (pending, answer) in pending.into_iter().zip(answers) {
                    pending.decided(Some(log_index), answer);
                }
            }
            Err(error) => {
                let error = error.into();
                for pending in pending {
                    pending.failed(&error, false);
                }
            }
        }))
    }
}

/// What any host holds of a Swarm's prefixes in shared spaces: its user named one for the network.
async fn held_in_shared(replica: &Replica, prefixes: &[Prefix]) -> BTreeSet<IpAddr> {
    let look = |state: &State| {
        let shared = state.spaces().filter(|space| space.settings.sharing == Sharing::Shared);
        shared.flat_map(|space| held(state, &space.name, prefixes)).collect()
    };
    let read = replica.read(Consistency::Stale, Deadline::after(READ_MAX), look).await;
    read.map(|read| read.value).unwrap_or_default()
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
