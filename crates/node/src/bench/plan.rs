//! What clients do, and for how long.

use std::time::Duration;

/// Clients of a run.
pub const CLIENTS_MAX: usize = 4_096;
/// The longest run, and the longest warm-up.
pub const DURATION_MAX: Duration = Duration::from_hours(24);
/// The longest run that gives nothing back, so that what is held stays within [`HELD_MAX`].
pub const HOLD_NOTHING_BACK_MAX: Duration = Duration::from_mins(10);
/// Addresses that are held at a time: the check for duplicates remembers each, in some 50 bytes.
pub const HELD_MAX: u64 = 1 << 24;

/// What clients do, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How long they work before anything is recorded.
    pub warm_up: Duration,
    /// How long what they do is recorded.
    pub duration: Duration,
    /// Addresses that each holds at most before it gives the oldest one back; nothing is given back
    /// without it.
    pub hold: Option<u64>,
}

/// A plan that cannot be carried out.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// No time to measure anything.
    #[error("a run of no time measures nothing: give --duration, such as 10s")]
    NoTime,
    /// More than a day.
    #[error("--duration and --warm-up are {} hours each at most", DURATION_MAX.as_secs() / 3_600)]
    TooLong,
    /// Too long to give nothing back.
    #[error(
        "a run that gives nothing back (--hold 0) is {} minutes long at most: let it be shorter, or have \
         clients hold a number of addresses",
        HOLD_NOTHING_BACK_MAX.as_secs() / 60
    )]
    TooLongToHold,
    /// More than can be checked.
    #[error("clients would hold more than {HELD_MAX} addresses: lower --clients or --hold")]
    TooManyHeld,
}

impl Plan {
    /// Refuses what cannot be carried out by so many clients.
    pub fn check(&self, clients: usize) -> Result<(), PlanError> {
        if self.duration.is_zero() {
            return Err(PlanError::NoTime);
        }
        if self.duration > DURATION_MAX || self.warm_up > DURATION_MAX {
            return Err(PlanError::TooLong);
        }
        match self.hold {
            None if self.duration + self.warm_up > HOLD_NOTHING_BACK_MAX => {
                Err(PlanError::TooLongToHold)
            }
            Some(hold) if hold.saturating_mul(clients as u64) > HELD_MAX => {
                Err(PlanError::TooManyHeld)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_carried_out_is_refused() {
        let plan = |warm_up, duration, hold| Plan {
            warm_up: Duration::from_secs(warm_up),
            duration: Duration::from_secs(duration),
            hold,
        };
        let day = DURATION_MAX.as_secs();
        assert_eq!(plan(0, 1, None).check(1), Ok(()));
        assert_eq!(plan(day, day, Some(1)).check(CLIENTS_MAX), Ok(()));
        assert_eq!(plan(1, 0, None).check(1), Err(PlanError::NoTime));
        assert_eq!(plan(day + 1, 1, Some(1)).check(1), Err(PlanError::TooLong));
        assert_eq!(plan(1, 600, None).check(1), Err(PlanError::TooLongToHold));
        assert_eq!(plan(0, 1, Some(HELD_MAX)).check(2), Err(PlanError::TooManyHeld));
        assert_eq!(plan(0, 1, Some(u64::MAX)).check(2), Err(PlanError::TooManyHeld));
    }
}
