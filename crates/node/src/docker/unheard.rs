//! Answers that nobody heard (rule 10). What was asked for explicitly is never undone: the engine's
//! next identical request gets the claim that its first one made.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use berth_allocator::{ClaimId, PoolId};

/// Answers kept; beyond that, a repeated request is refused as already in use, and an operator or
/// the next session clears it.
const UNHEARD_MAX: usize = 4_096;

/// An explicit request, as it can come again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    /// For a pool.
    Pool(PoolId),
    /// For an address.
    Address(PoolId, IpAddr),
    /// For any gateway.
    Gateway(PoolId),
}

/// A claim that was made, and its address where it is one on an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) claim: ClaimId,
    pub(super) address: Option<IpAddr>,
}

/// Explicit requests whose answer nobody heard.
#[derive(Default)]
pub(super) struct Unheard(Mutex<HashMap<Asked, Given>>);

impl Unheard {
    fn answers(&self) -> std::sync::MutexGuard<'_, HashMap<Asked, Given>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody heard that this was given.
    pub(super) fn keep(&self, asked: Asked, given: Given) {
        let mut answers = self.answers();
        if answers.len() < UNHEARD_MAX {
            answers.insert(asked, given);
        }
    }

    /// What an earlier, identical request was given.
    pub(super) fn take(&self, asked: &Asked) -> Option<Given> {
        self.answers().remove(asked)
    }
}
