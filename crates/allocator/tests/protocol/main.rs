//! The claim protocol with the real allocator as its state machine, checked exhaustively within
//! bounds: what engines, front-ends and the network do, in every order, with requests that arrive
//! late or never and answers that nobody hears. The rules hold; and with any one of them taken out,
//! something breaks, which shows that the model would tell.
//!
//! `rule.rs` lists the rules; `swarm.rs` has an exclusive space, `hosts.rs` a shared one, and what is
//! true of every state.

#[cfg(test)]
mod berth;
#[cfg(test)]
mod canonical;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod rule;
#[cfg(test)]
mod swarm;

#[cfg(test)]
mod tests;
