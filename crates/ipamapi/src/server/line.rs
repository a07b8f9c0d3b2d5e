//! Whether the caller at the other end of a connection is still there.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::UnixStream;

/// The caller's end of a connection, beside the HTTP layer, which reads the stream itself.
pub(crate) struct Line(OwnedFd);

impl Line {
    /// The line to whoever connected. Costs a file descriptor.
    pub(crate) fn of(stream: &UnixStream) -> io::Result<Self> {
        stream.as_fd().try_clone_to_owned().map(Self)
    }

    /// Whether the other end is closed, or its sending side is. Where the kernel does not tell, it is
    /// there.
    pub(crate) fn is_hung_up(&self) -> bool {
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut line = [PollFd::new(&self.0, gone)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut line, Some(&now)).is_ok_and(|_| line[0].revents().intersects(gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_end_is_seen_at_once() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let line = Line::of(&ours).unwrap();
        assert!(!line.is_hung_up());
        drop(theirs);
        assert!(line.is_hung_up());
    }

    #[tokio::test]
    async fn unread_bytes_do_not_hide_it() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let line = Line::of(&ours).unwrap();
        theirs.try_write(b"release").unwrap();
        assert!(!line.is_hung_up());
        drop(theirs);
        assert!(line.is_hung_up());
    }
}
