//! What an engine is told instead of an answer: libnetwork's own words first, then ours.

use berth_allocator::Rejection;
use ipamapi::{ErrorKind, IpamError};

use crate::sender::SubmitError;

/// The error for a refused or unanswered command.
pub(super) fn submit_error(error: SubmitError) -> IpamError {
    match error {
        SubmitError::Rejected(rejection) => rejected(&rejection),
        SubmitError::NotExecuted(reason) | SubmitError::NoRoom(reason) => {
            IpamError::unavailable(format!("nothing was changed: {reason}"))
        }
        error @ SubmitError::Forgotten(_) => IpamError::unavailable(error.to_string()),
        SubmitError::Unknown(reason) => {
            IpamError::deadline(format!("it is not known whether this was done: {reason}"))
        }
    }
}

/// The error for a refusal.
pub(super) fn rejected(rejection: &Rejection) -> IpamError {
    let (kind, said) = match rejection {
        Rejection::InvalidSubPool { .. } => (ErrorKind::InvalidSubPool, true),
        Rejection::NoRange { .. } => (ErrorKind::InvalidPool, true),
        Rejection::NoMoreSubnets => return ErrorKind::NoMoreSubnets.into(),
        Rejection::PoolOverlaps(_) => (ErrorKind::PoolOverlap, true),
        Rejection::UnknownPool { .. } => (ErrorKind::PoolNotFound, true),
        Rejection::OutOfRange { .. } => (ErrorKind::AddressOutOfRange, true),
        Rejection::AddressInUse { .. } => (ErrorKind::AddressInUse, true),
        Rejection::NoAvailableAddresses { .. } => (ErrorKind::NoAvailableAddresses, true),
        Rejection::UnknownSpace { .. } => (ErrorKind::BadRequest, false),
        _ => (ErrorKind::Unavailable, false),
    };
    let text = rejection.to_string();
    let detail = if said { text.strip_prefix(kind.text()).unwrap_or(&text) } else { &text };
    kind.because(detail.trim_start_matches([':', ' ']))
}
