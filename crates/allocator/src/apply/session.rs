//! Sessions (rule 1): a claimant begins anew.

use super::Outcome;
use crate::claim::ClientNumber;
use crate::session::Session;
use crate::{OpenSession, Rejection, Response, SessionId, State};

impl State {
    pub(super) fn open_session(&mut self, client: ClientNumber, open: &OpenSession) -> Outcome {
        let (revision, now) = self.current();
        let mut space = self.space_mut(&open.space)?;
        let latest = space.latest.get(&space.claimant(client)).copied();
        if let Some(latest) = latest
            && open.known != Some(latest)
        {
            return Err(Rejection::SessionSuperseded { latest });
        }
        let id = SessionId::new(revision);
        space.open_session(id, Session { client, opened: now });
        Ok(Response::SessionOpened(id))
    }
}
