//! Sessions (rule 1): when a claimant begins anew, and under which session its engine speaks.
//!
//! In an exclusive space each handshake (`GetCapabilities`) begins one, since a new Swarm leader
//! begins so. In local and shared spaces a new engine *process* does; where the process cannot be
//! told, a handshake does, and nothing gives way. Sessions are kept on disk: this process's own
//! restart is not the engine's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use berth_allocator::{Command, OpenSession, Rejection, Response, SessionId, Sharing, SpaceName};
use berth_codec::{Kind, Record};
use berth_replication::{Consistency, Deadline};
use ipamapi::Peer;
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::file;
use crate::sender::{Sender, SubmitError};

/// The sessions of this host's engine in the spaces of one half.
pub(super) struct Sessions {
    path: PathBuf,
    kept: tokio::sync::Mutex<Kept>,
    heard: Mutex<Heard>,
}

/// What is on disk.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Kept {
    sessions: BTreeMap<SpaceName, Session>,
}

impl Record for Kept {
    const KIND: Kind = Kind::FrontEnd;
    const VERSION: u8 = 1;
    /// 1 MiB: a thousand spaces.
    const LIMIT: usize = 1 << 20;
}

/// A session of this host's engine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// The process that it belongs to, where that could be told.
    engine: Option<Engine>,
    /// What an earlier process held may give way: that process is known, and it is gone.
    pub(super) yields: bool,
    /// The handshake that began it; of this process's count, so zero for one of an earlier run.
    #[serde(skip)]
    handshake: u64,
}

/// Handshakes since this process began.
#[derive(Default)]
struct Heard {
    count: u64,
    engine: Option<Engine>,
    /// Exclusive spaces: the latest session that was known when the handshake came. Stays until the
    /// session is open: a late one is opened on the same condition only.
    known: BTreeMap<SpaceName, Option<SessionId>>,
}

impl Sessions {
    /// The sessions that an earlier run of this process left at `path`, if any.
    pub(super) fn load(path: PathBuf) -> Result<Self, file::FileError> {
        let kept = file::read(&path)?.unwrap_or_default();
        Ok(Self { path, kept: tokio::sync::Mutex::new(kept), heard: Mutex::default() })
    }

    /// An engine begins, or a manager of it leads. `exclusive` is the space in which that begins a
    /// session, with the latest session there as far as this host knows now.
    pub(super) fn handshake(
        &self,
        peer: Option<Peer>,
        exclusive: Option<(SpaceName, Option<SessionId>)>,
    ) {
        let mut heard = self.heard();
        heard.count += 1;
        heard.engine = Engine::of(peer);
        heard.known.extend(exclusive);
    }

    /// The session that is open in a space, as far as this process knows.
    pub(super) async fn known(&self, space: &SpaceName) -> Option<SessionId> {
        self.kept.lock().await.sessions.get(space).map(|session| session.id)
    }

    /// The session under which the engine speaks in a space; opens it first if need be.
    pub(super) async fn current(
        &self,
        sender: &Sender,
        space: &SpaceName,
        sharing: Sharing,
        deadline: Deadline,
    ) -> Result<Session, SubmitError> {
        let mut kept = self.kept.lock().await;
        let session = kept.sessions.get(space);
        let (count, engine, known) = {
            let heard = self.heard();
            (heard.count, heard.engine.clone(), heard.known.get(space).copied())
        };
        let goes_on = session.filter(|session| match (sharing, &engine) {
            (Sharing::Exclusive, _) => known.is_none(),
            (_, Some(engine)) => session.engine.as_ref() == Some(engine),
            (_, None) => session.handshake == count || count == 0,
        });
        if let Some(session) = goes_on {
            return Ok(session.clone());
        }
        let known = match (sharing, known) {
            (Sharing::Exclusive, Some(known)) => known.max(session.map(|session| session.id)),
            _ => latest(sender, space).await,
        };
        let before = session.and_then(|session| session.engine.clone());
        let yields = engine.is_some() && before.is_some_and(|engine| !engine.lives());
        let id = open(sender, space, known, deadline).await?;
        let session = Session { id, engine, yields, handshake: count };
        kept.sessions.insert(space.clone(), session.clone());
        file::write(&self.path, &*kept).map_err(|error| SubmitError::Unknown(error.to_string()))?;
        let mut heard = self.heard();
        if heard.count == count {
            heard.known.remove(space);
        }
        tracing::info!(%space, session = %id, yields, "session opened");
        Ok(session)
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The latest session that this host knows of.
async fn latest(sender: &Sender, space: &SpaceName) -> Option<SessionId> {
    let look = |state: &berth_allocator::State| state.latest_session(space, sender.client());
    let now = Deadline::after(std::time::Duration::ZERO);
    sender.target().read(Consistency::Stale, now, look).await.ok().flatten()
}

async fn open(
    sender: &Sender,
    space: &SpaceName,
    known: Option<SessionId>,
    deadline: Deadline,
) -> Result<SessionId, SubmitError> {
    let command = Command::OpenSession(OpenSession { space: space.clone(), known });
    match sender.submit(command, deadline).await {
        Ok(Response::SessionOpened(id)) => Ok(id),
        Ok(other) => unreachable!("a session is not opened with {other:?}"),
        Err(SubmitError::Rejected(Rejection::SessionSuperseded { latest })) => {
            // Our own, if an earlier attempt succeeded without our hearing of it.
            let opened_by = |state: &berth_allocator::State| state.session(space, latest);
            let opener = sender.target().read(Consistency::Linearizable, deadline, opened_by).await;
            match opener {
                Ok(Some((client, _))) if client == *sender.client() => Ok(latest),
                _ => Err(SubmitError::Rejected(Rejection::SessionSuperseded { latest })),
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::hex;

    /// What is on hosts' disks stays readable: a change here is a new version, or a mistake.
    #[test]
    fn the_encoding_is_what_it_was() {
        let engine = Engine::golden();
        let session =
            Session { id: SessionId::new(1_000), engine: Some(engine), yields: true, handshake: 0 };
        let sessions = BTreeMap::from([(SpaceName::new("LocalDefault").unwrap(), session)]);
        assert_eq!(
            hex(&Kept { sessions }),
            "0a01010c4c6f63616c44656661756c74fbe803010436613165fb9210fc7011010001023989b0"
        );
    }
}
