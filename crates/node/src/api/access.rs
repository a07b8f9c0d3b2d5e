//! What whoever asks may do. What is not said here is an administrator's.

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use berth_allocator::{Command, Role};

use super::{Problem, import};
use crate::audit::{self, Asker};
use crate::code::Code;
use crate::role;

/// What a request needs. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// Nothing: whether the process lives, and serves.
    Nothing,
    /// To read what the cluster holds.
    Read,
    /// To change what is in a space: which one, the command says.
    Allocate,
    /// To change spaces and hosts.
    Admin,
    /// To change who is let in, the members, and what a restored cluster may do; and all of it in one file, out and in.
    Cluster,
}

impl Need {
    fn of(method: &Method, path: &str) -> Self {
        let path = path.strip_prefix("/v1/").unwrap_or(path);
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let reservations = first == "spaces"
            && rest.split_once('/').is_some_and(|(_, rest)| rest.starts_with("reservations"));
        match first {
            "backup" | "import" | "tokens" | "join-tokens" => Self::Cluster,
            "" if method.is_safe() && matches!(rest, "livez" | "readyz") => Self::Nothing,
            _ if method.is_safe() => Self::Read,
            "members" | "leader" | "resume" | "level" => Self::Cluster,
            // It changes nothing.
            "verify" => Self::Read,
            "suspects" => Self::Allocate,
            _ if reservations => Self::Allocate,
            _ => Self::Admin,
        }
    }
}

/// The most that somebody may do.
fn granted(asker: &Asker) -> Need {
    match asker {
        // Whoever may open the socket, and this process itself.
        Asker::User(_) | Asker::Engine(_) | Asker::Node | Asker::Doctor | Asker::Observer => {
            Need::Cluster
        }
        Asker::Berth => Need::Cluster,
        // On behalf of its host's users.
        Asker::Agent(_) => Need::Admin,
        Asker::Bearer(bearer) => match bearer.role {
            Role::Server => Need::Nothing,
            Role::Read => Need::Read,
            Role::Allocate(_) => Need::Allocate,
            Role::Admin => Need::Cluster,
        },
        Asker::Stranger(_) => Need::Nothing,
    }
}

/// Refuses what whoever asks may not do.
pub(super) async fn allowed(request: Request, next: Next) -> Result<Response, Problem> {
    let asker = audit::asker();
    let need = Need::of(request.method(), request.uri().path());
    if need > granted(&asker) {
        if request.uri().path() == import::PATH && matches!(asker, Asker::Bearer(_)) {
            import::drain(request.into_body()).await;
        }
        return Err(refused(&asker));
    }
    Ok(next.run(request).await)
}

/// Refuses a command in a space that is not the asker's.
pub(super) fn check(command: &Command) -> Result<(), Problem> {
    let asker = audit::asker();
    let Asker::Bearer(bearer) = &asker else { return Ok(()) };
    let Role::Allocate(own) = &bearer.role else { return Ok(()) };
    let space = match command {
        Command::Reserve(reserve) => &reserve.space,
        Command::Unreserve { space, .. } => space,
        Command::FreeSuspect(free) => &free.pool.space,
        _ => return Err(refused(&asker)),
    };
    if space == own { Ok(()) } else { Err(refused(&asker)) }
}

fn refused(asker: &Asker) -> Problem {
    match asker {
        Asker::Stranger(why) => Problem::new(Code::WhoAreYou, *why),
        Asker::Bearer(bearer) => {
            let (id, role) = (bearer.token, role::text(&bearer.role));
            let detail = format!(
                "token {id} has the role {role}, which does not allow this: use another one, or the \
                 API's socket on a server"
            );
            Problem::new(Code::NotAllowed, detail)
        }
        _ => Problem::new(Code::NotAllowed, "an agent may not do this: ask on a server"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_an_administrators() {
        let need = |method: &str, path: &str| Need::of(&method.parse().unwrap(), path);
        for (method, path, wanted) in [
            ("GET", "/livez", Need::Nothing),
            ("GET", "/readyz", Need::Nothing),
            ("GET", "/v1/status", Need::Read),
            ("GET", "/v1/spaces/lab/pools", Need::Read),
            ("GET", "/v1/export", Need::Read),
            ("GET", "/v1/backup", Need::Cluster),
            ("POST", "/v1/import", Need::Cluster),
            ("GET", "/v1/tokens", Need::Cluster),
            ("POST", "/v1/tokens", Need::Cluster),
            ("DELETE", "/v1/tokens/7", Need::Cluster),
            ("POST", "/v1/join-tokens", Need::Cluster),
            ("DELETE", "/v1/members/n3", Need::Cluster),
            ("PUT", "/v1/leader", Need::Cluster),
            ("GET", "/v1/level", Need::Read),
            ("POST", "/v1/level", Need::Cluster),
            ("POST", "/v1/resume", Need::Cluster),
            ("POST", "/v1/verify", Need::Read),
            ("POST", "/v1/suspects/free", Need::Allocate),
            ("POST", "/v1/spaces/lab/reservations", Need::Allocate),
            ("DELETE", "/v1/spaces/lab/reservations/10.0.0.1", Need::Allocate),
            ("DELETE", "/v1/spaces/reservations", Need::Admin),
            ("POST", "/v1/spaces", Need::Admin),
            ("PATCH", "/v1/spaces/lab", Need::Admin),
            ("POST", "/v1/new", Need::Admin),
            ("POST", "/livez", Need::Admin),
        ] {
            assert_eq!(need(method, path), wanted, "{method} {path}");
        }
    }
}
