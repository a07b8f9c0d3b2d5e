//! A node's part in who is a member.

use super::{Replica, Role};
use crate::membership::{LATELY, is_loopback, is_unspecified};
use crate::{Deadline, JoinToken, MemberChange, MembershipError};

/// No token can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoToken {
    /// There is nothing to prove.
    #[error(
        "the cluster has no secret, so anybody could join it: start its members with \
         --bootstrap-secret-file first"
    )]
    NoSecret,
    /// Nobody could reach anybody.
    #[error(
        "no member has an address at which other hosts reach it: start one with --advertise HOST:PORT"
    )]
    NoAddress,
}

impl Replica {
    /// Has the membership changed. Whatever node is asked, the leader does it.
    pub async fn change_members(
        &self,
        change: &MemberChange,
        deadline: Deadline,
    ) -> Result<(), MembershipError> {
        self.0.core.change(change, deadline).await
    }

    /// What a newcomer needs to join this cluster.
    pub fn join_token(&self) -> Result<JoinToken, NoToken> {
        let members = self.status().members.into_iter();
        let addresses = members.map(|member| member.address);
        let reached = |address: &String| !address.is_empty() && !is_unspecified(address);
        let addresses: Vec<String> = addresses.filter(reached).collect();
        if addresses.is_empty() {
            return Err(NoToken::NoAddress);
        }
        if self.0.secret.is_none() && !addresses.iter().all(|address| is_loopback(address)) {
            return Err(NoToken::NoSecret);
        }
        Ok(JoinToken::new(self.cluster(), addresses, self.0.secret.as_ref()))
    }

    /// Hands the leadership to another node, if this one leads. True once another one does.
    pub async fn hand_over(&self, deadline: Deadline) -> bool {
        let status = self.status();
        if status.role != Role::Leader {
            return status.leader.is_some();
        }
        let others = status.members.iter().filter(|it| it.voter && it.node != status.node);
        // Where none was heard yet, any may do.
        let best =
            others.max_by_key(|it| (it.heard.is_some_and(|heard| heard < LATELY), it.matched));
        match best {
            Some(best) => self.0.core.hand_over_to(best.node, deadline).await,
            None => false,
        }
    }
}
