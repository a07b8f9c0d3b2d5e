//! What guards an agent's identity (rule 11): a lease in the cluster's state, so that a second live
//! process under the same name, on a cloned machine or a copied data directory, is refused.
//!
//! A process that follows another one in the same boot of the same host, on the same data, need not
//! wait for the lease of that one: it is known to be gone, because the data directory is locked.

use std::path::PathBuf;

use berth_allocator::{Incarnation, Millis};
use berth_codec::{Kind, Record};
use serde::{Deserialize, Serialize};

use crate::docker::{Place, boot};
use crate::file::{self, FileError};

/// A client's run, as its host notes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) incarnation: Incarnation,
    pub(super) instance: u128,
}

/// A run, and the boot and the place in which it was: a copy of the file is in another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    run: Run,
    boot: String,
    place: Place,
}

impl Record for Noted {
    const KIND: Kind = Kind::FrontEnd;
    const VERSION: u8 = 1;
    const LIMIT: usize = 256;
}

/// Where a client's run is noted. The directory must be locked by this process.
pub struct Identity {
    path: PathBuf,
}

impl Identity {
    /// How long an identity is held after a sign of life.
    pub(super) const LEASE: Millis = Millis::new(10_000);
    /// The time between two signs of life.
    pub(super) const RENEW_EVERY: std::time::Duration = std::time::Duration::from_secs(3);

    /// Notes runs in this file.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// A run of this boot, on this very file, which must be over.
    pub(super) fn earlier_run(&self) -> Option<Run> {
        let noted: Noted = file::read(&self.path).ok().flatten()?;
        let here =
            boot().as_ref() == Some(&noted.boot) && Place::of(&self.path) == Some(noted.place);
        here.then_some(noted.run)
    }

    /// Notes a run, before it counts.
    pub(super) fn begin(&self, run: Run) -> Result<(), FileError> {
        let Some(boot) = boot() else { return Ok(()) };
        let Some(place) = Place::of(&self.path) else { return Ok(()) };
        file::write(&self.path, &Noted { run, boot, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_known_where_it_was_and_in_no_copy() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let run = Run { incarnation: Incarnation::new(7), instance: 9 };
        let identity = Identity::new(dir.path().join("identity"));
        assert_eq!(identity.earlier_run(), None);
        identity.begin(run).unwrap();
        assert_eq!(identity.earlier_run(), Some(run));
        std::fs::copy(dir.path().join("identity"), other.path().join("identity")).unwrap();
        assert_eq!(Identity::new(other.path().join("identity")).earlier_run(), None);
    }
}
