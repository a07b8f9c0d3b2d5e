//! Tokens: made, used, revoked.

use super::Outcome;
use crate::token::{MakeToken, Token, TokenHash};
use crate::{Limit, Rejection, Response, Role, State, TokenId};

impl State {
    pub(super) fn make_token(&mut self, wanted: &MakeToken) -> Outcome {
        self.tokens.forget_expired(self.now);
        if self.tokens.is_full() {
            return Err(Rejection::Limit(Limit::Tokens));
        }
        if wanted.uses == Some(0) || wanted.lifetime.is_some_and(|lifetime| lifetime.get() == 0) {
            return Err(Rejection::VoidToken);
        }
        let (revision, made) = self.current();
        let id = TokenId::new(revision);
        let token = Token {
            id,
            hash: wanted.hash,
            role: wanted.role.clone(),
            note: wanted.note.clone(),
            made,
            expires: wanted.lifetime.map(|lifetime| made.after(lifetime)),
            uses: wanted.uses,
        };
        if self.tokens.insert(token) { Ok(Response::Token(id)) } else { Err(Rejection::VoidToken) }
    }

    pub(super) fn revoke_token(&mut self, id: TokenId) -> Outcome {
        self.tokens.remove(id).ok_or(Rejection::UnknownToken)?;
        Ok(Response::Done)
    }

    /// Counts one use of a token that lets a host become a node.
    pub(super) fn use_token(&mut self, hash: &TokenHash) -> Outcome {
        let token = self.tokens.by_hash(hash).filter(|token| !token.is_expired(self.now));
        let token = token.filter(|token| token.role == Role::Server);
        let id = token.ok_or(Rejection::UnknownToken)?.id;
        self.tokens.use_once(id);
        Ok(Response::Token(id))
    }
}
