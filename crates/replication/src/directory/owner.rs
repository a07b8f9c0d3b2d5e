//! The record that says whom a data directory belongs to.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use berth_codec::{DecodeError, Kind, Record};
use serde::{Deserialize, Serialize};

use super::error::{DirectoryError, io_error};
use crate::ClusterId;
use crate::failpoint::strike;
use crate::raft::PeerRecord;

/// Its file in the data directory.
pub(super) const RECORD_FILE: &str = "berth.directory";
/// A record has some hundred peers, at most 27 bytes each, and some members' names and addresses.
const RECORD_BYTES_MAX: usize = 64 << 10;

/// Whom a data directory belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(super) cluster: ClusterId,
    pub(super) node: u64,
    pub(super) name: String,
    pub(super) instance: u128,
    /// Other nodes' directories, as first met.
    pub(super) peers: BTreeMap<u64, u128>,
    /// How the node became a member, if it is no first one.
    pub(super) admitted: Option<Admitted>,
}

/// How a node became a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Admitted {
    /// The log entry that made it one.
    pub(super) since: u64,
    /// The other members by then.
    pub(super) members: BTreeMap<u64, PeerRecord>,
}

/// As version 1 had it: all nodes were first members.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct First {
    cluster: ClusterId,
    node: u64,
    name: String,
    instance: u128,
    peers: BTreeMap<u64, u128>,
}

impl Record for Owner {
    const KIND: Kind = Kind::DataDirectory;
    /// The format of the whole directory.
    const VERSION: u8 = 2;
    const LIMIT: usize = RECORD_BYTES_MAX;

    fn upgrade(version: u8, body: &[u8]) -> Result<Self, DecodeError> {
        if version != 1 {
            return Err(DecodeError::UnknownVersion { kind: Self::KIND, found: version });
        }
        let First { cluster, node, name, instance, peers } =
            berth_codec::decode_body(Self::KIND, body)?;
        Ok(Self { cluster, node, name, instance, peers, admitted: None })
    }
}

impl Owner {
    /// What a data directory's record says, if there is one.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, DirectoryError> {
        let record = dir.join(RECORD_FILE);
        match fs::read(&record) {
            Ok(bytes) => berth_codec::decode(&bytes)
                .map(Some)
                .map_err(|source| DirectoryError::Unreadable { path: record, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error("read", &record, source)),
        }
    }

    /// Replaces the record: a crash leaves the old one or the new one.
    pub(super) fn write(&self, dir: &Path) -> Result<(), DirectoryError> {
        let (temporary, record) = (dir.join(temporary_name()), dir.join(RECORD_FILE));
        let bytes = berth_codec::encode(self).map_err(io::Error::other);
        let written = bytes.and_then(|bytes| {
            strike("directory-write.before")?;
            let mut file = File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            strike("directory-write.after")?;
            strike("directory-rename.before")?;
            fs::rename(&temporary, &record)?;
            File::open(dir)?.sync_all()?;
            strike("directory-rename.after")
        });
        written.map_err(|source| io_error("write", &record, source))
    }
}

/// What is written, until it has the record's name.
pub(super) fn temporary_name() -> String {
    format!("{RECORD_FILE}.tmp")
}

#[cfg(test)]
impl Record for First {
    const KIND: Kind = Kind::DataDirectory;
    const VERSION: u8 = 1;
    const LIMIT: usize = RECORD_BYTES_MAX;
}

/// An example of each encoding.
#[cfg(test)]
pub(crate) fn golden() -> String {
    let member = PeerRecord { name: "a".into(), address: "h:1".into() };
    let owner = Owner {
        cluster: ClusterId::new([7; 16]),
        node: 20,
        name: "b".into(),
        instance: 5,
        peers: BTreeMap::from([(1, 6)]),
        admitted: Some(Admitted { since: 4, members: BTreeMap::from([(1, member)]) }),
    };
    let (cluster, instance, peers) = (owner.cluster, owner.instance, owner.peers.clone());
    let first = First { cluster, node: 2, name: "b".into(), instance, peers };
    let lines = [
        crate::golden::line("data-directory", &first),
        crate::golden::line("data-directory-2", &owner),
    ];
    lines.concat()
}
