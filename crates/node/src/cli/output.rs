//! Shows what was read: as a table for people, as JSON or YAML for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::{Failure, time};
use crate::api::types::{self, Consistency, Listing};
use crate::code::Code;

/// How to show what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For programs, and people.
    Yaml,
}

/// Shows a value; as a table, what `table` makes of it.
pub(super) fn show<T: Serialize>(
    format: Format,
    value: &T,
    table: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    let cannot = |error: String| {
        Failure::new(Code::StrangeAnswer, format!("the answer cannot be written: {error}"))
    };
    print(&match format {
        Format::Table => table(value),
        Format::Json => {
            serde_json::to_string_pretty(value).map_err(|error| cannot(error.to_string()))?
        }
        Format::Yaml => {
            serde_saphyr::to_string(value).map_err(|error| cannot(error.to_string()))?
        }
    })
}

/// Shows the items of a listing, and on standard error what must be known about them.
pub(super) fn show_all<T: Serialize>(
    format: Format,
    listing: &Listing<T>,
    table: impl FnOnce(&[T]) -> String,
) -> Result<(), Failure> {
    show(format, &listing.items, |items| table(items))?;
    if listing.truncated {
        note("there are more: name a space, a pool or an address");
    }
    if let Some(read) = &listing.read {
        tell_staleness(read);
    }
    Ok(())
}

/// Says how old what was read is, where it may be old.
pub(super) fn tell_staleness(read: &types::Reading) {
    if read.consistency == Consistency::Stale {
        let leader = read.leader.as_deref().unwrap_or("not known");
        let newest = match &read.as_of {
            Some(at) => format!("the newest change seen is of {}", time::with_age(at)),
            None => "no change was seen yet".to_owned(),
        };
        note(&format!("stale: {newest}; leader: {leader}"));
    }
}

/// Writes to standard output. A reader that has seen enough is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Code::StrangeAnswer, format!("cannot write the answer: {error}")))
        }
        _ => Ok(()),
    }
}

/// Shows how far something is, on a terminal, in place of what was shown before.
pub(super) fn progress(text: &str) {
    let mut terminal = io::stderr().lock();
    // Without a standard error there is nobody to tell.
    let _ = write!(terminal, "\r{text}\x1b[K").and_then(|()| terminal.flush());
}

/// Tells on standard error.
pub(super) fn note(text: &str) {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
