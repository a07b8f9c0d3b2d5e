//! Reading prefixes and addresses as engines send them, old engines included.
//!
//! Invariant: what these functions return is canonical. Prefixes have no host bits, and IPv4 is
//! never written as IPv6.

use std::net::IpAddr;

use ipnet::IpNet;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of a prefix.
    pub fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    /// The length of the family's addresses in bits: 32 or 128.
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

/// Reads `address/length` without masking: host bits stay. `None` if it is not that.
///
/// IPv4-mapped IPv6 (`::ffff:10.0.0.0/104`) becomes IPv4. Signs, spaces, zones and leading zeros
/// are refused, as Go refuses them.
pub fn parse_interface(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let digits = length.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (length.len() > 1 && length.starts_with('0')) {
        return None;
    }
    let length: u8 = length.parse().ok()?;
    let interface = IpNet::new(address.parse().ok()?, length).ok()?;
    Some(unmap(interface))
}

/// Reads a prefix in CIDR notation and masks its host bits. `None` if it is not one.
///
/// ```
/// let prefix = ipamapi::parse_prefix("192.168.0.2/31").unwrap();
/// assert_eq!(prefix.to_string(), "192.168.0.2/31");
/// assert_eq!(ipamapi::parse_prefix("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
/// assert_eq!(ipamapi::parse_prefix("10.1.2.3"), None);
/// ```
pub fn parse_prefix(text: &str) -> Option<IpNet> {
    parse_interface(text).map(|interface| interface.trunc())
}

/// Reads an address. A `/length` after it is ignored: some engines release addresses so.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    if text.contains('/') {
        return parse_interface(text).map(|interface| interface.addr());
    }
    let address: IpAddr = text.parse().ok()?;
    Some(address.to_canonical())
}

fn unmap(interface: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let mapped = match interface {
        IpNet::V4(_) => None,
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(MAPPED_BITS)),
    };
    match mapped {
        Some((address, length)) => {
            IpNet::new(address.into(), length).expect("at most 128 - 96 = 32 bits")
        }
        None => interface,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_prefixes_are_refused() {
        for text in [
            "",
            "/",
            "/24",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/-1",
            "10.0.0/8",
            "010.0.0.0/8",
            " 10.0.0.0/8",
            "10.0.0.0/8 ",
            "::/129",
            "fe80::1%eth0/64",
            "0.0.0.0/AB",
            "10.0.0.0/8/8",
            "10.0.0.0\0/8",
            "../8",
            "::1::/64",
            "10.0.0.0/4294967304",
        ] {
            assert_eq!(parse_prefix(text), None, "{text:?}");
        }
    }

    #[test]
    fn host_bits_are_masked_and_mapped_addresses_unmapped() {
        for (text, canonical) in [
            ("10.0.0.0/6", "8.0.0.0/6"),
            ("25.173.143.0/16", "25.173.0.0/16"),
            ("::ffff:10.1.0.0/104", "10.0.0.0/8"),
            ("FD00:9:0::1/64", "fd00:9::/64"),
            ("::ffff:10.1.0.0/64", "::/64"),
        ] {
            assert_eq!(parse_prefix(text).unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn addresses_lose_their_length_and_their_mapping() {
        assert_eq!(parse_address("10.0.0.9/24").unwrap().to_string(), "10.0.0.9");
        assert_eq!(parse_address("::ffff:10.0.0.9").unwrap().to_string(), "10.0.0.9");
        assert_eq!(parse_address("10.0.0.9/99"), None);
        assert_eq!(parse_address(""), None);
    }
}
