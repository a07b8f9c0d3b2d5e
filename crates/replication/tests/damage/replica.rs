//! A replica's files: of a cluster of one node, which must have all that was acknowledged.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use berth_allocator::Response;
use berth_replication::{
    Config, Consistency, Deadline, Fingerprint, Member, NodeName, ProposeError, Replica,
    SystemClock, Tuning,
};

use tokio::runtime::Builder;

use crate::damage::copy;
use crate::ports::free_ports;
use crate::{Keeper, Kept, compare, registration, sweep, times};

struct Replicas {
    port: u16,
    snapshot_after: u64,
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

impl Replicas {
    fn config(&self, dir: &Path) -> Config {
        let address = format!("127.0.0.1:{}", self.port);
        let member = Member { name: NodeName::new("ada").unwrap(), address };
        let tuning = Tuning {
            heartbeat: Duration::from_millis(10),
            election: Duration::from_millis(30)..Duration::from_millis(60),
            snapshot_after: self.snapshot_after,
            log_keep: 3,
            ..Tuning::default()
        };
        let config = Config::of_member(&member, "damage", vec![member.clone()], dir.to_owned());
        Config { tuning, ..config }
    }

    /// One run: gives the state that was found, and the one after these clients have registered.
    fn run(&self, dir: &Path, clients: &[String]) -> Result<[Fingerprint; 2], Box<dyn Error>> {
        // Its end closes all files.
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async {
            let replica = Replica::start(self.config(dir), Arc::new(SystemClock)).await?;
            tokio::select! {
                // It may have to stop before it leads.
                fatal = async { replica.fatal().wait().await } => Err(fatal.into()),
                served = serve(&replica, clients) => served,
            }
        })
    }

    fn kept(&self) -> Kept {
        let (whole, older) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut fingerprint = None;
        for (run, clients) in [20, 0, 30, 7, 1].into_iter().enumerate() {
            let clients: Vec<_> = (0..clients).map(|number| format!("c{run}-{number}")).collect();
            fingerprint = Some(self.run(whole.path(), &clients).unwrap()[1]);
            if run == 1 {
                copy(whole.path(), older.path());
            }
        }
        Kept { whole, older, fingerprint: fingerprint.unwrap() }
    }
}

/// Waits until it leads, and has applied all that is committed; then has the clients register.
async fn serve(replica: &Replica, clients: &[String]) -> Result<[Fingerprint; 2], Box<dyn Error>> {
    replica.read(Consistency::Linearizable, soon(), |_| ()).await?;
    let found = replica.fingerprint().await;
    for client in clients {
        register(replica, client).await?;
    }
    Ok([found, replica.fingerprint().await])
}

async fn register(replica: &Replica, name: &str) -> Result<(), ProposeError> {
    let answer = replica.propose(registration(name), soon()).await?.answer;
    assert!(matches!(answer.outcome, Ok(Response::Registered(_))), "{answer:?}");
    Ok(())
}

impl Keeper for Replicas {
    fn start(&self, dir: &Path, was: &Fingerprint) -> Result<(), Box<dyn Error>> {
        let [found, after] = self.run(dir, &["new".to_owned()])?;
        compare(&found, was);
        let [again, _] = self.run(dir, &[])?;
        compare(&again, &after);
        Ok(())
    }
}

#[test]
fn a_damaged_replica_stops_or_is_whole() {
    let replicas = Replicas { port: free_ports(1)[0], snapshot_after: 10 };
    sweep("replica with snapshots", &replicas, &replicas.kept(), times(48));
}

#[test]
fn a_damaged_replica_without_snapshots_stops_or_is_whole() {
    let replicas = Replicas { port: free_ports(1)[0], snapshot_after: 1_000 };
    sweep("replica without snapshots", &replicas, &replicas.kept(), times(24));
}
