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
    /// The export cannot be imported here.
    Import,
    /// The cluster has no such member.
    NoSuchMember,
    /// The change would cost the cluster its quorum.
    QuorumAtRisk,
    /// The member lacks too much of the log, or is silent.
    NotCaughtUp,
    /// The membership cannot be changed so.
    MembershipRefused,
    /// No join token can be made, or the one given is none.
    NoToken,
    /// This host cannot join.
    CannotJoin,
    /// The data cannot become a cluster of its own, or nobody confirmed it.
    NotRecovered,
    /// The client asks too often.
    TooOften,
    /// The token, or the agent, may not do this.
    NotAllowed,
    /// No token, or none that is known.
    WhoAreYou,
    /// A member does not know the level, or did not say.
    NotAllKnow,
    /// The disk has less room than its reserve: nothing new is given.
    NoRoom,
    /// What was measured is wrong, or could not be measured, or something of it is left.
    Bench,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 30] = [
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
        Self::Import,
        Self::NoSuchMember,
        Self::QuorumAtRisk,
        Self::NotCaughtUp,
        Self::MembershipRefused,
        Self::NoToken,
        Self::CannotJoin,
        Self::NotRecovered,
        Self::TooOften,
        Self::NotAllowed,
        Self::WhoAreYou,
        Self::NotAllKnow,
        Self::NoRoom,
        Self::Bench,
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
            Self::Import => "BERTH-0121",
            Self::NoSuchMember => "BERTH-0130",
            Self::QuorumAtRisk => "BERTH-0131",
            Self::NotCaughtUp => "BERTH-0132",
            Self::MembershipRefused => "BERTH-0133",
            Self::NoToken => "BERTH-0134",
            Self::CannotJoin => "BERTH-0135",
            Self::NotRecovered => "BERTH-0136",
            Self::TooOften => "BERTH-0150",
            Self::NotAllowed => "BERTH-0151",
            Self::WhoAreYou => "BERTH-0152",
            Self::NotAllKnow => "BERTH-0160",
            Self::NoRoom => "BERTH-0140",
            Self::Bench => "BERTH-0170",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
