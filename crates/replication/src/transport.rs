//! How nodes talk: our own frames over TCP, within TLS.
//!
//! A connection belongs to one [`Lane`] of one pair of nodes, to an agent, or to a newcomer. It begins with a
//! greeting in which both sides check whom they talk to, and then carries requests one way and responses the other, many
//! at a time. Nothing read from the network is trusted to have a size or a form.

mod addresses;
mod agent_greeting;
mod channel;
mod crowd;
mod frame;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod greeting;
mod handshake;
mod join;
mod join_greeting;
mod link;
mod links;
mod message;
mod server;
#[cfg(test)]
mod strangers;
mod stream;

pub(crate) use agent_greeting::AgentIdentity;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use agent_greeting::{AgentHello, AgentWelcome};
pub(crate) use channel::Channel;
#[cfg(test)]
pub(crate) use greeting::Refusal;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use greeting::{Hello, Welcome};
pub(crate) use greeting::{Identity, Lane};
pub(crate) use join::{JoinFailure, ask_to_join};
pub(crate) use join_greeting::JoinHello;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use join_greeting::JoinWelcome;
pub(crate) use link::{CallError, Greeter, Link, Target, Whereabouts};
pub(crate) use links::Links;
pub(crate) use message::{AppendOutcome, Candidacy, Failure, Request, Response, TransferOutcome};
pub(crate) use server::{AUDIT, Handle, Server, Session};
pub use stream::PeerListener;
pub(crate) use stream::PeerStream;
