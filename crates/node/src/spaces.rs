//! The spaces that engines expect: the host's own, and the Swarm's.

use std::time::Duration;

use berth_allocator::{Command, Prefix, Rejection, Response, SpaceName, SpaceSettings};
use berth_replication::{ClusterId, Consistency, Deadline};
use sha2::{Digest, Sha256};

use crate::looks::SharingOf;
use crate::sender::{Sender, SubmitError};

/// How long one attempt to make a space may take, and the pause after it.
const ATTEMPT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);

/// Sees to it that a space exists; waits for a leader if it must. Ends when the space is there, or
/// cannot be.
pub async fn ensure(
    sender: &Sender,
    name: &SpaceName,
    settings: SpaceSettings,
) -> Result<(), Rejection> {
    loop {
        if exists(sender, name).await {
            return Ok(());
        }
        let command = Command::CreateSpace { name: name.clone(), settings: settings.clone() };
        match sender.submit(command, Deadline::after(ATTEMPT)).await {
            Ok(Response::Done) => {
                tracing::info!(space = %name, "address space created");
                return Ok(());
            }
            Ok(other) => unreachable!("a space is not created with {other:?}"),
            // Another node was faster.
            Err(SubmitError::Rejected(Rejection::SpaceExists { .. })) => return Ok(()),
            Err(SubmitError::Rejected(rejection)) => return Err(rejection),
            Err(error) => {
                tracing::warn!(space = %name, %error, "the address space is not there yet");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn exists(sender: &Sender, name: &SpaceName) -> bool {
    let look = SharingOf { space: name.clone() };
    let seen = sender.target().look(look, Consistency::Stale, Deadline::after(PAUSE)).await;
    seen.is_ok_and(|sharing| sharing.is_ok())
}

/// A unique local /48 (RFC 4193) of the cluster's own, or of one of its hosts'.
pub fn unique_local(cluster: ClusterId, host: Option<&str>) -> Prefix {
    let mut hash = Sha256::new();
    hash.update(b"berth unique local prefix");
    hash.update(cluster.bytes());
    hash.update(host.unwrap_or_default());
    let digest: [u8; 32] = hash.finalize().into();
    unique_local_of(&digest)
}

/// A unique local /48 of whoever draws it: the host may not have met its cluster yet.
pub fn random_unique_local() -> Prefix {
    let drawn: [_; 5] = berth_replication::random().expect("the system gives random numbers");
    unique_local_of(&drawn)
}

fn unique_local_of(id: &[u8]) -> Prefix {
    let mut octets = [0; 16];
    octets.iter_mut().zip(std::iter::once(&0xfd).chain(id)).take(6).for_each(|(to, from)| {
        *to = *from;
    });
    Prefix::of(std::net::Ipv6Addr::from(octets).into(), 48).expect("IPv6 has more than 48 bits")
}
