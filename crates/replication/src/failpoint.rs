//! Places where a test makes this process die, wait, or be refused by its disk: before and after every
//! write that `docs/internals/durability.md` lists.
//!
//! Without the feature `failpoints` there is nothing here, and no release build can have it.

use std::io;

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("failpoints are for tests: no release build may have them");

/// Does what a test has prepared for this place, if anything.
#[cfg(feature = "failpoints")]
pub fn strike(place: &'static str) -> io::Result<()> {
    fail::fail_point!(place, |_| Err(io::Error::other(format!("failpoint {place}"))));
    Ok(())
}

/// Does nothing.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub const fn strike(_place: &'static str) -> io::Result<()> {
    Ok(())
}
