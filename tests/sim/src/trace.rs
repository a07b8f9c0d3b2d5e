//! What happened, in order: the last of it to be read, and a hash of all of it to compare runs by.

use std::collections::VecDeque;
use std::fmt::{Arguments, Write as _};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

/// Events kept to be shown.
const KEPT: usize = 200;

/// The trace of one run.
pub(crate) struct Trace {
    hash: Xxh3,
    events: u64,
    last: VecDeque<String>,
    file: Option<BufWriter<File>>,
}

impl Trace {
    /// A trace; also into a file, if there is to be one.
    pub(crate) fn new(file: Option<&Path>) -> io::Result<Self> {
        let file = file.map(File::create).transpose()?.map(BufWriter::new);
        Ok(Self { hash: Xxh3::new(), events: 0, last: VecDeque::new(), file })
    }

    /// Notes an event at this many simulated microseconds.
    pub(crate) fn event(&mut self, at: u64, what: Arguments<'_>) {
        let mut line = String::new();
        // Writing to a string does not fail.
        let _ = write!(line, "{:>4}.{:06} {what}", at / 1_000_000, at % 1_000_000);
        self.hash.update(line.as_bytes());
        self.events += 1;
        if let Some(file) = &mut self.file {
            // Whoever compares traces sees that one is short.
            let _ = writeln!(file, "{line}");
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// Notes bytes that are not worth a line.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    /// A hash of all that was noted: equal traces have equal ones.
    pub(crate) fn digest(&self) -> u64 {
        self.hash.digest()
    }

    /// How many events there were.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    /// The last events.
    pub(crate) fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }
}
