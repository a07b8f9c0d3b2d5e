//! A machine for one process that speaks to nobody.

use std::io;

use berth_allocator::Timestamp;

use super::{Connecting, Disk, Event, Listen, Machine};

/// A machine with nothing but a disk.
#[derive(Default)]
pub(crate) struct Bench(Disk);

impl Machine for Bench {
    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }

    fn disk(&self) -> &Disk {
        &self.0
    }

    fn connect(&self, _: &str) -> Connecting {
        Box::pin(async { Err(io::ErrorKind::HostUnreachable.into()) })
    }

    fn listen(&self, _: &str) -> io::Result<Box<dyn Listen>> {
        Err(io::ErrorKind::AddrNotAvailable.into())
    }

    fn boot(&self) -> String {
        String::new()
    }

    fn started(&self, _: u32) -> Option<u64> {
        None
    }

    fn now(&self) -> Timestamp {
        Timestamp::new(0)
    }

    fn observe(&self, _: Event<'_>) {}
}
