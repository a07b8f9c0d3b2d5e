//! `/v1/level`

use axum::Json;
use axum::extract::State as Of;
use berth_allocator::{Command, Level, State};
use berth_replication::{Consistency, Deadline};

use super::query::{Body, NoParameters, Parameters};
use super::types::{ClusterLevel, MemberLevel, NewLevel, Scope};
use super::{Api, DEADLINE, Problem};
use crate::code::Code;

/// How long a member may take to say what it knows.
const MEMBER_MAX: std::time::Duration = std::time::Duration::from_secs(3);

/// The cluster's level, and what each member knows.
pub(super) async fn show(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Result<Json<ClusterLevel>, Problem> {
    api.level().await.map(Json)
}

/// Raises it to what all members know.
pub(super) async fn raise(
    Of(api): Of<Api>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    Body(NewLevel { to }): Body<NewLevel>,
) -> Result<Json<ClusterLevel>, Problem> {
    let cluster = api.level().await?;
    let to = match (to, cluster.all_know) {
        (wanted, Some(all)) if wanted.is_none_or(|wanted| wanted <= all) => wanted.unwrap_or(all),
        _ => return Err(cannot(&cluster, to)),
    };
    api.submit(Scope::Global, Command::RaiseLevel { to: Level::new(to) }).await?;
    Ok(Json(ClusterLevel { level: to, ..cluster }))
}

impl Api {
    async fn level(&self) -> Result<ClusterLevel, Problem> {
        let (replica, _) = self.member()?;
        let deadline = Deadline::after(DEADLINE);
        let level = replica.read(Consistency::Linearizable, deadline, State::level).await?.value;
        let builds = replica.builds(Deadline::after(MEMBER_MAX)).await;
        let newest = |(_, build): &(_, Result<berth_replication::Build, String>)| {
            build.as_ref().ok().map(|build| build.newest.get())
        };
        // Nothing where one of them did not say.
        let all: Option<Vec<u16>> = builds.iter().map(newest).collect();
        let members = builds.into_iter().map(|(member, build)| {
            let (build, silent) = match build {
                Ok(build) => (Some(build), None),
                Err(reason) => (None, Some(reason)),
            };
            MemberLevel {
                name: member.name,
                newest: build.as_ref().map(|build| build.newest.get()),
                version: build.map(|build| build.version),
                silent,
            }
        });
        Ok(ClusterLevel {
            level: level.get(),
            all_know: all.and_then(|all| all.into_iter().min()),
            members: members.collect(),
        })
    }
}

/// Who is in the way.
fn cannot(cluster: &ClusterLevel, wanted: Option<u16>) -> Problem {
    let wanted = wanted.unwrap_or(Level::NEWEST.get());
    let lacks = |member: &&MemberLevel| member.newest.is_none_or(|newest| newest < wanted);
    let said = |member: &MemberLevel| match (&member.version, member.newest) {
        (Some(version), Some(newest)) => format!("{} ({version}, level {newest})", member.name),
        _ => format!("{} ({})", member.name, member.silent.as_deref().unwrap_or("silent")),
    };
    let all: Vec<String> = cluster.members.iter().filter(lacks).map(said).collect();
    let detail = format!(
        "not all members are known to know level {wanted}: {}; start or upgrade them, or remove them from \
         the cluster",
        all.join(", ")
    );
    Problem::new(Code::NotAllKnow, detail)
}
