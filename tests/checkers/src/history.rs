//! A history: all that clients did, and what was there in the end. Kept as JSON Lines, so that it can
//! be looked at and checked again.

use std::io::{self, BufRead, Write};

use berth_allocator::PoolId;
use serde::{Deserialize, Serialize};

use crate::{Listed, Operation, Scope};

/// All that clients did, and what was there in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// In any order.
    pub operations: Vec<Operation>,
    /// Every pool that was there when all was over, once all nodes were well again; nothing if nobody
    /// looked.
    pub last: Option<Vec<Listing>>,
}

/// A pool and its claimed addresses, when all was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Whose state it is in.
    pub scope: Scope,
    /// Which host listed it; in a local scope, whose it is.
    pub host: String,
    /// The pool.
    #[serde(with = "crate::text")]
    pub pool: PoolId,
    /// Its addresses that are claimed: held, stale or suspect.
    pub addresses: Vec<Listed>,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Operation(Box<Operation>),
    /// A look at everything; the pools found there follow.
    Looked,
    Found(Listing),
}

/// A history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error("cannot read line {line}")]
    Io {
        /// Which, from 1.
        line: usize,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// A line is none of ours.
    #[error("line {line} is not part of a history")]
    Line {
        /// Which, from 1.
        line: usize,
        /// The reason.
        #[source]
        source: serde_json::Error,
    },
}

impl History {
    /// Reads JSON Lines.
    pub fn read(from: impl BufRead) -> Result<Self, ReadError> {
        let mut history = Self::default();
        for (text, line) in from.lines().zip(1..) {
            let text = text.map_err(|source| ReadError::Io { line, source })?;
            let read = serde_json::from_str(&text);
            match read.map_err(|source| ReadError::Line { line, source })? {
                Line::Operation(operation) => history.operations.push(*operation),
                Line::Looked => history.last = Some(Vec::new()),
                Line::Found(listing) => history.last.get_or_insert_default().push(listing),
            }
        }
        Ok(history)
    }

    /// Writes JSON Lines.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        let mut line = |line: &Line| {
            serde_json::to_writer(&mut to, line)?;
            to.write_all(b"\n")
        };
        for operation in &self.operations {
            line(&Line::Operation(Box::new(operation.clone())))?;
        }
        if let Some(listings) = &self.last {
            line(&Line::Looked)?;
            for listing in listings {
                line(&Line::Found(listing.clone()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Script, address};

    #[test]
    fn what_is_written_is_read() {
        let mut script = Script::new();
        script.pool(1);
        script.given(1, "10.0.0.2");
        script.unknown_release(1, "10.0.0.2");
        let history =
            History { last: Some(vec![script.listing(&[("10.0.0.2", 1)])]), ..script.history() };
        let mut bytes = Vec::new();
        history.write(&mut bytes).unwrap();
        assert_eq!(History::read(&bytes[..]).unwrap(), history);
        assert_eq!(history.last.unwrap()[0].addresses[0].address, address("10.0.0.2"));
    }

    #[test]
    fn a_line_of_something_else_is_named() {
        let error = History::read(&b"\"looked\"\n{}\n"[..]).unwrap_err();
        assert!(matches!(error, ReadError::Line { line: 2, .. }), "{error}");
    }
}
