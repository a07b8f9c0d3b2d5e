//! Sessions of exclusive spaces that have begun and are not open yet: under which condition each may
//! be opened, however late. Kept on disk: a restart of this process must not forget it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use berth_allocator::{SessionId, SpaceName};
use berth_codec::{Kind, Record};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::file::{self, FileError};

/// Within this time after a handshake, what is learnt of a space's sessions counts as known then.
const PROMPT: Duration = Duration::from_secs(10);
/// Swarm's managers agree within this time on who leads: one that was deposed does not know it at once.
const LEADER_SETTLES: Duration = Duration::from_secs(25);

/// The sessions that have begun, by space.
pub(super) struct Begun {
    path: PathBuf,
    spaces: BTreeMap<SpaceName, Beginning>,
}

/// What was known of a space when the handshake came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Known {
    /// Nobody could tell.
    Nothing,
    /// The latest session: a late one is opened on the condition that it still is.
    Latest(Option<SessionId>),
}

/// A session that is not open yet.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Beginning {
    pub(super) known: Known,
    /// When the handshake came; not in an earlier run of this process.
    #[serde(skip)]
    at: Option<Instant>,
    /// When it was first refused because of a later session.
    #[serde(skip)]
    refused: Option<Instant>,
}

/// What is on disk.
#[derive(Serialize, Deserialize)]
struct Kept(BTreeMap<SpaceName, Beginning>);

impl Record for Kept {
    const KIND: Kind = Kind::FrontEnd;
    const VERSION: u8 = 1;
    /// 1 MiB: a thousand spaces.
    const LIMIT: usize = 1 << 20;
}

impl Known {
    pub(super) fn session(self) -> Option<SessionId> {
        match self {
            Self::Nothing => None,
            Self::Latest(session) => session,
        }
    }
}

impl Beginning {
    /// How long what is learnt still counts as known at the handshake.
    pub(super) fn prompt(&self) -> Duration {
        self.at.map_or(Duration::ZERO, |at| PROMPT.saturating_sub(at.elapsed()))
    }

    /// Whether the managers have had the time to agree since it was refused.
    pub(super) fn is_settled(&self) -> bool {
        self.refused.is_some_and(|refused| refused.elapsed() >= LEADER_SETTLES)
    }
}

impl Begun {
    /// What an earlier run of this process left at `path`, if anything.
    pub(super) fn load(path: PathBuf) -> Result<Self, FileError> {
        let Kept(spaces) = file::read(&path)?.unwrap_or(Kept(BTreeMap::new()));
        Ok(Self { path, spaces })
    }

    /// The beginning of a session that is not open yet.
    pub(super) fn get(&self, space: &SpaceName) -> Option<Beginning> {
        self.spaces.get(space).copied()
    }

    /// A session begins.
    pub(super) fn begin(&mut self, space: SpaceName, at: Instant, known: Known) {
        self.spaces.insert(space, Beginning { known, at: Some(at), refused: None });
        self.write();
    }

    /// What was learnt in time.
    pub(super) fn learn(&mut self, space: &SpaceName, known: Known) {
        if let Some(beginning) = self.spaces.get_mut(space) {
            beginning.known = known;
            self.write();
        }
    }

    /// A later session stands in its way.
    pub(super) fn refuse(&mut self, space: &SpaceName) {
        if let Some(beginning) = self.spaces.get_mut(space) {
            beginning.refused.get_or_insert_with(Instant::now);
        }
    }

    /// It is open.
    pub(super) fn end(&mut self, space: &SpaceName) {
        if self.spaces.remove(space).is_some() {
            self.write();
        }
    }

    fn write(&self) {
        if let Err(error) = file::write(&self.path, &Kept(self.spaces.clone())) {
            tracing::error!(%error, "a session that has begun could not be noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_codec::testing::golden;

    fn space() -> SpaceName {
        SpaceName::new("GlobalDefault").unwrap()
    }

    #[test]
    fn a_restart_forgets_no_beginning_and_makes_none_prompt() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("begun");
        let mut begun = Begun::load(path.clone()).unwrap();
        begun.begin(space(), Instant::now(), Known::Nothing);
        assert!(begun.get(&space()).unwrap().prompt() > Duration::ZERO);
        let known = Known::Latest(Some(SessionId::new(7)));
        begun.learn(&space(), known);
        begun.refuse(&space());
        let mut begun = Begun::load(path.clone()).unwrap();
        let left = begun.get(&space()).unwrap();
        assert_eq!((left.known, left.prompt()), (known, Duration::ZERO));
        assert!(!left.is_settled());
        begun.end(&space());
        assert!(Begun::load(path).unwrap().get(&space()).is_none());
    }

    /// What is on hosts' disks stays readable: a change here is a new version, or a mistake.
    #[test]
    fn the_encoding_is_what_it_was() {
        let known = Known::Latest(Some(SessionId::new(7)));
        let beginning = Beginning { known, at: None, refused: None };
        expect_test::expect!["0a01010d476c6f62616c44656661756c740101072b60b7b2"]
            .assert_eq(&golden(&Kept(BTreeMap::from([(space(), beginning)]))));
    }
}
