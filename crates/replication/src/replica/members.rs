//! A node's part in who is a member.

use futures::future::join_all;

use super::{MemberStatus, Replica, Role};
use crate::address::{is_loopback, is_unspecified};
use crate::membership::LATELY;
use crate::transport::{Lane, Request, Response};
use crate::{AccessToken, Build, Deadline, MemberChange, MembershipError, TokenUse};

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

    /// Which build each member is, or why it did not say.
    pub async fn builds(&self, deadline: Deadline) -> Vec<(MemberStatus, Result<Build, String>)> {
        let status = self.status();
        let ask = async |member: MemberStatus| {
            if member.node == status.node {
                return (member, Ok(Build::own()));
            }
            let link = self.0.core.links().to(member.node, Lane::Forward);
            let build = match link.call(&Request::Build, deadline).await {
                Ok(Response::Build(build)) => Ok(build),
                Ok(_) => Err("it does not know the question: it is of an older build".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            (member, build)
        };
        join_all(status.members.iter().cloned().map(ask)).await
    }

    /// A token with this key, whose hash is, or is about to be, in the cluster's state.
    pub fn access_token(&self, purpose: TokenUse, key: [u8; 32]) -> Result<AccessToken, NoToken> {
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
        let authority = self.0.core.links().channel().authority();
        Ok(AccessToken::new(purpose, self.cluster(), addresses, authority, key))
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
