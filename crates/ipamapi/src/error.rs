//! What a driver can answer instead of what was asked for.
//!
//! Only the text of an error reaches the engine's user, and tools search it for the well-known
//! sentences. So a well-known error's text always *starts* with libnetwork's own words; what a
//! driver adds comes after them.

use std::fmt;

/// What a driver's methods return.
pub type Result<T, E = IpamError> = std::result::Result<T, E>;

/// A refusal or failure of a driver: a kind, and what the driver has to say about it.
///
/// ```
/// use ipamapi::{ErrorKind, IpamError};
///
/// let plain = IpamError::from(ErrorKind::AddressInUse);
/// assert_eq!(plain.to_string(), "Address already in use");
///
/// let explained = ErrorKind::NoAvailableAddresses.because("254 of 254 are held");
/// assert_eq!(
///     explained.to_string(),
///     "no available addresses on this pool: 254 of 254 are held",
/// );
/// assert_eq!(explained.status(), 503);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}", self.kind.text(), self.kind.separator(&self.detail), self.detail)]
pub struct IpamError {
    kind: ErrorKind,
    detail: String,
}

impl IpamError {
    /// A request that no driver could serve: malformed or contradictory.
    pub fn bad_request(message: impl Into<String>) -> Self {
        ErrorKind::BadRequest.because(message)
    }

    /// The driver cannot serve now: no quorum, shutting down, too busy. Say whether the request
    /// may have had its effect all the same.
    pub fn unavailable(message: impl Into<String>) -> Self {
        ErrorKind::Unavailable.because(message)
    }

    /// The answer did not come in time; whether the request had its effect is unknown.
    pub fn deadline(message: impl Into<String>) -> Self {
        ErrorKind::DeadlineExceeded.because(message)
    }

    /// The driver failed through no fault of the request.
    pub fn internal(message: impl Into<String>) -> Self {
        ErrorKind::Internal.because(message)
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the driver added to the kind's own text; empty if nothing.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The HTTP status that goes with the error. Engines only look whether it is 200.
    pub fn status(&self) -> u16 {
        self.kind.class().status()
    }

    /// Reads an error as a client of a plugin gets it. A well-known text tells the kind; otherwise
    /// the HTTP status does.
    pub fn from_answer(status: u16, text: &str) -> Self {
        let kind = ErrorKind::of_text(text).unwrap_or_else(|| ErrorKind::of_status(status));
        let rest = text.strip_prefix(kind.text()).unwrap_or(text);
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        kind.because(rest.trim())
    }
}

impl From<ErrorKind> for IpamError {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, detail: String::new() }
    }
}

/// The kinds of errors: libnetwork's ten well-known ones, and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The address space is missing or malformed.
    InvalidAddressSpace,
    /// The pool is not a prefix, or not one that can be served.
    InvalidPool,
    /// The sub-pool is not a prefix, or does not go with its pool.
    InvalidSubPool,
    /// The pool, or its sub-pool, is full.
    NoAvailableAddresses,
    /// The driver gives no addresses (the null driver).
    NoAddressReturned,
    /// Somebody holds the address, or it is reserved.
    AddressInUse,
    /// The address lies outside the pool.
    AddressOutOfRange,
    /// Another pool of the space covers part of the prefix.
    PoolOverlap,
    /// No such pool in the space (any more).
    UnknownPool,
    /// All ranges for automatic pools are used up.
    NoMoreSubnets,
    /// The address's pool cannot be found; the detail names it.
    PoolNotFound,
    /// Malformed or contradictory request.
    BadRequest,
    /// Cannot be served now.
    Unavailable,
    /// Not answered in time: the outcome is unknown.
    DeadlineExceeded,
    /// A failure of the driver's own.
    Internal,
}

impl ErrorKind {
    /// The kinds with a text of their own, which [`IpamError::from_answer`] can tell apart.
    pub const WELL_KNOWN: [Self; 11] = [
        Self::InvalidAddressSpace,
        Self::InvalidPool,
        Self::InvalidSubPool,
        Self::NoAvailableAddresses,
        Self::NoAddressReturned,
        Self::AddressInUse,
        Self::AddressOutOfRange,
        Self::PoolOverlap,
        Self::UnknownPool,
        Self::NoMoreSubnets,
        Self::PoolNotFound,
    ];

    /// libnetwork's own words for the kind; empty for the kinds that have none.
    pub const fn text(self) -> &'static str {
        match self {
            Self::InvalidAddressSpace => "invalid address space",
            Self::InvalidPool => "invalid address pool",
            Self::InvalidSubPool => "invalid address subpool",
            Self::NoAvailableAddresses => "no available addresses on this pool",
            Self::NoAddressReturned => "no address returned",
            Self::AddressInUse => "Address already in use",
            Self::AddressOutOfRange => "requested address is out of range",
            Self::PoolOverlap => "Pool overlaps with other one on this address space",
            Self::UnknownPool => "address space does not contain specified address pool",
            Self::NoMoreSubnets => "all predefined address pools have been fully subnetted",
            Self::PoolNotFound => "cannot find address pool for",
            Self::BadRequest | Self::Unavailable | Self::DeadlineExceeded | Self::Internal => "",
        }
    }

    /// The class of the kind.
    pub const fn class(self) -> ErrorClass {
        match self {
            Self::InvalidAddressSpace
            | Self::InvalidPool
            | Self::InvalidSubPool
            | Self::AddressOutOfRange
            | Self::UnknownPool
            | Self::NoMoreSubnets
            | Self::BadRequest => ErrorClass::InvalidParameter,
            Self::AddressInUse | Self::PoolOverlap => ErrorClass::Forbidden,
            Self::PoolNotFound => ErrorClass::NotFound,
            Self::NoAvailableAddresses | Self::NoAddressReturned | Self::Unavailable => {
                ErrorClass::Unavailable
            }
            Self::DeadlineExceeded => ErrorClass::Timeout,
            Self::Internal => ErrorClass::Internal,
        }
    }

    /// An error of this kind with an explanation: by whom, since when, what to do.
    pub fn because(self, detail: impl Into<String>) -> IpamError {
        IpamError { kind: self, detail: detail.into() }
    }

    fn separator(self, detail: &str) -> &'static str {
        match self {
            _ if self.text().is_empty() || detail.is_empty() => "",
            Self::PoolNotFound => " ",
            _ => ": ",
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        Self::WELL_KNOWN.into_iter().find(|kind| text.starts_with(kind.text()))
    }

    fn of_status(status: u16) -> Self {
        match status {
            400..=499 => Self::BadRequest,
            503 => Self::Unavailable,
            504 => Self::DeadlineExceeded,
            _ => Self::Internal,
        }
    }
}

/// Classes of errors, each with its HTTP status. They are for a driver's own clients and metrics:
/// the engine makes 500 of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The request is wrong: 400.
    InvalidParameter,
    /// The request is right, and refused: 403.
    Forbidden,
    /// What it names does not exist: 404.
    NotFound,
    /// A failure of the driver: 500.
    Internal,
    /// It cannot be served now: 503.
    Unavailable,
    /// It was not answered in time: 504.
    Timeout,
}

impl ErrorClass {
    /// The HTTP status of the class.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidParameter => 400,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Internal => 500,
            Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text().is_empty() { fmt::Debug::fmt(self, f) } else { f.write_str(self.text()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_starts_with_the_well_known_words() {
        for kind in ErrorKind::WELL_KNOWN {
            assert!(kind.because("why").to_string().starts_with(kind.text()), "{kind:?}");
        }
        assert_eq!(ErrorKind::PoolNotFound.because("a/b").to_string(), {
            "cannot find address pool for a/b"
        });
    }

    #[test]
    fn an_error_survives_the_way_through_its_text() {
        for kind in ErrorKind::WELL_KNOWN {
            let sent = kind.because("held by c1");
            assert_eq!(IpamError::from_answer(sent.status(), &sent.to_string()), sent);
        }
        let sent = IpamError::unavailable("no leader");
        assert_eq!(IpamError::from_answer(503, "no leader"), sent);
    }

    #[test]
    fn classes_are_libnetworks() {
        assert_eq!(ErrorKind::PoolOverlap.class().status(), 403);
        assert_eq!(ErrorKind::NoMoreSubnets.class().status(), 400);
        assert_eq!(ErrorKind::NoAvailableAddresses.class().status(), 503);
        assert_eq!(ErrorKind::PoolNotFound.class().status(), 404);
    }
}
