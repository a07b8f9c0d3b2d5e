//! What a backup says about itself.

use std::collections::BTreeMap;

use berth_allocator::{Revision, State, Timestamp};
use berth_codec::{Kind, Record};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::raft::{LogPosition, MembershipRecord, PeerRecord};
use crate::{ClusterId, LogIndex, NodeName, Term};

/// What a backup holds, before its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Whose state it is.
    pub(super) cluster: ClusterId,
    /// The last log entry that the state includes.
    pub(super) last: Option<LogPosition>,
    /// Who the members were.
    pub(super) nodes: BTreeMap<u64, PeerRecord>,
    /// Commands that the state has executed.
    pub(super) revision: u64,
    /// When it was made, by the clock of the node that made it.
    pub(super) taken: Timestamp,
    /// That node.
    pub(super) node: String,
    /// The version of Berth that made it.
    pub(super) version: String,
    /// How many spaces, pools and claimed addresses there are.
    pub(super) counts: [u64; 3],
    /// The state's fingerprint.
    pub(super) fingerprint: u64,
    /// Bytes of the state record that follows.
    pub(super) state_bytes: u64,
}

impl Record for Header {
    const KIND: Kind = Kind::Backup;
    /// The format of the whole file.
    const VERSION: u8 = 1;
    const LIMIT: usize = 1 << 20;
}

impl Header {
    pub(super) fn new(
        (cluster, node): (ClusterId, &NodeName),
        taken: Timestamp,
        (last, membership): (Option<LogPosition>, &MembershipRecord),
        state: &State,
    ) -> Self {
        let spaces: Vec<_> = state.spaces().map(|space| (space.pools, space.addresses)).collect();
        let counts = [
            spaces.len() as u64,
            spaces.iter().map(|(pools, _)| pools).sum(),
            spaces.iter().map(|(_, addresses)| addresses).sum(),
        ];
        Self {
            cluster,
            last,
            nodes: membership.nodes.clone(),
            revision: state.revision().get(),
            taken,
            node: node.as_str().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            counts,
            fingerprint: 0,
            state_bytes: 0,
        }
    }

    /// Tells this backup from every other one.
    pub(super) fn digest(&self) -> [u8; 32] {
        let bytes = berth_codec::encode(self).expect("a header is shorter than its limit");
        Sha256::digest(bytes).into()
    }

    pub(super) fn info(&self) -> BackupInfo {
        let [spaces, pools, addresses] = self.counts;
        BackupInfo {
            cluster: self.cluster,
            taken: self.taken,
            node: self.node.clone(),
            version: self.version.clone(),
            members: self.nodes.values().map(|node| node.name.clone()).collect(),
            index: LogIndex::new(self.last.map_or(0, |last| last.index)),
            term: Term::new(self.last.map_or(0, |last| last.term)),
            revision: Revision::new(self.revision),
            spaces,
            pools,
            addresses,
            fingerprint: self.fingerprint,
            state_bytes: self.state_bytes,
        }
    }
}

/// What a backup says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupInfo {
    /// Whose state it is.
    pub cluster: ClusterId,
    /// When it was made, by the clock of the node that made it.
    pub taken: Timestamp,
    /// That node.
    pub node: String,
    /// The version of Berth that made it.
    pub version: String,
    /// The members' names then.
    pub members: Vec<String>,
    /// The last log entry that it includes.
    pub index: LogIndex,
    /// The term of that entry.
    pub term: Term,
    /// Commands that the state has executed.
    pub revision: Revision,
    /// How many spaces there are.
    pub spaces: u64,
    /// How many pools.
    pub pools: u64,
    /// How many claimed addresses.
    pub addresses: u64,
    /// The state's fingerprint.
    pub fingerprint: u64,
    /// Bytes of the state's record.
    pub state_bytes: u64,
}

/// An example of the encoding.
#[cfg(test)]
pub(super) fn golden() -> String {
    crate::golden::line("backup-header", &example())
}

#[cfg(test)]
pub(super) fn example() -> Header {
    let peer = PeerRecord { name: "a".into(), address: "h:1".into() };
    Header {
        cluster: ClusterId::new([7; 16]),
        last: Some(LogPosition { term: 3, leader: 2, index: 1_000 }),
        nodes: BTreeMap::from([(1, peer)]),
        revision: 1_200,
        taken: Timestamp::new(1_700_000_000_000),
        node: "a".into(),
        version: "0.1.0".into(),
        counts: [1, 2, 3],
        fingerprint: 0x0102_0304_0506_0708,
        state_bytes: 9,
    }
}
