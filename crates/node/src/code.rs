//! Stable codes of the errors that are the node's own; those of the allocator's refusals are
//! [`berth_allocator::Rejection::code`]. `docs/reference/errors.md` describes them all.

use std::fmt;

/// An error of the node, or of its commands. A code is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// No quorum: nothing was changed, nothing was read.
    Unavailable,
    /// Whether it was done is not known.
    OutcomeUnknown,
    /// The request cannot be understood.
    BadRequest,
    /// The API has no such path.
    NoSuchPath,
    /// The path has no such method.
    NoSuchMethod,
    /// The request is too large.
    TooLarge,
    /// The node could not start.
    CannotStart,
    /// The node cannot go on.
    Fatal,
    /// No node answers on the socket.
    CannotConnect,
    /// The configuration is wrong.
    Configuration,
    /// The answer cannot be understood.
    StrangeAnswer,
    /// No pool holds the address.
    NotInAnyPool,
    /// The engine's API did not tell.
    Engine,
    /// Something is wrong, and was not fixed.
    Unhealthy,
    /// Nobody holds the address, or more than one does.
    NotHeld,
    /// The backup is none, or cannot be restored there.
    Backup,
    /// The disk has less room than its reserve: nothing new is given.
    NoRoom,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Unavailable,
        Self::OutcomeUnknown,
        Self::BadRequest,
        Self::NoSuchPath,
        Self::NoSuchMethod,
        Self::TooLarge,
        Self::CannotStart,
        Self::Fatal,
        Self::CannotConnect,
        Self::Configuration,
        Self::StrangeAnswer,
        Self::NotInAnyPool,
        Self::Engine,
        Self::Unhealthy,
        Self::NotHeld,
        Self::Backup,
        Self::NoRoom,
    ];

    /// The code, `BERTH-0101` and so on.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "BERTH-0101",
            Self::OutcomeUnknown => "BERTH-0102",
            Self::BadRequest => "BERTH-0103",
            Self::NoSuchPath => "BERTH-0104",
            Self::NoSuchMethod => "BERTH-0105",
            Self::TooLarge => "BERTH-0106",
            Self::CannotStart => "BERTH-0107",
            Self::Fatal => "BERTH-0108",
            Self::CannotConnect => "BERTH-0109",
            Self::Configuration => "BERTH-0110",
            Self::StrangeAnswer => "BERTH-0111",
            Self::NotInAnyPool => "BERTH-0112",
            Self::Engine => "BERTH-0113",
            Self::Unhealthy => "BERTH-0114",
            Self::NotHeld => "BERTH-0115",
            Self::Backup => "BERTH-0120",
            Self::NoRoom => "BERTH-0140",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
