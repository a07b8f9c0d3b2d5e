//! Addresses that no engine may be given: `berth pool reserve` and `unreserve`.

use std::net::IpAddr;
use std::str::FromStr;

use berth_allocator::SpaceName;
use hyper::Method;
use ipamapi::ipnet::IpNet;

use super::Failure;
use super::client::ApiClient;
use super::output::print;
use crate::api::types::{NewReservation, Reservation};

pub(super) const RESERVE_EXAMPLES: &str = "\
Examples:
  berth pool reserve lab 10.64.0.1-10.64.0.31 --note 'DHCP server'
  berth pool reserve lab 10.64.0.128/26 --note 'virtual machines'
  berth pool reserve lab 10.64.0.254 --note router --common   every host may name it explicitly";
pub(super) const UNRESERVE_EXAMPLES: &str = "\
Examples:
  berth space show lab                shows what is reserved
  berth pool unreserve lab 10.64.0.1  gives back the range that begins there";

/// Addresses from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    first: IpAddr,
    last: IpAddr,
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not an address, a range FIRST-LAST, or a prefix");
        if let Ok(prefix) = text.parse::<IpNet>() {
            return Ok(Self { first: prefix.network(), last: prefix.broadcast() });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let address = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| bad());
        Ok(Self { first: address(first)?, last: address(last)? })
    }
}

/// Takes addresses out of use.
pub(super) async fn reserve(
    api: &ApiClient,
    space: &SpaceName,
    Range { first, last }: Range,
    note: String,
    common: bool,
) -> Result<(), Failure> {
    let path = format!("/v1/spaces/{space}/reservations");
    let new = NewReservation { first, last, note, common };
    let made: Reservation = api.change(Method::POST, &path, &new).await?;
    print(&format!("{} to {} reserved in {space}", made.first, made.last))
}

/// Gives them back.
pub(super) async fn unreserve(
    api: &ApiClient,
    space: &SpaceName,
    first: IpAddr,
) -> Result<(), Failure> {
    api.remove(&format!("/v1/spaces/{space}/reservations/{first}")).await?;
    print(&format!("the reservation from {first} in {space} removed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_addresses_prefixes_or_from_one_to_another() {
        let range = |text: &str| {
            let range: Result<Range, String> = text.parse();
            range.map(|range| (range.first.to_string(), range.last.to_string()))
        };
        let is = |first: &str, last: &str| Ok((first.to_owned(), last.to_owned()));
        assert_eq!(range("10.0.0.7"), is("10.0.0.7", "10.0.0.7"));
        assert_eq!(range("10.0.0.7-10.0.0.9"), is("10.0.0.7", "10.0.0.9"));
        assert_eq!(range("10.0.0.77/26"), is("10.0.0.64", "10.0.0.127"));
        assert_eq!(range("fd00::/126"), is("fd00::", "fd00::3"));
        assert_eq!(range("fd00::1-fd00::9"), is("fd00::1", "fd00::9"));
        for bad in ["", "-", "10.0.0.1-", "10.0.0.1/33", "10.0.0", "10.0.0.1-10.0.0.2-10.0.0.3"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
