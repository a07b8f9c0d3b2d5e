//! Questions between nodes that are not the replica's own: those who use it ask and answer them.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use berth_allocator::{Answer, Envelope};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Replica;
use crate::transport::{Lane, Request, Response};
use crate::{Deadline, LogIndex, NodeId, NodeName, ProposeError};

/// Answers other nodes' questions.
#[async_trait]
pub trait Respond: Send + Sync + 'static {
    /// The answer, or why there is none.
    async fn respond(&self, question: Bytes) -> Result<Bytes, String>;

    /// The same, to an agent.
    async fn respond_to_agent(&self, agent: &NodeName, question: Bytes) -> Result<Bytes, String> {
        let _ = agent;
        self.respond(question).await
    }

    /// Serves a connection of a user of the API, who has shown nothing yet. It came from `peer`.
    async fn serve_user(&self, stream: Box<dyn UserStream>, peer: &str) {
        let _ = (stream, peer);
    }

    /// An agent has commands executed by this node: whoever wants to know what comes of them.
    fn witness(&self, agent: &NodeName, commands: &[Envelope]) -> Option<Witness> {
        let _ = (agent, commands);
        None
    }
}

/// A connection of a user of the API, within TLS.
pub trait UserStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> UserStream for T {}

/// Is told what came of commands; dropped if nobody waited for that.
pub type Witness = Box<dyn FnOnce(Result<(LogIndex, &[Answer]), ProposeError>) + Send>;

/// Where the one who answers is put, once there is one.
pub(crate) type RespondentSlot = Arc<OnceLock<Arc<dyn Respond>>>;

/// Another node gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It is not a member of the cluster.
    #[error("node {0} is not a member of the cluster")]
    NotAMember(NodeId),
    /// It was not reached, or did not answer in time.
    #[error("{0}")]
    Silent(String),
    /// It answered that it cannot tell.
    #[error("it cannot tell: {0}")]
    Refused(String),
}

impl Replica {
    /// Has other nodes' questions answered by `respondent`, from now on. The first one stays.
    pub fn answer_with(&self, respondent: Arc<dyn Respond>) {
        let _ = self.0.respondent.set(respondent);
    }

    /// Asks another node something.
    pub async fn ask(
        &self,
        node: NodeId,
        question: Bytes,
        deadline: Deadline,
    ) -> Result<Bytes, AskError> {
        self.0.core.peer(node).ok_or(AskError::NotAMember(node))?;
        let link = self.0.core.links().to(node, Lane::Forward);
        let asked = link.call(&Request::Question { body: question }, deadline).await;
        match asked.map_err(|error| AskError::Silent(error.to_string()))? {
            Response::Told { body } => Ok(body),
            Response::Failed { reason } => Err(AskError::Refused(reason)),
            _ => Err(AskError::Refused("its answer fits no question of this node".to_owned())),
        }
    }
}
