//! Becoming a member of a cluster that is there: asked with a token, once, before the first start.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_allocator::Level;
use berth_pki::Purpose;

use crate::directory::{DataDirectory, DirectoryError, NewOwner};
use crate::membership::{Admission, ChangeFailure, Grant, MembershipRefusal};
use crate::transport::{Channel, JoinFailure, JoinHello, ask_to_join};
use crate::{
    AccessToken, ClusterId, Deadline, LogIndex, MembershipError, NodeId, NodeName, blocking,
};

/// Pause after nobody answered.
const PAUSE: Duration = Duration::from_millis(500);

/// What a newcomer must be told.
#[derive(Debug, Clone)]
pub struct JoinConfig {
    /// From a member.
    pub token: AccessToken,
    /// This node's name.
    pub name: NodeName,
    /// Where its replica will keep its data; nothing may be there.
    pub data_dir: PathBuf,
    /// Host and port at which the members are to reach it.
    pub address: String,
    /// It takes the place of the member of its name, whose data is gone.
    pub replace: bool,
    /// Allows plaintext beyond loopback.
    pub insecure: bool,
}

/// A newcomer that is a member now: a learner, until it has caught up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Its number.
    pub node: NodeId,
    /// The cluster.
    pub cluster: ClusterId,
    /// The log entry that made it one.
    pub since: LogIndex,
    /// The other members' names and addresses.
    pub members: Vec<(String, String)>,
}

/// A newcomer did not become a member. Nothing was made here.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// There is data.
    #[error(
        "{} belongs to a node already. To go on with it, run `berth server`; to give it up and come \
         back as a new member, run `berth cluster join TOKEN --replace`", path.display()
    )]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// The data directory.
    #[error(transparent)]
    Directory(DirectoryError),
    /// This host's certificate.
    #[error("cannot make this host's certificate")]
    Certificate(#[source] berth_pki::PkiError),
    /// A member does not want to hear it.
    #[error("the cluster turns this node away: {reason}")]
    TurnedAway {
        /// Where, and why.
        reason: String,
    },
    /// The leader refuses, or it is not known.
    #[error(transparent)]
    Membership(MembershipError),
    /// No member could be reached.
    #[error(
        "none of the token's members answers ({reason}): is one running, and is its port open for \
         this host? If all have moved, have another token made"
    )]
    Unreachable {
        /// What each said.
        reason: String,
    },
}

/// Joins: asks the cluster for a number, and makes the data directory that holds it. The node that is
/// then started with that directory catches up by itself.
///
/// It is tried until the deadline. What was interrupted may be repeated.
pub async fn join(config: JoinConfig, deadline: Deadline) -> Result<Joined, JoinError> {
    let dir = config.data_dir.clone();
    let unused = in_background(move || DataDirectory::is_unused(&dir)).await;
    if !unused.map_err(JoinError::Directory)? {
        return Err(JoinError::Occupied { path: config.data_dir });
    }
    let grant = ask(&config, deadline).await?;
    let (node, since) = (grant.node, LogIndex::new(grant.since));
    let members = grant.members.values().map(|it| (it.name.clone(), it.address.clone())).collect();
    let joined = Joined { node, cluster: config.token.cluster(), since, members };
    let made = in_background(move || make(&config.data_dir, &config, grant));
    made.await.map_err(JoinError::Directory)?;
    Ok(joined)
}

fn make(dir: &Path, config: &JoinConfig, grant: Grant) -> Result<(), DirectoryError> {
    let (cluster, node) = (config.token.cluster(), grant.node);
    let secret = grant.secret.clone();
    let (name, secret, grant) = (&config.name, secret.as_ref(), Some(grant));
    let owner = NewOwner { cluster, node, name, secret, grant };
    DataDirectory::make(dir, owner, || Ok(())).map(drop)
}

async fn ask(config: &JoinConfig, deadline: Deadline) -> Result<Grant, JoinError> {
    let JoinConfig { token, name, address, replace, insecure, .. } = config;
    let (name, address, replace) = (name.clone(), address.clone(), *replace);
    let hello = JoinHello::new(name.clone(), token);
    let admission = Admission { name, address, replace, newest: Level::NEWEST };
    let channel = Channel::of_bearer(token.authority(), *insecure, Purpose::Join);
    let channel = channel.map_err(JoinError::Certificate)?;
    let mut unsettled = None;
    loop {
        let (mut silent, mut turned_away) = (Vec::new(), Vec::new());
        for at in token.addresses() {
            match ask_to_join(at, &hello, &admission, &channel, deadline).await {
                Ok(grant) => return Ok(grant),
                Err(JoinFailure::TurnedAway(reason)) => turned_away.push(reason),
                // The one under way may be this newcomer's own, asked for before.
                Err(JoinFailure::Refused(ChangeFailure::Refused(
                    refusal @ MembershipRefusal::UnderWay,
                ))) => unsettled = Some(refusal.into()),
                Err(JoinFailure::Refused(ChangeFailure::Refused(refusal))) => {
                    return Err(JoinError::Membership(refusal.into()));
                }
                Err(JoinFailure::Refused(ChangeFailure::Hindered(failure))) => {
                    silent.push(format!("{at}: {}", failure.reason()));
                }
                Err(JoinFailure::Unreachable(reason)) => silent.push(reason),
                Err(JoinFailure::Lost(reason)) => {
                    unsettled = Some(MembershipError::Unknown { reason });
                }
            }
        }
        if !turned_away.is_empty() {
            return Err(JoinError::TurnedAway { reason: turned_away.join("; ") });
        }
        if deadline.remaining() <= PAUSE {
            let reason = silent.join("; ");
            let unreachable = JoinError::Unreachable { reason };
            return Err(unsettled.map_or(unreachable, JoinError::Membership));
        }
        tracing::info!(reason = silent.join("; "), "no member has admitted this node yet");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DirectoryError> + Send + 'static,
) -> Result<T, DirectoryError> {
    let done = blocking::spawn(work).await;
    done.unwrap_or_else(|error| Err(DirectoryError::interrupted(io::Error::other(error))))
}
