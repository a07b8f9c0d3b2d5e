//! What Raft's library drives.

use std::io;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};

use super::Applied;
use super::applied::Point;
use super::builder::SnapshotBuilder;
use crate::blocking;
use crate::failpoint::strike;
use crate::raft::{LogId, RecordError, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};
use crate::snapshot::{Header, Loaded, SnapshotFile, SnapshotStore};
use crate::{Fatal, UnknownLevel};

/// Applies the log to the shared state.
pub(crate) struct StateMachine {
    applied: Applied,
    snapshots: Arc<SnapshotStore>,
    fatal: Fatal,
}

impl StateMachine {
    /// Starts with what the newest snapshot holds.
    pub(crate) fn new(
        loaded: Option<Loaded>,
        snapshots: Arc<SnapshotStore>,
        fatal: Fatal,
    ) -> Result<Self, RecordError> {
        let point = loaded.map_or_else(
            || Ok(Point::default()),
            |Loaded { header, state }| {
                let meta = meta(header)?;
                Ok(Point::new(state, meta.last_log_id, meta.last_membership))
            },
        )?;
        Ok(Self { applied: Applied::new(point), snapshots, fatal })
    }

    /// Ends the process where the state is at a level that this build does not know.
    fn go_on(&self) -> io::Result<()> {
        let known = self.applied.read(UnknownLevel::check).0;
        known.map_err(|error| io::Error::other(self.fatal.raise("following the cluster", &error)))
    }

    /// The state, for readers.
    pub(crate) fn applied(&self) -> Applied {
        self.applied.clone()
    }
}

/// What a snapshot's header says, in the library's words.
pub(crate) fn meta(header: Header) -> Result<SnapshotMeta, RecordError> {
    Ok(SnapshotMeta {
        last_log_id: header.last.map(LogId::from),
        last_membership: StoredMembership::try_from(header.membership)?,
    })
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let point = self.applied.point();
        Ok((point.last, point.membership.clone()))
    }

    async fn apply<Entries>(&mut self, mut entries: Entries) -> io::Result<()>
    where
        Entries: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let id = entry.log_id;
            let answers = match entry.payload {
                EntryPayload::Blank => self.applied.apply(id, None, None),
                EntryPayload::Normal(proposal) => {
                    self.applied.apply(id, Some(proposal.batch()), None)
                }
                EntryPayload::Membership(membership) => {
                    let membership = StoredMembership::new(Some(id), membership);
                    self.applied.apply(id, None, Some(membership))
                }
            };
            self.go_on()?;
            if let Some(responder) = responder {
                responder.send(answers);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            point: self.applied.point().clone(),
            snapshots: Arc::clone(&self.snapshots),
            fatal: self.fatal.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotFile,
    ) -> io::Result<()> {
        strike("snapshot-install.before")?;
        let snapshots = Arc::clone(&self.snapshots);
        let installing = blocking::spawn(move || snapshots.install(snapshot));
        let installed = installing.await.map_err(io::Error::other)?;
        let state = installed
            .map_err(|error| io::Error::other(error.raise(&self.fatal, "installing a snapshot")))?;
        let (last, membership) = (meta.last_log_id, meta.last_membership.clone());
        strike("snapshot-install.after")?;
        strike("snapshot-swap.before")?;
        self.applied.replace(Point::new(state, last, membership));
        self.go_on()?;
        strike("snapshot-swap.after")
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let Some(snapshot) = self.snapshots.current() else { return Ok(None) };
        let meta = meta(snapshot.header.clone()).map_err(io::Error::other)?;
        Ok(Some(Snapshot { meta, snapshot }))
    }
}
