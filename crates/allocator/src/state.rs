//! The state: all spaces and clients, and what is common to every command.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use crate::address_set::AddressSet;
use crate::claim::ClientNumber;
use crate::limits::STATE_BYTES_MAX;
use crate::names::{ClientName, SpaceName};
use crate::pool::Pool;
use crate::session::Client;
use crate::settings::Sharing;
use crate::space::Space;
use crate::token::Tokens;
use crate::{Level, Limit, PoolId, Rejection, Revision, Timestamp};

/// Everything that replicas agree on. A clone shares its bulk with the original, until one of them
/// changes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub(crate) revision: Revision,
    pub(crate) now: Timestamp,
    pub(crate) spaces: BTreeMap<SpaceName, Space>,
    /// By number; never removed, since claims name them.
    pub(crate) clients: Vec<Client>,
    pub(crate) client_numbers: BTreeMap<ClientName, ClientNumber>,
    /// It was restored at this revision, and may lack what was given after the backup.
    pub(crate) behind: Option<Revision>,
    pub(crate) tokens: Tokens,
    pub(crate) level: Level,
    /// What all spaces take in a snapshot, at most: derived from them.
    pub(crate) bytes: u64,
}

/// Names listed in "cannot find address space".
const KNOWN_SPACES_SHOWN: usize = 20;

impl State {
    /// The last revision: half of what the numbers hold, so that nothing ever overflows.
    pub const REVISION_MAX: u64 = u64::MAX / 2;

    /// Without spaces, at revision zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many commands were executed.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// What every node of the cluster knows.
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Whether it was restored, and nobody has said yet that it holds all that it should.
    pub const fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// The cluster's time as of the last batch.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Refuses what would let a full state grow, so that a snapshot of it can always be written.
    pub(crate) fn check_room(&self) -> Result<(), Rejection> {
        if self.bytes >= STATE_BYTES_MAX { Err(Rejection::Limit(Limit::State)) } else { Ok(()) }
    }

    pub(crate) fn space_or_refuse(&self, name: &SpaceName) -> Result<&Space, Rejection> {
        self.spaces.get(name).ok_or_else(|| self.unknown_space(name))
    }

    /// A space, to be changed.
    pub(crate) fn space_mut(&mut self, name: &SpaceName) -> Result<SpaceMut<'_>, Rejection> {
        self.space_or_refuse(name)?;
        Ok(self.found_space(name))
    }

    /// The same for a space that is known to be there.
    pub(crate) fn found_space(&mut self, name: &SpaceName) -> SpaceMut<'_> {
        let space = self.spaces.get_mut(name).expect("the space is there");
        SpaceMut { before: space.bytes, space, total: &mut self.bytes }
    }

    fn unknown_space(&self, name: &SpaceName) -> Rejection {
        let known = self.spaces.keys().take(KNOWN_SPACES_SHOWN).cloned().collect();
        Rejection::UnknownSpace { name: name.clone(), known }
    }

    /// The pool that an id names, with the addresses it is made of.
    pub(crate) fn find_pool(&self, id: &PoolId) -> Result<(&Space, &AddressSet, &Pool), Rejection> {
        let unknown = || Rejection::UnknownPool { pool: Box::new(id.clone()) };
        let space = self.space_or_refuse(&id.space)?;
        let set = space.sets.get(&id.prefix).ok_or_else(unknown)?;
        let pool = set.pools.get(&id.sub_pool).ok_or_else(unknown)?;
        // Ids carry an epoch in exclusive spaces only, and none that was never given.
        let exclusive = space.settings.sharing == Sharing::Exclusive;
        let given = |epoch| exclusive && pool.holders.iter().any(|held| epoch <= held.epoch);
        if id.epoch.is_none_or(given) { Ok((space, set, pool)) } else { Err(unknown()) }
    }

    pub(crate) fn client(&self, number: ClientNumber) -> Option<&Client> {
        self.clients.get(usize::try_from(number.0).ok()?)
    }

    pub(crate) fn client_mut(&mut self, number: ClientNumber) -> Option<&mut Client> {
        self.clients.get_mut(usize::try_from(number.0).ok()?)
    }

    pub(crate) fn client_name(&self, number: ClientNumber) -> ClientName {
        self.client(number).expect("claims name clients that exist").name.clone()
    }
}

/// A space that is being changed: what it takes then counts for the state, too.
pub(crate) struct SpaceMut<'a> {
    space: &'a mut Space,
    /// What it took before.
    before: u64,
    total: &'a mut u64,
}

impl Deref for SpaceMut<'_> {
    type Target = Space;

    fn deref(&self) -> &Space {
        self.space
    }
}

impl DerefMut for SpaceMut<'_> {
    fn deref_mut(&mut self) -> &mut Space {
        self.space
    }
}

impl Drop for SpaceMut<'_> {
    fn drop(&mut self) {
        *self.total = *self.total - self.before + self.space.bytes;
    }
}
