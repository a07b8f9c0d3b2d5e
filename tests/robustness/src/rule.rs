//! What a proxy does to the bytes of a connection.

use std::time::Duration;

/// Bytes that are read at a time, unless fewer are to pass.
pub(crate) const PIECE_BYTES: usize = 16 << 10;

/// What happens to the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effect {
    /// They pass.
    #[default]
    Pass,
    /// They pass late: each piece by a time drawn anew, in order.
    Delay {
        /// The shortest, in milliseconds.
        least_ms: u64,
        /// The longest.
        most_ms: u64,
    },
    /// So many a second pass.
    Throttle {
        /// Bytes.
        per_second: u64,
    },
    /// They are read, and go nowhere: a network that loses all.
    Swallow,
    /// They are not read: whoever sends fills the buffers, and waits.
    Stall,
    /// Half of a piece passes, then the connection ends.
    Cut,
    /// The connection ends as by a machine that knows nothing of it any more (RST).
    Reset,
    /// The receiver's connection ends; the sender's stays open, and is not told.
    HalfOpen,
    /// Bytes that mean nothing come before them.
    Garbage,
    /// The header of a frame that is larger than any may be comes before them.
    Oversized,
}

/// What a proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rule {
    /// New connections are closed at once, and open ones end.
    pub refuse: bool,
    /// From who connected.
    pub forward: Effect,
    /// From who was connected to.
    pub backward: Effect,
}

impl Rule {
    /// The same in both directions.
    pub const fn both(effect: Effect) -> Self {
        Self { refuse: false, forward: effect, backward: effect }
    }

    /// Nobody is let in.
    pub const REFUSE: Self = Self { refuse: true, forward: Effect::Pass, backward: Effect::Pass };
}

impl Effect {
    /// How much is read at a time, and the pause after so much.
    pub(crate) fn pace(self) -> (usize, Duration) {
        match self {
            Self::Throttle { per_second } => {
                let piece = (per_second / 20).clamp(1, PIECE_BYTES as u64);
                let pause = Duration::from_micros(1_000_000 * piece / per_second.max(1));
                (usize::try_from(piece).unwrap_or(1), pause)
            }
            Self::Delay { least_ms, most_ms } => {
                (PIECE_BYTES, Duration::from_millis(fastrand::u64(least_ms..=most_ms)))
            }
            _ => (PIECE_BYTES, Duration::ZERO),
        }
    }
}
