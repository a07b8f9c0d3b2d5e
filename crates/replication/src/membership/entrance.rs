//! Whoever joins shows a token. The state says whether it is good, and counts its use.

use berth_allocator::{
    Answer, ClientName, Command, Envelope, Incarnation, Millis, Register, Rejection, Response,
    Sequence, Text, TokenHash,
};
use tokio::time::sleep;

use super::leader::{Attempts, PAUSE, failure};
use super::{ChangeFailure, MembershipError, MembershipRefusal};
use crate::proposer::Execute;
use crate::replica::Core;
use crate::transport::Failure;
use crate::{Deadline, NodeName};

impl Core {
    /// Counts the use of a token by a newcomer. The same one may use it again.
    pub(crate) async fn use_token(
        &self,
        token: &TokenHash,
        by: &NodeName,
        deadline: Deadline,
    ) -> Result<(), MembershipError> {
        let by = Text::new(by.as_str()).expect("a node's name is short and plain");
        let mut attempts = Attempts::default();
        loop {
            let command = Command::UseToken { hash: *token, by: by.clone() };
            match self.execute_as_host(command, deadline).await {
                Ok(()) => return Ok(()),
                Err(failure) => attempts.failed(failure, deadline)?,
            }
            sleep(PAUSE).await;
        }
    }

    /// Executes a command that does no harm when it is executed twice, as a client that is this member's
    /// own and has no other use.
    async fn execute_as_host(
        &self,
        command: Command,
        deadline: Deadline,
    ) -> Result<(), ChangeFailure> {
        let client = ClientName::new(format!("join@{}", self.node())).expect("it is a name");
        let instance =
            crate::random().map_err(|error| Failure::Refused { reason: error.to_string() })?;
        let envelope = |incarnation, sequence, command| Envelope {
            client: client.clone(),
            incarnation,
            sequence: Sequence::new(sequence),
            heard: Sequence::new(sequence),
            command,
        };
        let register = Command::Register(Register {
            instance: u128::from_le_bytes(instance),
            address: Text::new("").expect("it is empty"),
            lease: Millis::new(0),
        });
        let registered = self.one(envelope(Incarnation::new(0), 0, register), deadline).await?;
        let Ok(Response::Registered(incarnation)) = registered.outcome else {
            return Err(Failure::Refused { reason: format!("{:?}", registered.outcome) }.into());
        };
        match self.one(envelope(incarnation, 1, command), deadline).await?.outcome {
            Ok(_) => Ok(()),
            Err(Rejection::UnknownToken) => Err(MembershipRefusal::Token.into()),
            // Another newcomer came at the same time.
            Err(Rejection::IncarnationOver { .. } | Rejection::AnswerForgotten) => {
                Err(Failure::NotLeader.into())
            }
            Err(rejection) => Err(Failure::Refused { reason: rejection.to_string() }.into()),
        }
    }

    async fn one(&self, envelope: Envelope, deadline: Deadline) -> Result<Answer, ChangeFailure> {
        let executed = self.execute(vec![envelope], deadline).await;
        let (_, answers) = executed.map_err(failure)?;
        let unanswered = || Failure::Unknown { reason: "there was no answer".to_owned() };
        answers.into_iter().next().ok_or_else(|| unanswered().into())
    }
}
