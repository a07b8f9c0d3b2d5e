//! The string options that travel with requests.

use std::collections::BTreeMap;

use crate::constants::{ENDPOINT_NAME, GATEWAY, MAC_ADDRESS, REQUEST_ADDRESS_TYPE, SERIAL};

/// Options of a request: the user's `--ipam-opt`s and the engine's own keys, in key order.
///
/// Swarm leaves keys of an address request in the options of the next pool request. A driver
/// ignores what it does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// No options.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Sets a key, and returns the options.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// All keys and values, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the request is for a network's gateway.
    pub fn is_gateway(&self) -> bool {
        self.get(REQUEST_ADDRESS_TYPE) == Some(GATEWAY)
    }

    /// Whether the next address after the last given is asked for, instead of the lowest free.
    pub fn is_serial(&self) -> bool {
        self.get(SERIAL) == Some("true")
    }

    /// The endpoint's MAC address as the engine wrote it.
    pub fn mac_address(&self) -> Option<&str> {
        self.get(MAC_ADDRESS)
    }

    /// The endpoint's name: a container, `SERVICE.SLOT.TASK`, or `NETWORK-endpoint` for a node's
    /// load balancer.
    pub fn endpoint_name(&self) -> Option<&str> {
        self.get(ENDPOINT_NAME)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}
