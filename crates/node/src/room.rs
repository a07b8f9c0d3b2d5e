//! Room on the disk. Below the reserve a host gives nothing new, so that what it must write it still can:
//! releases, entries of the leader's, snapshots, a new log. A write that fails ends the process.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use berth_replication::{Deadline, Gate, Replica, Role};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::api::types::Disk;
use crate::config::LiveConfig;

/// Between two looks at the file system.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a look may take before it counts as failed.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// There is room again once this part of the reserve is free beyond it, so that it does not come and go.
const BEYOND: u64 = 8;
/// How long another node may take to lead.
const HANDOVER_MAX: Duration = Duration::from_secs(3);
/// Between two attempts to have another node lead: it may have no room either.
const HANDOVER_EVERY: Duration = Duration::from_secs(30);

/// Watches the room on a host's disk. Clones are the same.
#[derive(Clone)]
pub(crate) struct Room(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    live: LiveConfig,
    gates: Vec<Gate>,
    replica: Option<Replica>,
    seen: Mutex<Disk>,
}

impl Room {
    /// Looks a first time, so that a host without room gives nothing from the beginning.
    pub(crate) async fn new(
        dir: PathBuf,
        live: LiveConfig,
        ledger: Gate,
        replica: Option<Replica>,
    ) -> Self {
        let gates = std::iter::once(ledger).chain(replica.iter().map(|it| it.gate().clone()));
        let gates = gates.collect();
        let room = Self(Arc::new(Inner { dir, live, gates, replica, seen: Mutex::default() }));
        room.take(room.look().await);
        room
    }

    /// What the last look showed.
    pub(crate) fn seen(&self) -> Disk {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps looking.
    pub(crate) async fn watch(self) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tried: Option<Instant> = None;
        loop {
            looks.tick().await;
            let seen = self.look().await;
            let leads = |replica: &&Replica| replica.status().role == Role::Leader;
            if seen.refuses.is_some()
                && tried.is_none_or(|tried| tried.elapsed() >= HANDOVER_EVERY)
                && let Some(replica) = self.0.replica.as_ref().filter(leads)
            {
                // First, so that nobody is refused what another leader can give.
                tried = Some(Instant::now());
                let handed_over = replica.hand_over(Deadline::after(HANDOVER_MAX)).await;
                tracing::warn!(handed_over, "a leader whose disk has little room");
            }
            self.take(seen);
        }
    }

    /// Looks once. What cannot be seen is as it was.
    async fn look(&self) -> Disk {
        let dir = self.0.dir.clone();
        let looking = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&dir));
        let found = match timeout(LOOK_MAX, looking).await {
            Ok(Ok(Ok(found))) => found,
            Ok(Ok(Err(error))) => return self.unseen(&error.to_string()),
            _ => return self.unseen("the file system does not answer"),
        };
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        let reserve =
            self.0.live.get().disk_reserve.of(found.f_blocks.saturating_mul(found.f_frsize));
        let beyond = self.seen().refuses.map_or(0, |_| reserve / BEYOND);
        let wanted = reserve.saturating_add(beyond);
        let refuses = (free < wanted).then(|| self.text(free, wanted));
        Disk { free, reserve, refuses }
    }

    fn unseen(&self, reason: &str) -> Disk {
        tracing::warn!(dir = %self.0.dir.display(), %reason, "the room on the disk cannot be seen");
        self.seen()
    }

    fn take(&self, disk: Disk) {
        for gate in &self.0.gates {
            disk.refuses.clone().map_or_else(|| gate.open(), |text| gate.close(text));
        }
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match (&seen.refuses, &disk.refuses) {
            (None, Some(text)) => tracing::error!("{text}"),
            (Some(_), None) => {
                tracing::info!(free = %mebibytes(disk.free), "the disk has room again");
            }
            _ => {}
        }
        *seen = disk;
    }

    fn text(&self, free: u64, wanted: u64) -> String {
        format!(
            "the file system of {} has {} free, less than the reserve of {}: nothing new is given \
             here until there is more, what is held stays and can be released; remove what is not \
             needed there, or lower --disk-reserve",
            self.0.dir.display(),
            mebibytes(free),
            mebibytes(wanted)
        )
    }
}

/// Rounded down.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
