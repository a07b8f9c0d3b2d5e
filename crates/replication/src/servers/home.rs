//! Which cluster an agent belongs to: the first that it met. Another one is refused, so that a wrong
//! address does not mix up two clusters' addresses.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use berth_codec::{Kind, Record};
use serde::{Deserialize, Serialize};

use crate::ClusterId;
use crate::failpoint::strike;

const FILE: &str = "cluster";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Met {
    cluster: ClusterId,
}

impl Record for Met {
    const KIND: Kind = Kind::FrontEnd;
    const VERSION: u8 = 1;
    const LIMIT: usize = 64;
}

/// Where the cluster is noted.
pub(crate) struct Home {
    dir: PathBuf,
    cluster: Mutex<Option<ClusterId>>,
}

impl Home {
    /// What is noted in a directory, which is made if it does not exist. An error comes with the file.
    pub(crate) fn open(dir: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let path = dir.join(FILE);
        fs::create_dir_all(dir).map_err(|error| (dir.to_owned(), error))?;
        let cluster = match fs::read(&path) {
            Ok(bytes) => match berth_codec::decode::<Met>(&bytes) {
                Ok(met) => Some(met.cluster),
                Err(error) => return Err((path, io::Error::other(error))),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err((path, error)),
        };
        Ok(Self { dir: dir.to_owned(), cluster: Mutex::new(cluster) })
    }

    /// The cluster, once it was met.
    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        *self.met()
    }

    /// Meets a cluster; gives the one that this host belongs to. The first is noted, durably. Blocks.
    pub(crate) fn meet(&self, cluster: ClusterId) -> io::Result<ClusterId> {
        let mut met = self.met();
        if let Some(known) = *met {
            return Ok(known);
        }
        let bytes = berth_codec::encode(&Met { cluster }).map_err(io::Error::other)?;
        let (temporary, path) = (self.dir.join(format!("{FILE}.tmp")), self.dir.join(FILE));
        strike("home-write.before")?;
        let mut file = File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        strike("home-write.after")?;
        strike("home-rename.before")?;
        fs::rename(&temporary, &path)?;
        File::open(&self.dir)?.sync_all()?;
        strike("home-rename.after")?;
        *met = Some(cluster);
        Ok(cluster)
    }

    fn met(&self) -> std::sync::MutexGuard<'_, Option<ClusterId>> {
        self.cluster.lock().expect("nothing panics while it holds the cluster")
    }
}

/// An example of the encoding.
#[cfg(test)]
pub(crate) fn golden() -> String {
    crate::golden::line("agents-cluster", &Met { cluster: ClusterId::new([7; 16]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cluster_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (ClusterId::new([1; 16]), ClusterId::new([2; 16]));
        let home = Home::open(dir.path()).unwrap();
        assert_eq!(home.cluster(), None);
        assert_eq!(home.meet(one).unwrap(), one);
        let home = Home::open(dir.path()).unwrap();
        assert_eq!(home.cluster(), Some(one));
        assert_eq!(home.meet(other).unwrap(), one);
        fs::write(dir.path().join(FILE), "garbage").unwrap();
        assert!(Home::open(dir.path()).is_err());
    }
}
