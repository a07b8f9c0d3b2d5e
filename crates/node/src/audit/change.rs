//! What is asked for, as the record has it.

use std::borrow::Cow;
use std::net::IpAddr;

use berth_allocator::{Command, Evidence, PoolId, Response, SpaceName, Text, WantedPool};

use super::Asker;
use crate::role;

/// A change. It holds names and numbers, and no settings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// The command's kind, or the method and path of a request.
    pub(super) what: Cow<'static, str>,
    pub(super) space: Option<String>,
    pub(super) pool: Option<String>,
    /// Or the first and the last of several.
    pub(super) address: Option<String>,
    /// On whose behalf, where the asker says so.
    pub(super) client: Option<String>,
    /// The reason given.
    pub(super) note: Option<String>,
    /// One of the thousands that engines ask for.
    pub(super) routine: bool,
}

impl Change {
    /// The changes of a command: each of a batch, and none of one that only shows that a host lives.
    pub(super) fn all_of(asker: &Asker, command: &Command) -> Vec<Self> {
        let change = |command| {
            let change = Self::of(command);
            Self { routine: change.routine || *asker == Asker::Observer, ..change }
        };
        match command {
            Command::Batch(commands) => commands.iter().map(change).collect(),
            Command::Renew(_) => Vec::new(),
            command => vec![change(command)],
        }
    }

    fn of(command: &Command) -> Self {
        match command {
            Command::Register(_) => Self::named("register"),
            Command::Renew(_) => Self::named("renew"),
            Command::OpenSession(open) => Self::named("open-session").on(&open.space),
            Command::CreateSpace { name, .. } => Self::named("create-space").on(name),
            Command::UpdateSpace { name, .. } => Self::named("update-space").on(name),
            Command::DeleteSpace { name } => Self::named("delete-space").on(name),
            Command::RequestPool(request) => {
                let pool = match &request.wanted {
                    WantedPool::Exact { prefix, .. } => Some(prefix.to_string()),
                    WantedPool::Automatic { .. } => None,
                };
                Self { pool, ..Self::named("request-pool").on(&request.space) }
            }
            Command::ReleasePool(release) => Self::named("release-pool").about(&release.pool, None),
            Command::RequestAddress(request) => {
                let change = Self::named("request-address").about(&request.pool, request.address);
                Self { routine: true, ..change }
            }
            Command::ReleaseAddress(release) => {
                let address = Some(release.address);
                let change = Self::named("release-address").about(&release.pool, address);
                Self { routine: true, ..change }
            }
            Command::Reserve(reserve) => Self {
                address: Some(format!("{}-{}", reserve.first, reserve.last)),
                note: noted(Some(&reserve.note)),
                ..Self::named("reserve").on(&reserve.space)
            },
            Command::Unreserve { space, first } => {
                Self { address: Some(first.to_string()), ..Self::named("unreserve").on(space) }
            }
            Command::FreeSuspect(free) => {
                let note = match &free.evidence {
                    Evidence::Operator { note, .. } => noted(note.as_ref()),
                    Evidence::Observation { .. } => None,
                };
                Self { note, ..Self::named("free").about(&free.pool, free.address) }
            }
            Command::ForgetHost { client } => {
                Self { client: Some(client.to_string()), ..Self::named("forget-host") }
            }
            Command::DeclareBehind => Self::named("declare-behind"),
            Command::ClearBehind { pool } => Self::named("clear-behind").about(pool, None),
            Command::Resume { space } => {
                let space = space.as_ref().map(ToString::to_string);
                Self { space, ..Self::named("resume") }
            }
            Command::MakeToken(make) => Self {
                note: noted(Some(&make.note)),
                ..Self::named(format!("make-token {}", role::text(&make.role)))
            },
            Command::RevokeToken { token } => Self::named(format!("revoke-token {token}")),
            Command::UseToken { .. } => Self::named("use-token"),
            Command::RaiseLevel { to } => Self::named(format!("raise-level {to}")),
            Command::Batch(_) => Self::named("batch"),
        }
    }

    pub(super) fn named(what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    fn on(self, space: &SpaceName) -> Self {
        Self { space: Some(space.to_string()), ..self }
    }

    fn about(self, pool: &PoolId, address: Option<IpAddr>) -> Self {
        let address = address.map(|address| address.to_string());
        Self { pool: Some(pool.to_string()), address, ..self.on(&pool.space) }
    }

    /// What was chosen by the state machine is known now.
    pub(super) fn answered(&mut self, response: &Response) {
        match response {
            Response::Pool(grant) => self.pool = Some(grant.pool.to_string()),
            Response::Address(grant) => self.address = Some(grant.address.to_string()),
            _ => {}
        }
    }
}

fn noted(note: Option<&Text>) -> Option<String> {
    note.map(Text::to_string).filter(|note| !note.is_empty())
}
