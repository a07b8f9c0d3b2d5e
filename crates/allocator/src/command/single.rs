//! Decodes the commands of a batch: all but another batch, so that hostile bytes cannot nest batches
//! until the stack ends.

use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Deserializer};

use super::{
    Command, FreeSuspect, OpenSession, Register, ReleaseAddress, ReleasePool, Renew,
    RequestAddress, RequestPool, Reserve,
};
use crate::names::{ClientName, SpaceName};
use crate::{PoolId, SpaceSettings};

/// The variants of [`Command`] before its last one, in the same order.
#[derive(Deserialize)]
#[serde(remote = "Command")]
enum Single {
    Register(Register),
    Renew(Renew),
    OpenSession(OpenSession),
    CreateSpace { name: SpaceName, settings: SpaceSettings },
    UpdateSpace { name: SpaceName, settings: SpaceSettings },
    DeleteSpace { name: SpaceName },
    RequestPool(RequestPool),
    ReleasePool(ReleasePool),
    RequestAddress(RequestAddress),
    ReleaseAddress(ReleaseAddress),
    Reserve(Reserve),
    Unreserve { space: SpaceName, first: IpAddr },
    FreeSuspect(FreeSuspect),
    ForgetHost { client: ClientName },
    DeclareBehind,
    ClearBehind { pool: PoolId },
}

#[derive(Deserialize)]
struct Element(#[serde(with = "Single")] Command);

pub(super) fn commands<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Command>, D::Error> {
    let elements = Vec::<Element>::deserialize(from)?;
    Ok(elements.into_iter().map(|Element(command)| command).collect())
}
