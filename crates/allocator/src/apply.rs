//! Executes commands, one file each under `apply/`. What is common to all stands here: time,
//! revisions, and that each command is executed once.

mod address;
mod behind;
mod choose_pool;
mod evidence;
mod pool;
mod register;
mod release_address;
mod release_pool;
mod reserve;
mod session;
mod space;
mod token;

use alloc::string::ToString;
use alloc::vec::Vec;

use crate::claim::ClientNumber;
use crate::limits::{BATCH_MAX, WINDOW_MAX};
use crate::{Answer, Batch, Command, Envelope, Limit, Rejection, Response, State, Timestamp};

/// What a command does: a response, or why not. A refused command changes nothing.
type Outcome = Result<Response, Rejection>;

impl State {
    /// Executes a batch: one answer for each command, in order.
    pub fn apply(&mut self, batch: &Batch) -> Vec<Answer> {
        self.now = self.now.max(batch.at);
        batch.commands.iter().map(|envelope| self.execute_once(envelope)).collect()
    }

    fn execute_once(&mut self, envelope: &Envelope) -> Answer {
        if let Command::Register(register) = &envelope.command {
            self.revision = self.revision.next();
            let outcome = self.register(&envelope.client, register);
            return Answer { revision: self.revision, outcome };
        }
        let (number, answered) = match self.seen(envelope) {
            Ok((number, answered)) => (number, answered),
            Err(rejection) => {
                return Answer { revision: self.revision, outcome: Err(rejection) };
            }
        };
        #[cfg(feature = "canary")]
        let answered = answered.filter(|_| !crate::canary::sins(crate::canary::Canary::NoDedup));
        if let Some(answer) = answered {
            return answer;
        }
        let outcome = self.execute(number, &envelope.command);
        let answer = Answer { revision: self.revision, outcome };
        if let Some(client) = self.client_mut(number) {
            client.window.insert(envelope.sequence, answer.clone());
        }
        answer
    }

    /// Whose command this is, and what it was answered if it was executed before.
    fn seen(&mut self, envelope: &Envelope) -> Result<(ClientNumber, Option<Answer>), Rejection> {
        let unknown = || Rejection::UnknownClient { client: envelope.client.clone() };
        let number = *self.client_numbers.get(&envelope.client).ok_or_else(unknown)?;
        let client = self.client_mut(number).ok_or_else(unknown)?;
        if envelope.incarnation != client.incarnation {
            let current = client.incarnation;
            return match &client.previous {
                Some((previous, window)) if *previous == envelope.incarnation => {
                    match window.get(envelope.sequence) {
                        Some(answer) => Ok((number, Some(answer.clone()))),
                        None if envelope.sequence < window.heard => Err(Rejection::AnswerForgotten),
                        None => Err(Rejection::IncarnationOver { current }),
                    }
                }
                _ => Err(Rejection::AnswerForgotten),
            };
        }
        if let Some(answer) = client.window.get(envelope.sequence) {
            return Ok((number, Some(answer.clone())));
        }
        if envelope.sequence < client.window.heard {
            return Err(Rejection::AnswerForgotten);
        }
        client.window.forget(envelope.heard.min(envelope.sequence));
        if client.window.len() >= WINDOW_MAX {
            return Err(Rejection::Limit(Limit::UnheardAnswers));
        }
        Ok((number, None))
    }

    fn execute(&mut self, client: ClientNumber, command: &Command) -> Outcome {
        self.revision = self.revision.next();
        match command {
            Command::Register(_) => Err(Rejection::Misplaced { what: "Register".to_string() }),
            Command::Renew(renew) => self.renew(client, renew),
            Command::OpenSession(open) => self.open_session(client, open),
            Command::CreateSpace { name, settings } => self.create_space(name, settings),
            Command::UpdateSpace { name, settings } => self.update_space(name, settings),
            Command::DeleteSpace { name } => self.delete_space(name),
            Command::RequestPool(request) => self.request_pool(client, request),
            Command::ReleasePool(release) => self.release_pool(client, release),
            Command::RequestAddress(request) => self.request_address(client, request),
            Command::ReleaseAddress(release) => self.release_address(client, release),
            Command::Reserve(reserve) => self.reserve(reserve),
            Command::Unreserve { space, first } => self.unreserve(space, *first),
            Command::FreeSuspect(free) => self.free_suspect(client, free),
            Command::ForgetHost { client } => self.forget_host(client),
            Command::DeclareBehind => {
                self.declare_behind();
                Ok(Response::Done)
            }
            Command::ClearBehind { pool } => self.clear_behind(pool),
            Command::Resume { space } => self.resume(space.as_ref()),
            Command::MakeToken(wanted) => self.make_token(wanted),
            Command::RevokeToken { token } => self.revoke_token(*token),
            Command::UseToken { hash, by } => self.use_token(hash, by),
            Command::RaiseLevel { to } if *to < self.level => {
                Err(Rejection::LevelReached { level: self.level })
            }
            Command::RaiseLevel { to } => {
                self.level = *to;
                Ok(Response::Done)
            }
            Command::Batch(commands) => self.execute_all(client, commands),
        }
    }

    fn execute_all(&mut self, client: ClientNumber, commands: &[Command]) -> Outcome {
        if commands.len() > BATCH_MAX {
            return Err(Rejection::Limit(Limit::Batch));
        }
        if commands.iter().any(|command| matches!(command, Command::Batch(_))) {
            return Err(Rejection::Misplaced { what: "Batch".to_string() });
        }
        let outcomes = commands.iter().map(|command| self.execute(client, command)).collect();
        Ok(Response::Batch(outcomes))
    }
}

impl State {
    /// The claim id, session id or incarnation that the command under way creates.
    fn current(&self) -> (u64, Timestamp) {
        (self.revision.get(), self.now)
    }
}
