//! `berth space create`, `set` and `rm`

use std::str::FromStr;

use berth_allocator::{Family, SpaceName};
use hyper::Method;
use ipamapi::ipnet::IpNet;
use jiff::SignedDuration;

use super::client::ApiClient;
use super::{Failure, output};
use crate::api::types::{NewSpace, Range, Space, SpaceChange};

/// Prefix lengths of automatic pools, unless a range says otherwise.
const V4_LENGTH: u8 = 24;
const V6_LENGTH: u8 = 64;

/// Settings of a space.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// Where automatic pools come from, and their prefix length; may be given several times
    #[arg(long = "range", value_name = "CIDR[:LENGTH]")]
    ranges: Vec<RangeArgument>,

    /// How long a released address is given to nobody, such as 60s or 5m
    #[arg(long, value_name = "DURATION")]
    reuse_delay: Option<Delay>,

    /// Whether automatic pools keep clear of the pools of other such spaces
    #[arg(long, value_name = "BOOL")]
    apart: Option<bool>,
}

impl Settings {
    fn change(self) -> SpaceChange {
        let ranges: Vec<Range> = self.ranges.into_iter().map(|range| range.0).collect();
        SpaceChange {
            ranges: (!ranges.is_empty()).then_some(ranges),
            reuse_delay_ms: self.reuse_delay.map(|delay| delay.0),
            apart: self.apart,
        }
    }
}

/// `10.0.0.0/8:24`: a range, and the prefix length of its pools.
#[derive(Debug, Clone)]
struct RangeArgument(Range);

impl FromStr for RangeArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad =
            || "write a range such as 10.0.0.0/8, or 10.0.0.0/8:24 for pools of /24".to_owned();
        let slash = text.rfind('/').ok_or_else(bad)?;
        let (base, length) = match text.get(slash..).and_then(|rest| rest.split_once(':')) {
            Some((bits, length)) => (text.get(..slash + bits.len()).ok_or_else(bad)?, Some(length)),
            None => (text, None),
        };
        let base: IpNet = base.parse().map_err(|_| bad())?;
        let usual = match Family::of(base.addr()) {
            Family::V4 => V4_LENGTH,
            Family::V6 => V6_LENGTH,
        };
        let length = length.map(str::parse).transpose().map_err(|_| bad())?;
        let length = length.unwrap_or(usual.max(base.prefix_len()));
        Ok(Self(Range { base: base.to_string(), length }))
    }
}

/// A duration, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Delay(u64);

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let duration: SignedDuration =
            text.parse().map_err(|error: jiff::Error| error.to_string())?;
        let millis = u64::try_from(duration.as_millis()).map(Self);
        millis.map_err(|_| "a delay cannot be negative".to_owned())
    }
}

pub(super) async fn create(
    name: SpaceName,
    shared: bool,
    settings: Settings,
    api: &ApiClient,
) -> Result<(), Failure> {
    let new = NewSpace { name: name.to_string(), shared, settings: settings.change() };
    let made: Space = api.change(Method::POST, "/v1/spaces", &new).await?;
    output::print(&format!("address space {} created, {}", made.name, made.sharing))
}

pub(super) async fn set(
    name: SpaceName,
    settings: Settings,
    api: &ApiClient,
) -> Result<(), Failure> {
    let path = format!("/v1/spaces/{name}");
    let space: Space = api.change(Method::PATCH, &path, &settings.change()).await?;
    output::print(&format!("address space {} changed", space.name))
}

pub(super) async fn remove(name: SpaceName, api: &ApiClient) -> Result<(), Failure> {
    api.remove(&format!("/v1/spaces/{name}")).await?;
    output::print(&format!("address space {name} removed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_a_length_for_their_pools() {
        let range =
            |text: &str| text.parse().map(|RangeArgument(range)| (range.base, range.length));
        assert_eq!(range("10.0.0.0/8"), Ok(("10.0.0.0/8".into(), 24)));
        assert_eq!(range("10.0.0.0/8:20"), Ok(("10.0.0.0/8".into(), 20)));
        assert_eq!(range("10.0.0.0/28"), Ok(("10.0.0.0/28".into(), 28)));
        assert_eq!(range("fd00::/48"), Ok(("fd00::/48".into(), 64)));
        assert_eq!(range("fd00::/48:56"), Ok(("fd00::/48".into(), 56)));
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/8:", "10.0.0.0/8:x", "fd00::"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
