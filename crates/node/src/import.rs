//! An export, brought into another cluster: the file is read and checked as a whole, tried on a copy of the
//! state, and then carried out.
//!
//! *Invariants:* nothing is changed unless all of the file would be granted as the state is. Until the last
//! address is claimed the spaces are closed: a reservation of all addresses keeps them from requests for
//! any, and there are no ranges for automatic pools. So an import that breaks off gives nothing away, and
//! can be begun again: it adopts what it has claimed.

mod executor;
mod file;
mod plan;
mod steps;

pub(crate) use self::executor::{InCluster, Rehearsal};
pub(crate) use self::file::Reader;
pub(crate) use self::plan::Plan;
pub(crate) use self::steps::{Found, carry_out};

use crate::api::Problem;
use crate::code::Code;

/// Bytes of a line: a pool with as many holders as there may be has less.
const LINE_BYTES_MAX: usize = 4 << 20;
/// Lines of a file.
const LINES_MAX: u64 = 1_000_000;
/// Bytes of a file.
pub(crate) const FILE_BYTES_MAX: u64 = 512 << 20;

/// The file cannot be imported, for what stands in a line.
fn refused(line: u64, why: impl std::fmt::Display) -> Problem {
    Problem::new(Code::Import, format!("line {line}: {why}"))
}

#[cfg(test)]
mod tests;
