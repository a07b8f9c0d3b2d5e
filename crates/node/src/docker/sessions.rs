//! Sessions (rule 1): when a claimant begins anew, and under which session its engine speaks.
//!
//! In an exclusive space each handshake (`GetCapabilities`) begins one, since a new Swarm leader
//! begins so. In local and shared spaces a new engine *process* does; where the process cannot be
//! told, a handshake does, and nothing gives way. Sessions are kept on disk: this process's own
//! restart is not the engine's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use berth_allocator::{Command, OpenSession, Rejection, Response, SessionId, Sharing, SpaceName};
use berth_codec::{Kind, Record};
use berth_replication::{Consistency, Deadline};
use ipamapi::Peer;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::begun::{Beginning, Begun, Known};
use super::engine::Engine;
use crate::doctor;
use crate::file::{self, FileError};
use crate::looks::{LatestSession, OpenedBy};
use crate::sender::{Sender, SubmitError};

/// How long it may take to see which session is the latest, before any request waits for it.
const GLANCE_MAX: Duration = Duration::from_millis(300);

/// The sessions of this host's engine in the spaces of one half.
pub(super) struct Sessions {
    path: PathBuf,
    /// The engine's API, where it may be asked whether its manager leads.
    docker_socket: Option<PathBuf>,
    kept: tokio::sync::Mutex<Kept>,
    begun: Mutex<Begun>,
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
}

impl Sessions {
    /// The sessions that an earlier run of this process left at `path`, if any.
    pub(super) fn load(path: PathBuf, docker_socket: Option<PathBuf>) -> Result<Self, FileError> {
        let kept = tokio::sync::Mutex::new(file::read(&path)?.unwrap_or_default());
        let begun = Mutex::new(Begun::load(path.with_extension("begun"))?);
        Ok(Self { path, docker_socket, kept, begun, heard: Mutex::default() })
    }

    /// An engine begins, or a manager of it leads. `exclusive` is the space in which that begins a
    /// session.
    pub(super) async fn handshake(
        &self,
        sender: &Sender,
        peer: Option<Peer>,
        exclusive: Option<&SpaceName>,
    ) {
        if let Some(space) = exclusive {
            let at = Instant::now();
            let known = latest(sender, space, Deadline::after(GLANCE_MAX)).await;
            self.begun().begin(space.clone(), at, known);
        }
        let mut heard = self.heard();
        heard.count += 1;
        heard.engine = Engine::of(peer);
    }

    /// Somebody asks for something. Until there is a handshake, whoever is first is held to be the
    /// engine: it may have shaken hands with an earlier run of this process.
    pub(super) fn meet(&self, peer: Option<Peer>) {
        let mut heard = self.heard();
        if heard.count == 0 && heard.engine.is_none() {
            heard.engine = Engine::of(peer);
        }
    }

    /// How often an engine began, or its manager led, since this process did.
    pub(super) fn handshakes(&self) -> u64 {
        self.heard().count
    }

    /// Whether a session was opened by a later handshake: who asked before it has gone, or does not
    /// lead any more.
    pub(super) async fn is_later(&self, space: &SpaceName, handshakes: u64) -> bool {
        let kept = self.kept.lock().await;
        kept.sessions.get(space).is_some_and(|session| session.handshake > handshakes)
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
        let waited = timeout(deadline.remaining(), self.kept.lock()).await;
        let busy = |_| SubmitError::NotExecuted("the engine's session is not open yet".to_owned());
        let mut kept = waited.map_err(busy)?;
        let session = kept.sessions.get(space);
        let (count, engine) = {
            let heard = self.heard();
            (heard.count, heard.engine.clone())
        };
        let begun = self.begun().get(space).filter(|_| sharing == Sharing::Exclusive);
        let goes_on = session.filter(|session| match (sharing, &engine) {
            (Sharing::Exclusive, _) => begun.is_none(),
            (_, Some(engine)) => session.belongs_to(engine),
            (_, None) => session.handshake == count || count == 0,
        });
        if let Some(session) = goes_on {
            return Ok(session.clone());
        }
        let known = match begun {
            Some(begun) => {
                let known = self.known_at(&begun, sender, space, deadline).await;
                known.session().max(session.map(|session| session.id))
            }
            None => latest(sender, space, deadline).await.session(),
        };
        let before = session.and_then(|session| session.engine.clone());
        let yields = engine.is_some() && before.is_some_and(|engine| !engine.lives());
        let id = self.open(sender, space, known, deadline).await?;
        let session = Session { id, engine, yields, handshake: count };
        kept.sessions.insert(space.clone(), session.clone());
        file::write(&self.path, &*kept).map_err(|error| SubmitError::Unknown(error.to_string()))?;
        if self.heard().count == count {
            self.begun().end(space);
        }
        tracing::info!(%space, session = %id, yields, "session opened");
        Ok(session)
    }

    /// Opens a session, if no later one was opened than is known; or if the engine says that its
    /// manager leads all the same.
    async fn open(
        &self,
        sender: &Sender,
        space: &SpaceName,
        known: Option<SessionId>,
        deadline: Deadline,
    ) -> Result<SessionId, SubmitError> {
        let superseded = match open(sender, space, known, deadline).await {
            Err(SubmitError::Rejected(Rejection::SessionSuperseded { latest })) => latest,
            opened => return opened,
        };
        // Our own: an earlier attempt succeeded without our hearing of it, in this handshake or in an
        // earlier one. A new one is the latest for certain.
        let look = OpenedBy { space: space.clone(), session: superseded };
        let opener = sender.target().look(look, Consistency::Linearizable, deadline).await;
        if opener.is_ok_and(|opener| opener.as_ref() == Some(sender.client())) {
            return open(sender, space, Some(superseded), deadline).await;
        }
        let settled = {
            let mut begun = self.begun();
            begun.refuse(space);
            begun.get(space).is_some_and(|begun| begun.is_settled())
        };
        match &self.docker_socket {
            Some(socket) if settled && doctor::leads(socket, deadline.remaining()).await => {
                tracing::info!(%space, "the session is late, but the engine's manager leads");
                open(sender, space, Some(superseded), deadline).await
            }
            _ => Err(SubmitError::Rejected(Rejection::SessionSuperseded { latest: superseded })),
        }
    }

    /// What was known when a session began. What nobody could tell then may be learnt for a while.
    async fn known_at(
        &self,
        begun: &Beginning,
        sender: &Sender,
        space: &SpaceName,
        deadline: Deadline,
    ) -> Known {
        let left = begun.prompt();
        if begun.known != Known::Nothing || left.is_zero() {
            return begun.known;
        }
        let known = latest(sender, space, deadline.min(Deadline::after(left))).await;
        self.begun().learn(space, known);
        known
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Whether this process speaks under it. While the one that began it lives, any other is a guest:
    /// it may not take over what that one holds.
    fn belongs_to(&self, engine: &Engine) -> bool {
        self.engine.as_ref().is_some_and(|own| {
            let guest = own != engine && own.lives();
            if guest {
                tracing::warn!(?engine, ?own, "a second process speaks while the engine lives");
            }
            guest || own == engine
        })
    }
}

async fn open(
    sender: &Sender,
    space: &SpaceName,
    known: Option<SessionId>,
    deadline: Deadline,
) -> Result<SessionId, SubmitError> {
    let command = Command::OpenSession(OpenSession { space: space.clone(), known });
    match sender.submit(command, deadline).await? {
        Response::SessionOpened(id) => Ok(id),
        other => unreachable!("a session is not opened with {other:?}"),
    }
}

/// The latest session of a space, if anybody tells in time.
async fn latest(sender: &Sender, space: &SpaceName, deadline: Deadline) -> Known {
    let look = LatestSession { space: space.clone(), client: sender.client().clone() };
    let seen = sender.target().look(look, Consistency::Stale, deadline).await;
    seen.map_or(Known::Nothing, Known::Latest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_codec::testing::golden;

    /// What is on hosts' disks stays readable: a change here is a new version, or a mistake.
    #[test]
    fn the_encoding_is_what_it_was() {
        let engine = Engine::golden();
        let session =
            Session { id: SessionId::new(1_000), engine: Some(engine), yields: true, handshake: 0 };
        let sessions = BTreeMap::from([(SpaceName::new("LocalDefault").unwrap(), session)]);
        assert_eq!(
            golden(&Kept { sessions }),
            "0a01010c4c6f63616c44656661756c74fbe803010436613165fb9210fc7011010001023989b0"
        );
    }
}
