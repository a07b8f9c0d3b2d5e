//! What a simulator puts in the place of the machine: network, log's disk, randomness, and a window
//! through which it sees what nobody else is told.
//!
//! Only with the feature `sim`. Whatever runs within [`on`] is on a simulated machine; all else is as
//! ever, so that a build that has the feature works as one that has not. Time is tokio's, which the
//! simulator pauses, and [`crate::Clock`].

#[cfg(any(test, shuttle))]
pub(crate) mod bench;
mod disk;
mod event;
mod network;
mod runtime;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::sync::Arc;

pub(crate) use disk::Database;
pub use disk::{Disk, WriteFault};
pub use event::{Event, Position};
pub use network::{Accepting, Connecting, Listen, Stream};
pub(crate) use runtime::Runtime;

/// A simulated machine, on which one node runs.
pub trait Machine: Send + Sync + 'static {
    /// Fills the buffer with numbers that follow from the simulation's seed.
    fn fill_random(&self, bytes: &mut [u8]);

    /// The disk on which logs are.
    fn disk(&self) -> &Disk;

    /// Connects to `host:port`.
    fn connect(&self, address: &str) -> Connecting;

    /// Opens `host:port`.
    fn listen(&self, address: &str) -> std::io::Result<Box<dyn Listen>>;

    /// The name of its boot: another one after each loss of power.
    fn boot(&self) -> String;

    /// When a process of this boot began; nothing if it does not run.
    fn started(&self, pid: u32) -> Option<u64>;

    /// Its wall clock. A node has [`crate::Clock`]; only a canary asks here.
    fn now(&self) -> berth_allocator::Timestamp;

    /// Something happened that a checker may want to know.
    fn observe(&self, event: Event<'_>);
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<dyn Machine>>> = const { RefCell::new(None) };
}

/// Does something on a machine: everything that this thread starts or polls meanwhile is there.
pub fn on<T>(machine: &Arc<dyn Machine>, work: impl FnOnce() -> T) -> T {
    /// Leaves the machine, also when the work panics.
    struct Leave(Option<Arc<dyn Machine>>);

    impl Drop for Leave {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }

    let _leave = Leave(CURRENT.replace(Some(Arc::clone(machine))));
    work()
}

/// The machine that this is on, if it is a simulated one.
pub fn current() -> Option<Arc<dyn Machine>> {
    CURRENT.with_borrow(Clone::clone)
}

/// The batch at the time of whoever executes it, where that sin is committed.
#[cfg(feature = "canary")]
pub(crate) fn at_the_local_time(batch: &berth_allocator::Batch) -> Option<berth_allocator::Batch> {
    use berth_allocator::canary::{Canary, sins};
    let machine = current().filter(|_| sins(Canary::LocalClock))?;
    Some(berth_allocator::Batch { at: machine.now(), ..batch.clone() })
}

/// Tells the simulator, if there is one. `event` is made only then.
pub(crate) fn observe<'a>(event: impl FnOnce() -> Event<'a>) {
    if let Some(machine) = current() {
        machine.observe(event());
    }
}
