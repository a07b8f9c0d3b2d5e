//! `/v1/import`: what `/v1/export` gave, into another cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::State as Of;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use berth_allocator::{SpaceName, State};
use berth_replication::{Clock, SystemClock};
use futures::{StreamExt, stream};
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::query::Parameters;
use super::types::{Consistency, ImportLine, Scope};
use super::{Api, Problem};
use crate::audit;
use crate::code::Code;
use crate::import::{FILE_BYTES_MAX, Found, InCluster, Plan, Reader, Rehearsal, carry_out};

/// Its path: it has limits of its own.
pub(super) const PATH: &str = "/v1/import";
/// How long a piece of the file may take to come.
const PIECE_DEADLINE: Duration = Duration::from_secs(30);
/// How long the file may take in all.
const FILE_DEADLINE: Duration = Duration::from_mins(10);
/// Lines of the answer that wait to be sent; more are left out, but the last.
const LINES_KEPT: usize = 16;

/// How it is imported.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    /// Only look whether it could be.
    dry_run: bool,
    /// Go on with an import that was not finished.
    resume: bool,
}

/// Imports a file. What is wrong with it is answered before anything is changed.
pub(super) async fn upload(
    Of(api): Of<Api>,
    Parameters(Wanted { dry_run, resume }): Parameters<Wanted>,
    body: Body,
) -> Result<Response, Problem> {
    let mut body = body.into_data_stream();
    let received = timeout(FILE_DEADLINE, receive(&api, &mut body)).await;
    let late = || Problem::new(Code::BadRequest, "the file took too long to come");
    let plan = received.map_err(|_| late())??;
    // Held until the import is over: there is one at a time.
    let place = api.place_for_copy()?;
    let (replica, sender) = api.member()?;
    let local = plan.spaces().find(|(_, name)| api.scope_of(name) == Scope::Local);
    if let Some((line, name)) = local {
        let detail = format!("line {line}: {name} is this host's own space");
        return Err(Problem::new(Code::Import, detail));
    }
    let states = api.states(Some(Scope::Global), Consistency::Linearizable).await?;
    let own = sender.client().clone();
    let rehearsed = states.look(move |states| {
        let (_, state) = states.first().expect("the cluster's state was read");
        let found = found(&plan, state, resume)?;
        let mut rehearsal = Rehearsal::new(state.clone(), own, SystemClock.now());
        Handle::current().block_on(carry_out(&plan, &found, &mut rehearsal))?;
        Ok((plan, found))
    });
    let ((plan, found), _) = rehearsed.await?;
    let (lines, rest) = mpsc::channel(LINES_KEPT);
    if dry_run {
        lines.try_send(ImportLine::Done(plan.counts())).expect("there is room for a line");
        return Ok(answer(rest));
    }
    let mut cluster =
        InCluster::new(replica.clone(), Arc::clone(sender), plan.size(), lines.clone());
    // It goes on where whoever asked is gone.
    tokio::spawn(audit::on_behalf_of(audit::asker(), async move {
        let _place = place;
        let counts = plan.counts();
        let last = match carry_out(&plan, &found, &mut cluster).await {
            Ok(()) => {
                tracing::info!(?counts, "an export was imported");
                ImportLine::Done(counts)
            }
            Err(mut problem) => {
                tracing::warn!(why = problem.detail, "an import was not finished");
                problem.detail += NOT_FINISHED;
                ImportLine::Failed { problem }
            }
        };
        // Whoever is gone need not be told.
        let _ = timeout(PIECE_DEADLINE, lines.send(last)).await;
    }));
    Ok(answer(rest))
}

/// What to do then.
const NOT_FINISHED: &str = "; the import was not finished, and its spaces give nothing new until it is: \
                            import the same file again with --resume";

/// Reads a file that is refused, so that whoever sends it hears why.
pub(super) async fn drain(body: Body) {
    let (mut body, mut bytes) = (body.into_data_stream(), 0);
    let read = async {
        while let Some(Ok(piece)) = body.next().await {
            bytes += piece.len() as u64;
            if bytes > FILE_BYTES_MAX {
                break;
            }
        }
    };
    // One that is slower need not hear it.
    let _ = timeout(PIECE_DEADLINE, read).await;
}

/// Reads the file. One that is wrong is read to its end, so that whoever sends it hears why.
async fn receive(api: &Api, body: &mut BodyDataStream) -> Result<Plan, Problem> {
    let mut reader = api.member().map(|_| Reader::default());
    let mut bytes = 0;
    loop {
        let piece = timeout(PIECE_DEADLINE, body.next()).await;
        let broke =
            |error: String| Problem::new(Code::BadRequest, format!("no whole file: {error}"));
        let piece = match piece.map_err(|_| broke("nothing came any more".to_owned()))? {
            Some(piece) => piece.map_err(|error| broke(error.to_string()))?,
            None => return reader?.finish(),
        };
        bytes += piece.len() as u64;
        reader = reader.and_then(|mut reader| reader.feed(&piece).map(|()| reader));
        if bytes > FILE_BYTES_MAX {
            return reader?.finish();
        }
    }
}

/// Which of the file's spaces are there; refused unless they are empty, or an import of them is to go on.
fn found(plan: &Plan, state: &State, resume: bool) -> Result<BTreeMap<SpaceName, Found>, Problem> {
    let mut all = BTreeMap::new();
    for (line, name) in plan.spaces() {
        let Ok(space) = state.space(name) else { continue };
        let found = Found::of(&space);
        let why = match &found {
            Found::Closed(_) if !resume => {
                "an import of it was not finished: go on with it with --resume, and the same file"
            }
            Found::Empty | Found::Closed(_) => {
                all.insert(name.clone(), found);
                continue;
            }
            Found::InUse if space.pools == 0 && space.reservations.is_empty() => {
                "an engine has begun in it. Import before the engines begin"
            }
            Found::InUse => {
                "it has pools or reservations. Remove it, or import into another cluster"
            }
        };
        let detail = format!("line {line}: address space {name} is not empty: {why}");
        return Err(Problem::new(Code::Import, detail));
    }
    Ok(all)
}

fn answer(lines: mpsc::Receiver<ImportLine>) -> Response {
    let pieces = stream::unfold(lines, async |mut lines: mpsc::Receiver<ImportLine>| {
        let line = lines.recv().await?;
        let mut text = serde_json::to_vec(&line).expect("a line is made of names and numbers");
        text.push(b'\n');
        Some((Ok::<_, std::io::Error>(Bytes::from(text)), lines))
    });
    ([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(pieces)).into_response()
}
