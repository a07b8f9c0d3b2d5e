//! What is measured.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;

/// One client of something that gives addresses.
pub trait Target: Send + 'static {
    /// Asks for any address, and waits for it.
    fn request(&mut self) -> impl Future<Output = Result<IpAddr, Refused>> + Send;

    /// Gives an address back that this client was given, and waits until that is done.
    fn release(&mut self, address: IpAddr) -> impl Future<Output = Result<(), Refused>> + Send;
}

/// Why something was not done, or may not have been done: a text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(String);

impl Refused {
    /// Refused, or failed, for this reason.
    pub fn because(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
