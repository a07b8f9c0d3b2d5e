//! `/v1/tokens` and `/v1/join-tokens`

use axum::Json;
use axum::extract::State as Of;
use axum::http::StatusCode;
use berth_allocator::{self as allocator, Command, MakeToken, Millis, Response, Role, TokenId};
use berth_replication::{TokenUse, random, token_hash};

use super::query::{Body, NoParameters, Parameters, ReadParameters, Segment, note};
use super::types::{Authority, Listing, MadeToken, NewToken, Scope, Token};
use super::views::time;
use super::{Api, Problem};
use crate::code::Code;
use crate::role;

/// How long a token is valid with which hosts join, unless it is said.
const JOIN_SECONDS: u64 = 3_600;

/// All tokens. What is secret in them is known to nobody but their bearers.
pub(super) async fn list(
    Of(api): Of<Api>,
    Parameters(ReadParameters { consistency }): Parameters<ReadParameters>,
) -> Result<Json<Listing<Token>>, Problem> {
    let states = api.states(Some(Scope::Global), consistency).await?;
    let look = states
        .look(|states| Ok(states.iter().flat_map(|(_, state)| state.tokens().map(view)).collect()));
    let (items, read) = look.await?;
    Ok(Json(Listing { items, truncated: false, read }))
}

/// By what other programs believe that they speak to a node.
pub(super) async fn authority(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Json<Authority>, Problem> {
    let (replica, _) = api.member()?;
    let plaintext =
        || Problem::new(Code::NoToken, "nodes speak plaintext here: nothing certifies them");
    let certificate = replica.authority().ok_or_else(plaintext)?;
    Ok(Json(Authority { certificate }))
}

/// Makes a token with which the API is used.
pub(super) async fn create(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    let wanted = new.role.as_deref().unwrap_or_default();
    let role = role::parse(wanted).map_err(|error| Problem::new(Code::BadRequest, error))?;
    if new.uses.is_some() {
        let detail = "uses are counted of tokens with which hosts join";
        return Err(Problem::new(Code::BadRequest, detail));
    }
    api.make(TokenUse::Api, role, new).await
}

/// Makes a token with which hosts join.
pub(super) async fn create_for_hosts(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    if new.role.is_some() {
        return Err(Problem::new(Code::BadRequest, "a host that joins is a server"));
    }
    let lifetime_seconds = Some(new.lifetime_seconds.unwrap_or(JOIN_SECONDS));
    api.make(TokenUse::Join, Role::Server, NewToken { lifetime_seconds, ..new }).await
}

/// Makes a token void.
pub(super) async fn revoke(
    Of(api): Of<Api>,
    Segment(token): Segment,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<StatusCode, Problem> {
    let id = token.parse().map_err(|_| {
        let detail = format!("{token:?} is not the number of a token: `berth token ls` has them");
        Problem::new(Code::BadRequest, detail)
    })?;
    api.submit(Scope::Global, Command::RevokeToken { token: TokenId::new(id) }).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Api {
    async fn make(
        &self,
        purpose: TokenUse,
        role: Role,
        new: NewToken,
    ) -> Result<(StatusCode, Json<MadeToken>), Problem> {
        let (replica, _) = self.member()?;
        let failed = |error: String| Problem::new(Code::NoToken, error);
        let key = random().map_err(|error| failed(error.to_string()))?;
        // Where none can be made, nothing is.
        let token =
            replica.access_token(purpose, key).map_err(|error| failed(error.to_string()))?;
        if purpose == TokenUse::Api && token.authority().is_none() {
            let detail = "nodes speak plaintext here, and so would your token: start them with a \
                          --bootstrap-secret-file and without --insecure";
            return Err(failed(detail.to_owned()));
        }
        let wanted = MakeToken {
            hash: token_hash(&key),
            role,
            note: note(new.note.unwrap_or_default())?,
            lifetime: new
                .lifetime_seconds
                .map(|seconds| Millis::new(seconds.saturating_mul(1_000))),
            uses: new.uses,
        };
        match self.submit(Scope::Global, Command::MakeToken(wanted)).await? {
            Response::Token(id) => {
                let made = MadeToken { id: id.get(), token: token.to_string() };
                Ok((StatusCode::CREATED, Json(made)))
            }
            other => Err(Problem::new(Code::OutcomeUnknown, format!("unexpected: {other:?}"))),
        }
    }
}

fn view(token: &allocator::Token) -> Token {
    Token {
        id: token.id.get(),
        role: role::text(&token.role),
        note: token.note.to_string(),
        made: time(token.made),
        expires: token.expires.map(time),
        uses_left: token.uses,
        used_by: token.used_by.as_ref().map(ToString::to_string),
    }
}
