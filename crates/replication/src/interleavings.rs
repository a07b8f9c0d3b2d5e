//! Every order in which tasks may meet: this crate's queues, locks and waiters under an explorer of
//! schedules (`docs/internals/interleavings.md`).
//!
//! Only with `--cfg shuttle`, which no release has. Tasks, channels and locks are the explorer's then, the
//! disk is the simulator's. `tests/interleavings.rs` runs what is here.

mod attendants;
mod commands;
mod join_set;
mod log;
mod reads;
mod state;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, Runner};

pub(crate) use join_set::JoinSetExt;

/// Schedules of each kind; `BERTH_SCHEDULES` sets another number.
const SCHEDULES: usize = 1_000;
/// Preemptions that a schedule of the second kind has at most.
const PREEMPTIONS_MAX: usize = 3;
/// Bytes of a task's stack. Encoding and the state's own types need more than the explorer's usual one.
const STACK_BYTES: usize = 1 << 20;
const SEED: u64 = 1;

/// What is explored.
#[derive(Debug, Clone, Copy)]
pub enum Exploration {
    /// Commands on their way to the leader.
    Commands,
    /// Reads that share a confirmation.
    Reads,
    /// The applied state and those who wait for it.
    State,
    /// The log: appended, cut, purged and read at once.
    Log,
    /// The log, read once while its end is replaced.
    CutLog,
    /// The log on a disk that fails.
    FailingLog,
    /// Agents that wait for questions.
    Attendants,
}

/// A known mistake, which its exploration must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sin {
    /// A caller who goes is told that nothing was done, although it was sent.
    DenyWhatWasSent,
    /// A round of reads serves those too who came after it began.
    ServeLateReads,
    /// An entry counts as applied before the state has it.
    AnnounceFirst,
    /// A write counts as readable before it was made.
    CountFirst,
    /// A read overlooks that entries were deleted meanwhile.
    OverlookTruncations,
    /// Writing goes on after a failed write.
    TryAgain,
    /// An answer is handed to whoever waits, whatever it answers.
    TakeAnyAnswer,
}

thread_local! {
    /// An exploration has one thread, whatever its tasks.
    static SIN: Cell<Option<Sin>> = const { Cell::new(None) };
}

/// Whether this mistake is made.
pub(crate) fn sins(sin: Sin) -> bool {
    SIN.get() == Some(sin)
}

impl Exploration {
    /// Explores: random schedules, then such with few preemptions at random places. Panics with the schedule
    /// of the first that fails; `BERTH_SCHEDULE` holds one to be repeated.
    pub fn pass(self) {
        if let Ok(schedule) = std::env::var("BERTH_SCHEDULE") {
            return self.explore(ReplayScheduler::new_from_encoded(&schedule));
        }
        let schedules = std::env::var("BERTH_SCHEDULES").ok();
        let schedules = schedules.and_then(|number| number.parse().ok()).unwrap_or(SCHEDULES);
        self.explore(RandomScheduler::new_from_seed(SEED, schedules));
        self.explore(PctScheduler::new_from_seed(SEED, PREEMPTIONS_MAX, schedules));
    }

    /// Makes a mistake, and gives what the exploration says of it; `None` if it finds nothing.
    pub fn catch(self, sin: Sin) -> Option<String> {
        SIN.set(Some(sin));
        let caught = catch_unwind(AssertUnwindSafe(|| self.pass()));
        SIN.set(None);
        let panic = caught.err()?;
        let told = panic.downcast_ref::<String>().cloned();
        Some(
            told.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                .unwrap_or_default(),
        )
    }

    fn explore(self, scheduler: impl Scheduler + 'static) {
        let mut config = Config::new();
        config.stack_size = STACK_BYTES;
        Runner::new(scheduler, config).run(move || {
            tokio::time::clear_triggers();
            match self {
                Self::Commands => commands::explore(),
                Self::Reads => reads::explore(),
                Self::State => state::explore(),
                Self::Log => log::explore(),
                Self::CutLog => log::explore_cut(),
                Self::FailingLog => log::explore_failure(),
                Self::Attendants => attendants::explore(),
            }
        });
    }
}

/// True, or false: the explorer tries both.
fn choose() -> bool {
    use shuttle::rand::RngCore;
    shuttle::rand::thread_rng().next_u32().is_multiple_of(2)
}
