//! What a driver claims about itself where the contract leaves a choice.

use std::sync::Arc;
use std::time::Duration;

use crate::Peer;

/// What a driver claims. The default is libnetwork's own driver: in memory, one run, no replay.
#[derive(Clone)]
pub struct Profile {
    /// A released address or pool can be had again by a dynamic request at once, in libnetwork's
    /// order. `false`: it cools first, and cases that want it back at once are skipped.
    pub reuses_at_once: bool,
    /// The default local space has IPv6 ranges for automatic pools.
    pub automatic_v6: bool,
    /// When pools and addresses of the *global* space can be claimed again.
    pub global_replay: Replay,
    /// When those of the *local* space can.
    pub local_replay: Replay,
    /// The engine process of the given incarnation (0, 1, …), as the driver will see it in calls
    /// through the trait. A driver that looks the process up wants real ones here.
    pub engine: Arc<dyn Fn(u32) -> Peer + Send + Sync>,
    /// How long a case may take.
    pub case_deadline: Duration,
}

/// When an explicit request for what is held already is a replay, and granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Never: the driver forgets, or refuses.
    Never,
    /// Once after each `GetCapabilities`.
    OnHandshake,
    /// Once for each new engine process. Through a socket this cannot be shown: the suite is one
    /// process.
    OnNewProcess,
}

impl Default for Profile {
    fn default() -> Self {
        /// Above any real process id.
        const PID_BASE: u32 = 1 << 30;
        let engine = |incarnation| Peer { pid: Some(PID_BASE + incarnation), uid: 0, gid: 0 };
        Self {
            reuses_at_once: true,
            automatic_v6: false,
            global_replay: Replay::Never,
            local_replay: Replay::Never,
            engine: Arc::new(engine),
            case_deadline: Duration::from_mins(2),
        }
    }
}
