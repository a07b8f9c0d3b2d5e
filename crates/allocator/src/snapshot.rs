//! Snapshots: the whole state as a record, and back. What can be derived is not written; what is
//! read is checked, since the bytes may come from anywhere.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use berth_codec::{DecodeError, Kind, Record, decode_body};
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

use crate::address_set::AddressSet;
use crate::claim::{Claim, ClientNumber, Cooling, More};
use crate::invariants::Violation;
use crate::names::{PoolName, SpaceName, Text};
use crate::pool::Pool;
use crate::session::{Client, Session, Window};
use crate::settings::{Reservation, SpaceSettings};
use crate::space::Space;
use crate::token::Token;
use crate::{Family, Level, Prefix, Revision, SessionId, State, Timestamp};

/// A [`State`] in the form in which it is written and sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    revision: Revision,
    now: Timestamp,
    clients: Vec<Client>,
    spaces: Vec<SpacePart>,
    behind: Behind,
    tokens: Vec<Token>,
    #[serde(skip_serializing_if = "Level::is_first")]
    level: Level,
}

/// What of the state was restored, and when; by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Behind {
    state: Option<Revision>,
    spaces: BTreeMap<SpaceName, Revision>,
}

/// As version 1 had it, which could not be behind but in pools.
#[derive(Deserialize)]
struct First {
    revision: Revision,
    now: Timestamp,
    clients: Vec<Client>,
    spaces: Vec<SpacePart>,
}

/// As version 2 had it, which knew no tokens.
#[derive(Deserialize)]
struct Second {
    first: First,
    behind: Behind,
}

/// As version 3 has it, in which clusters of the first level write it still.
#[derive(Deserialize)]
struct Third {
    second: Second,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SpacePart {
    name: SpaceName,
    settings: SpaceSettings,
    reservations: Vec<Reservation>,
    sessions: BTreeMap<SessionId, Session>,
    latest: BTreeMap<Option<ClientNumber>, SessionId>,
    named: BTreeMap<(PoolName, Family), Prefix>,
    sets: Vec<SetPart>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SetPart {
    prefix: Prefix,
    cursor: Option<u128>,
    next_pool: u32,
    pools: Vec<Pool>,
    keys: Vec<(Text, u128)>,
    /// In order of their offsets. Several at one offset share it.
    claims: Vec<(u128, Claim)>,
    cooling: Vec<(u128, Cooling)>,
}

impl Record for Snapshot {
    const KIND: Kind = Kind::State;
    const VERSION: u8 = 4;
    /// 3 GiB: [`STATE_BYTES_MAX`](crate::limits::STATE_BYTES_MAX), and 1 GiB for what other limits
    /// hold small: sessions (400 MB where all hosts have one in all spaces), clients, settings
    /// (10 MB together), and the answers that clients have not heard.
    const LIMIT: usize = 3 << 30;

    fn version(&self) -> u8 {
        if self.level.is_first() { Self::VERSION - 1 } else { Self::VERSION }
    }

    fn upgrade(version: u8, body: &[u8]) -> Result<Self, DecodeError> {
        let third = match version {
            1 => Second::from(decode_body::<First>(Self::KIND, body)?).into(),
            2 => decode_body::<Second>(Self::KIND, body)?.into(),
            3 => decode_body(Self::KIND, body)?,
            found => return Err(DecodeError::UnknownVersion { kind: Self::KIND, found }),
        };
        let Third { second: Second { first, behind }, tokens } = third;
        let First { revision, now, clients, spaces } = first;
        let level = Level::FIRST;
        Ok(Self { revision, now, clients, spaces, behind, tokens, level })
    }
}

impl From<First> for Second {
    fn from(first: First) -> Self {
        Self { first, behind: Behind::default() }
    }
}

impl From<Second> for Third {
    fn from(second: Second) -> Self {
        Self { second, tokens: Vec::new() }
    }
}

/// A snapshot that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// Two entries where only one can be.
    #[error("the snapshot has {what} twice")]
    Twice {
        /// Of what.
        what: &'static str,
    },
    /// Something lies outside what holds it.
    #[error("the snapshot breaks an invariant")]
    Violation(#[source] Violation),
}

impl State {
    /// The state as it is written and sent.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            revision: self.revision,
            now: self.now,
            clients: self.clients.clone(),
            spaces: self.spaces.values().map(SpacePart::of).collect(),
            behind: Behind {
                state: self.behind,
                spaces: self
                    .spaces
                    .iter()
                    .filter_map(|(name, space)| Some((name.clone(), space.behind?)))
                    .collect(),
            },
            tokens: self.tokens.to_vec(),
            level: self.level,
        }
    }

    /// A hash of the state: equal on replicas that applied the same log.
    pub fn fingerprint(&self) -> u64 {
        berth_codec::fingerprint(&self.snapshot()).expect("a state can be encoded")
    }

    /// The state that a snapshot holds.
    pub fn restore(snapshot: Snapshot) -> Result<Self, RestoreError> {
        let Snapshot { revision, now, clients, spaces, behind, tokens, level } = snapshot;
        let behind_since = behind.state;
        let mut state =
            Self { revision, now, clients, behind: behind_since, level, ..Self::default() };
        for (client, number) in state.clients.iter().zip(0..) {
            let twice = state.client_numbers.insert(client.name.clone(), ClientNumber(number));
            once("a client", twice.is_none())?;
            let previous = client.previous.iter().map(|(_, window)| window);
            let in_order = previous.chain([&client.window]).all(Window::is_in_order);
            once("an answer", in_order)?;
        }
        for part in spaces {
            let mut space = part.restore()?;
            space.behind = behind.spaces.get(&space.name).copied();
            state.bytes += space.bytes;
            let twice = state.spaces.insert(space.name.clone(), space);
            once("a space", twice.is_none())?;
        }
        for token in tokens {
            once("a token", state.tokens.insert(token))?;
        }
        if let Some(unknown) = behind.spaces.keys().find(|name| !state.spaces.contains_key(*name)) {
            let (space, what) = (unknown.to_string(), "a space that is not there".to_string());
            let invariant = "a space is behind";
            return Err(RestoreError::Violation(Violation { invariant, space, what }));
        }
        state.check().map_err(RestoreError::Violation)?;
        Ok(state)
    }
}

impl SpacePart {
    fn of(space: &Space) -> Self {
        Self {
            name: space.name.clone(),
            settings: space.settings.clone(),
            reservations: space.reservations.values().cloned().collect(),
            sessions: space.sessions.clone(),
            latest: space.latest.clone(),
            named: space.named.clone(),
            sets: space.sets.values().map(SetPart::of).collect(),
        }
    }

    fn restore(self) -> Result<Space, RestoreError> {
        let mut space = Space::new(self.name, self.settings);
        for reservation in self.reservations {
            let first: IpAddr = reservation.first;
            once("a reservation", space.reservations.insert(first, reservation).is_none())?;
        }
        space.sessions = self.sessions;
        space.latest = self.latest;
        space.named = self.named;
        for part in self.sets {
            let prefix = part.prefix;
            once("a prefix", !space.sets.contains_key(&prefix))?;
            space.create_set(prefix);
            let set = space.sets.get_mut(&prefix).expect("it was made just now");
            part.restore(set)?;
        }
        let prefixes: Vec<Prefix> = space.sets.keys().copied().collect();
        for prefix in prefixes {
            space.recompute_taken(prefix, 0..=prefix.last_offset());
        }
        space.bytes = space.counted();
        Ok(space)
    }
}

impl SetPart {
    fn of(set: &AddressSet) -> Self {
        Self {
            prefix: set.prefix,
            cursor: set.cursor,
            next_pool: set.next_pool,
            pools: set.pools.values().cloned().collect(),
            keys: set.keys.iter().map(|(key, offset)| (key.clone(), offset)).collect(),
            claims: set.claims.iter().flat_map(separate).collect(),
            cooling: set.cooling.iter().map(|(offset, entry)| (offset, entry.clone())).collect(),
        }
    }

    fn restore(self, set: &mut AddressSet) -> Result<(), RestoreError> {
        set.cursor = self.cursor;
        set.next_pool = self.next_pool;
        for (key, offset) in self.keys {
            once("a key", set.keys.get(&key).is_none())?;
            set.keys.insert(&key, offset);
        }
        for pool in self.pools {
            once("a pool", set.pools.insert(pool.sub_pool, pool).is_none())?;
        }
        for (offset, claim) in self.claims {
            match set.claims.get_mut(offset) {
                Some(first) => first.more.get_or_insert_default().sharers.push(claim),
                None => drop(set.claims.insert(offset, claim)),
            }
        }
        for (offset, entry) in self.cooling {
            once("a cooling address", set.cooling.get(offset).is_none())?;
            set.cooling.insert(offset, entry);
        }
        Ok(())
    }
}

/// The claims on an address, each by itself.
fn separate((offset, first): (u128, &Claim)) -> impl Iterator<Item = (u128, Claim)> {
    let alone = |claim: &Claim| {
        let more = claim.more.as_ref();
        let owner = more.and_then(|more| more.owner.clone());
        let more = owner.map(|owner| Box::new(More { owner: Some(owner), sharers: Vec::new() }));
        Claim { more, ..claim.clone() }
    };
    first.all().map(move |claim| (offset, alone(claim)))
}

fn once(what: &'static str, once: bool) -> Result<(), RestoreError> {
    if once { Ok(()) } else { Err(RestoreError::Twice { what }) }
}
