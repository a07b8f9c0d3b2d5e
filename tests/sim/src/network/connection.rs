//! One connection: two pipes, and how far its end has come.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::task::Waker;

use super::{HostId, Micros};

/// Bytes that a pipe takes before its writer waits.
const PIPE_BYTES: usize = 256 << 10;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was asked for.
    Greeting { due: Micros },
    /// Nobody listens there.
    Refused,
    /// Bytes flow.
    Open,
    /// It broke.
    Broken,
}

/// One direction.
#[derive(Default)]
pub(super) struct Pipe {
    /// What is on its way, with the time of its arrival. Empty bytes are the end.
    coming: VecDeque<(Micros, Vec<u8>)>,
    arrived: VecDeque<u8>,
    bytes_coming: usize,
    /// The reader has seen the end, or will after what has arrived.
    ended: bool,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A connection. Side 0 asked for it.
pub(super) struct Connection {
    pub(super) hosts: [HostId; 2],
    pub(super) stage: Stage,
    /// Pipe 0 goes from side 0 to side 1.
    pipes: [Pipe; 2],
    /// Which sides somebody holds.
    held: [bool; 2],
    /// Sides whose host lost power: whoever is there later knows nothing of this connection.
    lost: [bool; 2],
    /// When the other side is told that a process ended.
    reset_at: Option<Micros>,
    connector: Option<Waker>,
}

impl Connection {
    pub(super) fn new(hosts: [HostId; 2], due: Micros) -> Self {
        Self {
            hosts,
            stage: Stage::Greeting { due },
            pipes: Default::default(),
            // The other side is held by the port's queue, once there is one.
            held: [true, true],
            lost: [false; 2],
            reset_at: None,
            connector: None,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    pub(super) fn is_over(&self) -> bool {
        !self.held[0] && (self.stage != Stage::Open || !self.held[1])
    }

    pub(super) fn establish(&mut self, wakers: &mut Vec<Waker>) {
        self.stage = Stage::Open;
        wakers.extend(self.connector.take());
    }

    pub(super) fn refuse(&mut self, wakers: &mut Vec<Waker>) {
        self.stage = Stage::Refused;
        self.held[1] = false;
        wakers.extend(self.connector.take());
    }

    pub(super) fn await_connection(&mut self, waker: &Waker) {
        self.connector = Some(waker.clone());
    }

    /// Both ends learn that it is over.
    pub(super) fn reset(&mut self, wakers: &mut Vec<Waker>) {
        self.stage = Stage::Broken;
        for pipe in &mut self.pipes {
            wakers.extend(pipe.reader.take());
            wakers.extend(pipe.writer.take());
        }
    }

    /// A host's process is gone, with or without its kernel.
    pub(super) fn abandon(&mut self, host: HostId, power: bool, now: Micros) {
        for side in [0, 1].into_iter().filter(|side| self.hosts[*side] == host) {
            if !self.held[side] {
                continue;
            }
            self.held[side] = false;
            if power {
                self.reset_at = Some(now);
            } else {
                self.lost[side] = true;
            }
            if matches!(self.stage, Stage::Greeting { .. }) && side == 0 {
                self.stage = Stage::Broken;
            }
        }
    }

    /// Moves what has arrived to where it can be read.
    pub(super) fn deliver(
        &mut self,
        now: Micros,
        open: impl Fn(HostId, HostId) -> bool,
        up: &BTreeSet<HostId>,
        wakers: &mut Vec<Waker>,
        mut note: impl FnMut(&[u8]),
    ) {
        let [a, b] = self.hosts;
        if self.reset_at.is_some_and(|at| at < now) && open(a, b) && open(b, a) {
            return self.reset(wakers);
        }
        for (side, pipe) in self.pipes.iter_mut().enumerate() {
            let (from, to) = (self.hosts[side], self.hosts[1 - side]);
            if !open(from, to) {
                continue;
            }
            let mut any = false;
            while let Some((due, _)) = pipe.coming.front()
                && *due <= now
            {
                if self.lost[1 - side] {
                    // Without power it waits; with it, a host that knows of nothing refuses.
                    if up.contains(&to) {
                        self.reset_at = Some(now);
                    }
                    break;
                }
                let Some((_, bytes)) = pipe.coming.pop_front() else { break };
                pipe.bytes_coming -= bytes.len();
                pipe.ended |= bytes.is_empty();
                note(&bytes);
                pipe.arrived.extend(bytes);
                any = true;
            }
            if any {
                wakers.extend(pipe.reader.take());
                wakers.extend(pipe.writer.take());
            }
        }
    }

    /// Reads into the buffer; `None` if there is nothing yet, 0 at the end.
    pub(super) fn read(
        &mut self,
        side: usize,
        buffer: &mut [u8],
        waker: &Waker,
    ) -> Option<io::Result<usize>> {
        let pipe = &mut self.pipes[1 - side];
        if !pipe.arrived.is_empty() {
            let count = buffer.len().min(pipe.arrived.len());
            for (to, from) in buffer.iter_mut().zip(pipe.arrived.drain(..count)) {
                *to = from;
            }
            return Some(Ok(count));
        }
        if self.stage == Stage::Broken {
            return Some(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if pipe.ended {
            return Some(Ok(0));
        }
        pipe.reader = Some(waker.clone());
        None
    }

    /// Writes bytes that arrive at `due`; `None` if the pipe is full.
    pub(super) fn write(
        &mut self,
        side: usize,
        bytes: &[u8],
        due: Micros,
        waker: &Waker,
    ) -> Option<io::Result<usize>> {
        let pipe = &mut self.pipes[side];
        if self.stage == Stage::Broken || pipe.closed {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = PIPE_BYTES.saturating_sub(pipe.bytes_coming + pipe.arrived.len());
        let count = room.min(bytes.len());
        if count == 0 && !bytes.is_empty() {
            pipe.writer = Some(waker.clone());
            return None;
        }
        pipe.send(bytes[..count].to_vec(), due);
        Some(Ok(count))
    }

    /// Ends one direction.
    pub(super) fn close(&mut self, side: usize, due: Micros) {
        let pipe = &mut self.pipes[side];
        if !pipe.closed {
            pipe.closed = true;
            pipe.send(Vec::new(), due);
        }
    }

    /// Nobody holds this side any more.
    pub(super) fn leave(&mut self, side: usize, due: Micros, now: Micros) {
        if !self.held[side] {
            return;
        }
        self.held[side] = false;
        // What was sent still arrives, and then the other side learns that nobody reads.
        self.close(side, due);
        self.reset_at = self.reset_at.or(Some(now.max(due)));
    }

    pub(super) fn holds(&self, side: usize) -> bool {
        self.held[side]
    }
}

impl Pipe {
    fn send(&mut self, bytes: Vec<u8>, due: Micros) {
        // Nothing overtakes what was sent before.
        let due = self.coming.back().map_or(due, |(before, _)| due.max(*before));
        self.bytes_coming += bytes.len();
        self.coming.push_back((due, bytes));
    }
}
