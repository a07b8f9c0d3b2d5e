//! Decodes the commands of a batch: all but another batch, so that hostile bytes cannot nest batches
//! until the stack ends.

use alloc::vec::Vec;
use core::net::IpAddr;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::{
    Command, FreeSuspect, OpenSession, Register, ReleaseAddress, ReleasePool, Renew,
    RequestAddress, RequestPool, Reserve,
};
use crate::names::{ClientName, SpaceName, Text};
use crate::{Level, MakeToken, PoolId, SpaceSettings, TokenHash, TokenId};

/// The variants of [`Command`], in the same order.
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
    Batch(#[serde(deserialize_with = "nested")] Vec<Command>),
    Resume { space: Option<SpaceName> },
    MakeToken(MakeToken),
    RevokeToken { token: TokenId },
    UseToken { hash: TokenHash, by: Text },
    RaiseLevel { to: Level },
}

#[derive(Deserialize)]
struct Element(#[serde(with = "Single")] Command);

fn nested<'de, D: Deserializer<'de>>(_: D) -> Result<Vec<Command>, D::Error> {
    Err(D::Error::custom("a batch inside a batch"))
}

pub(super) fn commands<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Command>, D::Error> {
    let elements = Vec::<Element>::deserialize(from)?;
    Ok(elements.into_iter().map(|Element(command)| command).collect())
}
