//! Building a snapshot beside the work: from a clone of the state, which shares its bulk.

use std::io;
use std::sync::Arc;

use openraft::RaftSnapshotBuilder;

use super::applied::Point;
use crate::Fatal;
use crate::blocking;
use crate::failpoint::strike;
use crate::raft::{LogPosition, MembershipRecord, Snapshot, SnapshotMeta, TypeConfig};
use crate::snapshot::{SnapshotFile, SnapshotStore};

/// Writes one snapshot of one point.
pub(crate) struct SnapshotBuilder {
    pub(super) point: Point,
    pub(super) snapshots: Arc<SnapshotStore>,
    pub(super) fatal: Fatal,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let Point { state, last, membership, .. } = self.point.clone();
        let meta = SnapshotMeta { last_log_id: last, last_membership: membership.clone() };
        let snapshots = Arc::clone(&self.snapshots);
        strike("snapshot-build.before")?;
        let writing = blocking::spawn(move || {
            let last = last.as_ref().map(LogPosition::from);
            snapshots.write(last, MembershipRecord::from(&membership), &state)
        });
        let written = writing.await.map_err(io::Error::other)?;
        let snapshot = written
            .map_err(|error| io::Error::other(error.raise(&self.fatal, "writing a snapshot")))?;
        strike("snapshot-build.after")?;
        Ok(Snapshot { meta, snapshot })
    }
}
