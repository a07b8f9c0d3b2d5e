//! Copies of the states that a request looks at: the cluster's, this host's, or both.

use berth_allocator::{Command, Response, SpaceName, State, Timestamp};
use berth_replication::{Consistency as Wanted, Deadline, Read};

use super::types::{Consistency, Reading, Scope};
use super::{Api, DEADLINE, Problem, access, views};
use crate::code::Code;

/// The states to look at.
pub(super) struct States {
    pub(super) states: Vec<(Scope, State)>,
    pub(super) read: Option<Reading>,
}

impl States {
    /// Makes an answer from them, where it may take its time.
    pub(super) async fn look<T: Send + 'static>(
        self,
        look: impl FnOnce(&[(Scope, State)]) -> Result<T, Problem> + Send + 'static,
    ) -> Result<(T, Option<Reading>), Problem> {
        let Self { states, read } = self;
        let looking = tokio::task::spawn_blocking(move || look(&states));
        let looked = looking.await.expect("looking at a state does not panic")?;
        Ok((looked, read))
    }
}

impl Api {
    /// The states of a scope; both without one. This host's own needs no quorum.
    pub(super) async fn states(
        &self,
        scope: Option<Scope>,
        consistency: Consistency,
    ) -> Result<States, Problem> {
        let mut states = Vec::new();
        let mut read = None;
        if scope != Some(Scope::Local) {
            let Read { value: state, applied } = self.global_state(consistency).await?;
            read = Some(Reading {
                consistency,
                applied: applied.get(),
                as_of: (state.now() > Timestamp::default()).then(|| views::time(state.now())),
                leader: self.leader(),
            });
            states.push((Scope::Global, state));
        }
        if scope != Some(Scope::Global) {
            states.push((Scope::Local, self.0.ledger.read(State::clone)));
        }
        Ok(States { states, read })
    }

    /// The one state that holds a space.
    pub(super) async fn states_of(
        &self,
        space: &SpaceName,
        consistency: Consistency,
    ) -> Result<States, Problem> {
        self.states(Some(self.scope_of(space)), consistency).await
    }

    /// Where a space is kept, or would be.
    pub(super) fn scope_of(&self, space: &SpaceName) -> Scope {
        let local = self.0.ledger.read(|state| state.settings(space).is_ok());
        if local { Scope::Local } else { Scope::Global }
    }

    /// Has a command executed where its space is kept.
    pub(super) async fn submit(&self, scope: Scope, command: Command) -> Result<Response, Problem> {
        access::check(&command)?;
        let sender = match scope {
            Scope::Global => self.member()?.1,
            Scope::Local => &self.0.local,
        };
        Ok(sender.submit(command, Deadline::after(DEADLINE)).await?)
    }

    async fn global_state(&self, consistency: Consistency) -> Result<Read<State>, Problem> {
        let wanted = match consistency {
            Consistency::Stale => Wanted::Stale,
            Consistency::Linearizable => Wanted::Linearizable,
        };
        let (replica, _) = self.member()?;
        let read = replica.read(wanted, Deadline::after(DEADLINE), State::clone).await;
        read.map_err(Problem::from)
    }

    /// The leader's name, as far as this node knows.
    pub(super) fn leader(&self) -> Option<String> {
        let status = self.0.cluster.replica()?.status();
        let leader = status.members.iter().find(|member| Some(member.node) == status.leader);
        leader.map(|member| member.name.clone())
    }
}

/// A space's name, from a request.
pub(super) fn space_name(text: &str) -> Result<SpaceName, Problem> {
    SpaceName::new(text).map_err(|error| Problem::new(Code::BadRequest, error.to_string()))
}
