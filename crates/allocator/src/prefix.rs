//! Prefixes and the addresses in them, as offsets: what the allocator counts with.

use alloc::string::{String, ToString};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4: 32 bits.
    V4,
    /// IPv6: 128 bits.
    V6,
}

impl Family {
    /// Bits in an address.
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The family of `address`.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The address with this number; the number's low bits, where it has too many.
    pub fn address(self, number: u128) -> IpAddr {
        let bytes = number.to_be_bytes();
        match (self, bytes) {
            (Self::V4, [.., a, b, c, d]) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            (Self::V6, _) => IpAddr::V6(Ipv6Addr::from(number)),
        }
    }
}

/// The address as a number: 32 bits for IPv4, 128 for IPv6.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// A text or network that is no canonical prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not `ADDRESS/LENGTH`.
    #[error("{text:?} is not a prefix: write ADDRESS/LENGTH, such as 10.1.0.0/16")]
    Syntax {
        /// The text.
        text: String,
    },
    /// Bits are set beyond the prefix length.
    #[error("{found} has host bits set: did you mean {canonical}?")]
    HostBits {
        /// As it was given.
        found: IpNet,
        /// Without its host bits.
        canonical: IpNet,
    },
}

/// A network prefix without host bits, `10.1.0.0/16`.
///
/// Prefixes sort by family, then first address, then length: a prefix stands before those inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "IpNet", into = "IpNet")]
pub struct Prefix {
    family: Family,
    first: u128,
    length: u8,
}

impl Prefix {
    /// The prefix of this length that holds `address`; `None` if the family has fewer bits.
    pub fn of(address: IpAddr, length: u8) -> Option<Self> {
        let family = Family::of(address);
        let host_bits = family.bits().checked_sub(length)?;
        Some(Self { family, first: number(address) & !mask(host_bits), length })
    }

    /// The prefix around `net`, whose host bits are dropped.
    pub fn truncated(net: IpNet) -> Self {
        let (family, first) = (Family::of(net.addr()), number(net.trunc().addr()));
        Self { family, first, length: net.prefix_len() }
    }

    /// Its family.
    pub const fn family(self) -> Family {
        self.family
    }

    /// Its length in bits.
    pub const fn length(self) -> u8 {
        self.length
    }

    /// Number of its first address.
    pub const fn first(self) -> u128 {
        self.first
    }

    /// Number of its last address.
    pub const fn last(self) -> u128 {
        self.first | self.last_offset()
    }

    /// Its first address.
    pub fn network(self) -> IpAddr {
        self.family.address(self.first)
    }

    /// Offset of its last address: one less than its size, which may not fit a `u128`.
    pub const fn last_offset(self) -> u128 {
        mask(self.family.bits() - self.length)
    }

    /// The offset of `address` from the first one; `None` if it lies outside.
    pub fn offset(self, address: IpAddr) -> Option<u128> {
        let number = number(address);
        let inside =
            Family::of(address) == self.family && (self.first..=self.last()).contains(&number);
        inside.then(|| number - self.first)
    }

    /// The address at `offset`, which must not exceed [`Prefix::last_offset`].
    pub fn address(self, offset: u128) -> IpAddr {
        debug_assert!(offset <= self.last_offset(), "offset {offset} is outside {self}");
        self.family.address(self.first + offset)
    }

    /// True if `other` lies inside, or is the same.
    pub fn contains(self, other: Self) -> bool {
        self.family == other.family && self.first <= other.first && other.last() <= self.last()
    }

    /// True if they share an address: one of them contains the other.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// The same first bits at a smaller length; the prefix itself at its own length.
    pub fn shortened(self, length: u8) -> Option<Self> {
        (length <= self.length).then(|| Self {
            first: self.first & !mask(self.family.bits() - length),
            length,
            ..self
        })
    }
}

/// The lowest `bits` bits.
const fn mask(bits: u8) -> u128 {
    match bits {
        0 => 0,
        _ => u128::MAX >> (128 - bits),
    }
}

impl TryFrom<IpNet> for Prefix {
    type Error = PrefixError;

    fn try_from(net: IpNet) -> Result<Self, PrefixError> {
        let canonical = net.trunc();
        if canonical == net {
            Ok(Self::truncated(net))
        } else {
            Err(PrefixError::HostBits { found: net, canonical })
        }
    }
}

impl From<Prefix> for IpNet {
    fn from(prefix: Prefix) -> Self {
        match prefix.network() {
            IpAddr::V4(v4) => Ipv4Net::new_assert(v4, prefix.length).into(),
            IpAddr::V6(v6) => Ipv6Net::new_assert(v6, prefix.length).into(),
        }
    }
}

impl core::str::FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let net: IpNet =
            text.parse().map_err(|_| PrefixError::Syntax { text: text.to_string() })?;
        Self::try_from(net)
    }
}

impl core::fmt::Display for Prefix {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        IpNet::from(*self).fmt(f)
    }
}
