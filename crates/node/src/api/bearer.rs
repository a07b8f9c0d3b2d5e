//! The API for users elsewhere: within TLS, on the port of nodes and agents, with a token at each request.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State as Of};
use axum::http::{HeaderMap, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use berth_allocator::Token;
use berth_replication::{
    AccessToken, Clock, Consistency, Deadline, SystemClock, TokenUse, UserStream,
};

use super::server::converse;
use super::{Api, DEADLINE, Problem};
use crate::audit::{self, Asker, Bearer};

/// Pause before somebody without a good token is answered.
const STRANGER_PAUSE: Duration = Duration::from_millis(250);
/// What a stranger is told.
const NO_TOKEN: &str =
    "this needs a token of `berth token create`, as `Authorization: Bearer TOKEN`";
const BAD_TOKEN: &str = "the token was never made, has expired, or was revoked: have another one made with `berth token create`";

impl Api {
    /// Serves a connection that came from `peer`.
    pub(crate) async fn serve_user(&self, stream: Box<dyn UserStream>, peer: &str) {
        let Ok(_place) = Arc::clone(&self.0.users).try_acquire_owned() else {
            tracing::warn!(target: audit::TARGET, peer, "too many users of the API are connected");
            return;
        };
        let asked = (self.clone(), Arc::from(peer));
        let router = self.clone().router();
        let router = router.layer(middleware::from_fn_with_state(asked, known));
        // A stop ends it with the port.
        let (_stop, stopping) = tokio::sync::watch::channel(());
        converse(stream, router, stopping).await;
    }
}

/// Finds out who asks.
async fn known(
    Of((api, peer)): Of<(Api, Arc<str>)>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let asker = api.asker(request.headers(), &peer).await?;
    if let Asker::Stranger(why) = &asker
        && request.headers().contains_key(header::AUTHORIZATION)
    {
        tracing::warn!(target: audit::TARGET, peer = &*peer, why, "a user was turned away");
        tokio::time::sleep(STRANGER_PAUSE).await;
    }
    Ok(audit::on_behalf_of(asker, next.run(request)).await)
}

impl Api {
    /// Who shows these headers. What a token is worth is asked of the cluster, so that one which was
    /// revoked is worth nothing anywhere.
    async fn asker(&self, headers: &HeaderMap, peer: &Arc<str>) -> Result<Asker, Problem> {
        let Some(shown) = headers.get(header::AUTHORIZATION) else {
            return Ok(Asker::Stranger(NO_TOKEN));
        };
        let shown = shown.to_str().ok().and_then(|shown| shown.split_once(' '));
        let bearer = shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = bearer.and_then(|(_, token)| AccessToken::parse(token, TokenUse::Api).ok());
        let Some(token) = token else { return Ok(Asker::Stranger(BAD_TOKEN)) };
        let (hash, now) = (token.hash(), SystemClock.now());
        let (replica, _) = self.member()?;
        let deadline = Deadline::after(DEADLINE);
        let found = replica
            .read(Consistency::Linearizable, deadline, |state| state.token(&hash, now).cloned())
            .await?
            .value;
        Ok(match found {
            Some(Token { id, role, .. }) => {
                Asker::Bearer(Bearer { token: id, role, peer: Arc::clone(peer) })
            }
            None => Asker::Stranger(BAD_TOKEN),
        })
    }
}
