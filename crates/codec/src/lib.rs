//! Berth's only byte format. Whatever is written to disk or sent to a peer is a **record**: kind,
//! version, body, checksum.
//!
//! ```text
//! | kind: u8 | version: u8 | body: bincode, little endian, variable-length integers | crc32c: u32 |
//! ```
//!
//! The checksum covers all that stands before it. This is the only crate that names `bincode`
//! (frozen upstream; see `docs/adr/0002-bincode-in-one-crate.md`), so that leaving it touches
//! nothing else. The format is positional: a field added to a struct, or a variant that is not
//! added at the end of its enum, needs a new [`Record::VERSION`] and a [`Record::upgrade`].

mod check;
mod error;
mod record;
#[cfg(feature = "testing")]
pub mod testing;

pub use check::RecordCheck;
pub use error::{DecodeError, EncodeError};
pub use record::{
    Kind, Measured, Record, decode, decode_body, encode, fingerprint, measure, write,
};
