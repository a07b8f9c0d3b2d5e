//! Sessions and clients: who speaks, in which incarnation, and what was answered.

use alloc::collections::BTreeMap;
use serde::{Deserialize, Serialize};

use crate::claim::ClientNumber;
use crate::names::{ClientName, Text};
use crate::{Answer, Incarnation, Sequence, Timestamp};

/// A claimant's incarnation in a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The host through which it was opened.
    pub client: ClientNumber,
    /// When.
    pub opened: Timestamp,
}

/// A host, or an API user, and what it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its name.
    pub name: ClientName,
    /// The run that counts.
    pub incarnation: Incarnation,
    /// The random number of its process.
    pub instance: u128,
    /// Where the process runs.
    pub address: Text,
    /// When this run began.
    pub since: Timestamp,
    /// Nobody else may register under this name before.
    pub held_until: Timestamp,
    /// What this run was answered.
    pub window: Window,
    /// What the run before it was answered, for requests that it did not hear the answer of.
    pub previous: Option<(Incarnation, Window)>,
}

/// Answers kept until the client says that it heard them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Window {
    /// Answers below this number are no longer kept.
    pub heard: Sequence,
    /// By sequence number.
    pub answers: BTreeMap<Sequence, Answer>,
}

impl Window {
    /// Forgets the answers below `heard`.
    pub(crate) fn forget(&mut self, heard: Sequence) {
        if heard > self.heard {
            self.heard = heard;
            while let Some(answer) = self.answers.first_entry()
                && *answer.key() < heard
            {
                answer.remove();
            }
        }
    }
}
