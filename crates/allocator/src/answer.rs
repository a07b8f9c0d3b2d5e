//! What the state machine answers.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

use crate::{ClaimId, Incarnation, PoolId, Rejection, Revision, SessionId, TokenId};

/// The answer to a command, replicated like its effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The revision that executed it. A repeated command gets its first run's.
    pub revision: Revision,
    /// What came of it.
    pub outcome: Result<Response, Rejection>,
}

/// What came of a command that was not refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// Done, and nothing more to say.
    Done,
    /// The client may use this incarnation.
    Registered(Incarnation),
    /// The session is open.
    SessionOpened(SessionId),
    /// The pool is claimed.
    Pool(Box<PoolGrant>),
    /// The address is claimed.
    Address(AddressGrant),
    /// The claim has ended, or there was nothing to end.
    Released(Ending),
    /// One answer for each command of a batch.
    Batch(Vec<Result<Response, Rejection>>),
    /// The token was made, or used.
    Token(TokenId),
}

/// A pool, claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolGrant {
    /// Its id, to be used from now on.
    pub pool: PoolId,
    /// The claim.
    pub claim: ClaimId,
    /// How it was claimed.
    pub how: Grant,
}

/// An address, claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressGrant {
    /// The address.
    pub address: IpAddr,
    /// Length of the pool's prefix.
    pub prefix_length: u8,
    /// The claim.
    pub claim: ClaimId,
    /// How it was claimed.
    pub how: Grant,
}

/// How something was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grant {
    /// It was free.
    New,
    /// The claimant's earlier session held it, or it was in doubt.
    Adopted,
    /// Other hosts of a shared space hold it too.
    Joined,
}

/// What a release did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// It ended the claim.
    Ended,
    /// It took the claim out of use; an observation or an operator must end it.
    Suspected,
    /// Nothing was there to end: no claim, or another one by now.
    Nothing,
}
