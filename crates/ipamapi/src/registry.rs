//! Drivers by name, as an engine keeps them.
//!
//! Invariant: a built-in driver keeps its name for good; a remote one gives way to its successor,
//! since plugins come back after a restart.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{Capability, Ipam};

/// The longest name of a driver, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// Something that takes drivers.
pub trait Registerer: Send + Sync {
    /// Registers a driver that needs nothing from the engine.
    fn register_ipam_driver(&self, name: &str, driver: Arc<dyn Ipam>) -> Result<(), RegistryError> {
        self.register_ipam_driver_with_capabilities(name, driver, Capability::default())
    }

    /// Registers a driver together with what it needs.
    fn register_ipam_driver_with_capabilities(
        &self,
        name: &str,
        driver: Arc<dyn Ipam>,
        capability: Capability,
    ) -> Result<(), RegistryError>;
}

/// Why a driver was not registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The name is not one.
    #[error("invalid ipam driver name {name:?}: {reason}")]
    InvalidName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The name belongs to a built-in driver.
    #[error("ipam driver {name:?} already registered: a built-in driver cannot be replaced")]
    BuiltIn {
        /// The name.
        name: String,
    },
}

/// A driver and what it needs.
#[derive(Clone)]
pub struct Registered {
    /// The driver.
    pub driver: Arc<dyn Ipam>,
    /// What it declared when it was registered.
    pub capability: Capability,
}

/// The drivers of a process.
#[derive(Default)]
pub struct Registry {
    drivers: RwLock<BTreeMap<String, Registered>>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The driver of this name.
    pub fn get(&self, name: &str) -> Option<Registered> {
        self.read().get(name).cloned()
    }

    /// Calls `visit` for each driver in the order of their names until it returns `false`. The
    /// registry is not locked meanwhile.
    pub fn walk(&self, mut visit: impl FnMut(&str, &Registered) -> bool) {
        let drivers = self.read().clone();
        for (name, registered) in &drivers {
            if !visit(name, registered) {
                return;
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Registered>> {
        self.drivers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Registered>> {
        self.drivers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registerer for Registry {
    fn register_ipam_driver_with_capabilities(
        &self,
        name: &str,
        driver: Arc<dyn Ipam>,
        capability: Capability,
    ) -> Result<(), RegistryError> {
        check_name(name)?;
        let mut drivers = self.write();
        if drivers.get(name).is_some_and(|present| present.driver.is_built_in()) {
            return Err(RegistryError::BuiltIn { name: name.to_owned() });
        }
        drivers.insert(name.to_owned(), Registered { driver, capability });
        Ok(())
    }
}

/// Names become file names of sockets, and the tag of a managed plugin is part of them.
fn check_name(name: &str) -> Result<(), RegistryError> {
    let reason = if name.trim().is_empty() {
        "it is empty"
    } else if name.len() > NAME_BYTES_MAX {
        "it is longer than 255 bytes"
    } else if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "it has control characters or spaces"
    } else if name.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        "it is not a plain path"
    } else {
        return Ok(());
    };
    Err(RegistryError::InvalidName { name: name.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RequestContext;
    use crate::null::NullIpam;
    use crate::remote::RemoteIpam;

    fn remote() -> Arc<dyn Ipam> {
        Arc::new(RemoteIpam::new("/nowhere.sock"))
    }

    #[test]
    fn built_in_names_stay_and_remote_ones_give_way() {
        let registry = Registry::new();
        registry.register_ipam_driver("null", Arc::new(NullIpam)).unwrap();
        let refused = registry.register_ipam_driver("null", remote());
        assert_eq!(refused, Err(RegistryError::BuiltIn { name: "null".into() }));

        registry.register_ipam_driver("berth:latest", remote()).unwrap();
        let replay = Capability { requires_request_replay: true, ..Capability::default() };
        registry.register_ipam_driver_with_capabilities("berth:latest", remote(), replay).unwrap();
        assert_eq!(registry.get("berth:latest").unwrap().capability, replay);
        assert!(registry.get("berth").is_none());
    }

    #[test]
    fn walking_stops_when_told() {
        let registry = Registry::new();
        for name in ["c", "a", "b"] {
            registry.register_ipam_driver(name, remote()).unwrap();
        }
        let mut seen = Vec::new();
        registry.walk(|name, _| {
            seen.push(name.to_owned());
            name != "b"
        });
        assert_eq!(seen, ["a", "b"]);
    }

    #[test]
    fn odd_names_are_refused() {
        let registry = Registry::new();
        let long = "n".repeat(NAME_BYTES_MAX + 1);
        for name in ["", " ", "a b", "a\0b", "../a", "/a", "a//b", "a/..", long.as_str()] {
            assert!(registry.register_ipam_driver(name, remote()).is_err(), "{name:?}");
        }
        registry.register_ipam_driver("vendor/driver:1.0", remote()).unwrap();
    }

    #[tokio::test]
    async fn a_registered_driver_can_be_called() {
        let registry = Registry::new();
        registry.register_ipam_driver("null", Arc::new(NullIpam)).unwrap();
        let driver = registry.get("null").unwrap().driver;
        let spaces = driver.default_address_spaces(&RequestContext::in_process()).await.unwrap();
        assert_eq!(spaces.local, "null");
    }
}
