//! Where revisions go on in a cluster that begins with a state from before: they name claims, and what
//! the lost cluster gave beyond that state must not be given twice (claim rule 12).

use berth_allocator::{Revision, State};

/// Revisions left out: more than a cluster gives in three years of ten thousand commands a second. So a
/// cluster that begins with a backup, or with what a survivor has, gives none that the lost one gave.
const REVISIONS_LEFT_OUT: u64 = 1 << 40;
/// And for each millisecond since the state was that of its cluster: more than a cluster gives in one. So
/// of two clusters restored from one backup, the later one gives none that the earlier one gave.
const REVISIONS_PER_MS: u64 = 1 << 10;

/// The revision from which such a cluster goes on, if there are that many left.
pub(crate) fn goes_on_at(revision: u64, passed_ms: u64) -> Option<Revision> {
    let left_out = passed_ms.checked_mul(REVISIONS_PER_MS)?.checked_add(REVISIONS_LEFT_OUT)?;
    let revision = revision.checked_add(left_out)?;
    (revision <= State::REVISION_MAX).then(|| Revision::new(revision))
}
