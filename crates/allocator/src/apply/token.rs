//! Tokens: made, used, revoked.

use super::Outcome;
use crate::token::{MakeToken, Token, TokenHash};
use crate::{Limit, Rejection, Response, Role, State, Text, TokenId};

impl State {
    pub(super) fn make_token(&mut self, wanted: &MakeToken) -> Outcome {
        self.tokens.make_room(self.now);
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
            used_by: None,
        };
        if self.tokens.insert(token) { Ok(Response::Token(id)) } else { Err(Rejection::VoidToken) }
    }

    pub(super) fn revoke_token(&mut self, id: TokenId) -> Outcome {
        self.tokens.remove(id).ok_or(Rejection::UnknownToken)?;
        Ok(Response::Done)
    }

    /// Counts the use of a token by a host that becomes a node.
    pub(super) fn use_token(&mut self, hash: &TokenHash, by: &Text) -> Outcome {
        let now = self.now;
        let token = self.tokens.by_hash_mut(hash);
        let token = token.filter(|token| !token.is_expired(now) && token.role == Role::Server);
        let token = token.ok_or(Rejection::UnknownToken)?;
        if token.used_by.as_ref() != Some(by) {
            if let Some(left) = &mut token.uses {
                *left = left.checked_sub(1).ok_or(Rejection::UnknownToken)?;
            }
            token.used_by = Some(by.clone());
        }
        Ok(Response::Token(token.id))
    }
}
