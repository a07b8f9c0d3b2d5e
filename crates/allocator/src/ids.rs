//! Numbers that must not be mistaken for one another.

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        pub struct $name(u64);

        impl $name {
            /// Wraps the number.
            pub const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The number.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// How many commands the state machine has executed. Every command gets the next one, a refused
    /// one too; a command inside a batch like any other.
    Revision
}
number! {
    /// A claimant's incarnation: the revision that opened it. Later sessions have higher ids, over
    /// all spaces. The **epoch** of a pool, and of an address, is the session that claimed it last.
    SessionId
}
number! {
    /// One claim on a pool or an address: the revision that made or adopted it. A release names it.
    ClaimId
}
number! {
    /// One run of a client's process: the revision that registered it.
    Incarnation
}
number! {
    /// A client's own number for a command, unique within an [`Incarnation`].
    Sequence
}
number! {
    /// A token: the revision that made it.
    TokenId
}
number! {
    /// Milliseconds since the Unix epoch by the cluster's clock: stamped by the leader, and never
    /// going back.
    Timestamp
}
number! {
    /// A duration in milliseconds.
    Millis
}

impl Revision {
    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl Timestamp {
    /// This long after; the end of time where that cannot be expressed.
    #[must_use]
    pub const fn after(self, delay: Millis) -> Self {
        Self(self.0.saturating_add(delay.0))
    }
}
