//! `berth bench`

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ipamapi::ipnet::IpNet;
use jiff::SignedDuration;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::bench_bar::Bar;
use super::client::ApiClient;
use super::output::{Format, note, show};
use super::{Common, Failure, bench_table, process};
use crate::api::types::{Listing, Pool};
use crate::bench::{
    Holders, Measured, Phase, Plan, PlanError, Pools, PoolsError, Progress, Report, Setup, Wanted,
    WantedError, fill, run as measure,
};
use crate::code::Code;
use crate::config::{PLUGIN_SOCKET, Settings};
use crate::doctor::Ask;

const EXAMPLES: &str = "\
Examples:
  berth bench                                    this host's own space, one client, ten seconds
  berth bench --clients 64 --pools 16 --fill 90
  berth bench --space lab --socket n1.sock --socket n2.sock --socket n3.sock --clients 48
  berth bench --hold 0 --pool-prefix 10.0.0.0/8  requests only: nothing is given back
  berth bench --output json | jq .requests.p99_us

Each client asks, waits for the answer, and asks again; clients are spread over sockets and pools. Whether
an address is given while somebody holds it is always checked. The pools are the bench's own; they are
given back in the end, after Ctrl-C too, and what could not be is named.

On a host whose engine is at work: it takes the range --pool-prefix, which must overlap no network's, in
the space that it measures, and the time of the node. It does not say that the engine has begun anew
(GetCapabilities), so nothing that the engine holds becomes stale. 256 clients on one socket leave no
connection to the engine: take less. The cluster is best measured in a space made for it (`berth space
create lab --shared`); in a Swarm's, GlobalDefault, only through the socket of the manager that leads, or
where there is no Swarm yet, since the first pool on another manager's begins a session there.

Exit codes: 1 an address was given twice, no request was granted, or something is left; 2 wrong usage; 3
nobody answers.";

/// What RFC 2544 sets aside for benchmarks.
const POOL_PREFIX: &str = "198.18.0.0/15";
/// Threads that clients run on, at most.
const THREADS_MAX: usize = 64;

/// Measure how fast addresses are given, with pools of its own
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Plugin socket to ask; repeated, clients are spread over all [default: this host's]
    #[arg(long, env = "BERTH_PLUGIN_SOCKET", hide_env_values = true, value_name = "PATH")]
    socket: Vec<PathBuf>,

    /// Address space of the pools [default: the host's own, of each socket]
    #[arg(long, value_name = "NAME")]
    space: Option<String>,

    /// Range that the pools are cut from, which must be free; the default is set aside for benchmarks
    #[arg(long, value_name = "CIDR", default_value = POOL_PREFIX)]
    pool_prefix: IpNet,

    /// Pools, of equal size
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pools: usize,

    /// Clients, each of which asks for one address after another
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    clients: usize,

    /// How full each pool is made before, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    fill: u8,

    /// Addresses that a client holds before it gives the oldest one back for each that it gets; 0: it gives
    /// nothing back
    #[arg(long, value_name = "COUNT", default_value_t = 64)]
    hold: u64,

    /// How long to measure
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    duration: Time,

    /// How long clients work before anything is recorded
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    warm_up: Time,

    /// Threads that clients run on [default: half of the processors, four at most]
    #[arg(long, value_name = "COUNT")]
    threads: Option<usize>,

    /// How to show it
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// A length of time, as it is written: `10s`, `1m 30s`.
#[derive(Debug, Clone, Copy)]
struct Time(Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time: SignedDuration = text.parse().map_err(|_| "write it as 10s, 500ms or 1m 30s")?;
        let time = Duration::try_from(time).map_err(|_| "it cannot be negative")?;
        Ok(Self(time))
    }
}

impl Arguments {
    fn plan(&self) -> Result<Plan, Failure> {
        let plan = Plan {
            warm_up: self.warm_up.0,
            duration: self.duration.0,
            hold: Some(self.hold).filter(|hold| *hold > 0),
        };
        plan.check(self.clients)?;
        Ok(plan)
    }

    fn wanted(&self, common: &Common, plan: &Plan) -> Result<Wanted, Failure> {
        let mut sockets = self.socket.clone();
        if sockets.is_empty() {
            let settings = Settings::load(common.config.as_deref())?;
            sockets.push(settings.host.plugin_socket.unwrap_or(PLUGIN_SOCKET.into()));
        }
        let wanted = Wanted {
            sockets,
            space: self.space.clone(),
            prefix: self.pool_prefix.trunc(),
            pools: self.pools,
            clients: self.clients,
            fill: self.fill,
        };
        wanted.check(plan)?;
        Ok(wanted)
    }

    fn threads(&self) -> Result<usize, Failure> {
        let threads = self.threads.unwrap_or_else(process::threads);
        if !(1..=THREADS_MAX).contains(&threads) {
            return Err(Failure::new(
                Code::BadRequest,
                format!("--threads can be 1 to {THREADS_MAX}"),
            ));
        }
        Ok(threads)
    }
}

pub(super) fn run(arguments: &Arguments, common: Common) -> Result<(), Failure> {
    let plan = arguments.plan()?;
    let wanted = arguments.wanted(&common, &plan)?;
    let threads = arguments.threads()?;
    let api = common.api()?;
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::cannot_start(&error))?;
    runtime.block_on(async {
        let pools = Pools::of(&wanted).await?;
        refuse_overlap(&api, &pools, &wanted).await?;
        let mut signals = Signals::new()?;
        let progress = Arc::default();
        let space = pools.space().to_owned();
        let report = tokio::select! {
            report = work(pools, &wanted, plan, &progress) => report?,
            () = signals.twice(&progress) => return Err(ended_at_once(&space)),
        };
        show(arguments.output, &report, bench_table::shown)?;
        judge(&report)
    })
}

/// Pools that an engine has left behind while it is down would give way to the bench's, if they overlap.
async fn refuse_overlap(api: &ApiClient, pools: &Pools, wanted: &Wanted) -> Result<(), Failure> {
    let path = format!("/v1/pools?space={}", pools.space());
    let there: Listing<Pool> = match api.get(&path).await {
        Ok(there) => there,
        Err(failure) if !failure.is_unavailable() => return Err(failure),
        Err(failure) => {
            note(&format!("which pools there are cannot be seen first ({failure})"));
            return Ok(());
        }
    };
    let prefix = wanted.prefix;
    let overlaps = |pool: &&Pool| {
        let other: Option<IpNet> = pool.prefix.parse().ok();
        other.is_some_and(|other| other.contains(&prefix) || prefix.contains(&other))
    };
    let Some(pool) = there.items.iter().find(overlaps) else { return Ok(()) };
    let text = format!(
        "{prefix} overlaps the pool {id}: name a range that is free with --pool-prefix. If a bench that \
         was killed has left the pool (`berth pool show {id}` says so), `berth pool rm {id} --force` \
         removes it",
        id = pool.id
    );
    Err(Failure::new(Code::Bench, text))
}

/// Makes the pools, measures, and gives them back, whatever became of it.
async fn work(
    mut pools: Pools,
    wanted: &Wanted,
    plan: Plan,
    progress: &Arc<Progress>,
) -> Result<Report, Failure> {
    let setup = Setup::of(wanted, &plan, pools.space());
    let holders = Arc::default();
    let bar = Bar::follow(progress, plan, wanted.quotas().iter().sum());
    let measured = in_pools(&mut pools, wanted, plan, (&holders, progress)).await;
    progress.begin(Phase::CleaningUp);
    let left = pools.give_back().await;
    drop(bar);
    for left in &left {
        note(&format!(
            "the pool {pool} of {} could not be given back: {}; `berth pool rm {pool} --force` removes it",
            left.socket.display(),
            left.reason,
            pool = left.pool
        ));
    }
    let (filled, measured) = measured?;
    let interrupted = progress.is_stopped();
    Ok(Report { interrupted, left, ..Report::of(setup, filled, &measured, &holders) })
}

/// Gives how many addresses were filled in, and what was measured then.
async fn in_pools(
    pools: &mut Pools,
    wanted: &Wanted,
    plan: Plan,
    (holders, progress): (&Arc<Holders>, &Arc<Progress>),
) -> Result<(u64, Measured), Failure> {
    pools.make(&wanted.prefixes().unwrap_or_default(), progress).await?;
    if progress.is_stopped() {
        return Ok((0, Measured::default()));
    }
    let clients = pools.clients(wanted).into_iter().zip(wanted.quotas()).collect();
    let clients = fill(clients, holders, progress).await.map_err(|refused| {
        let text = format!("the pools could not be filled: {refused}; nothing was measured");
        Failure::new(Code::Bench, text)
    })?;
    let filled = holders.count() as u64;
    Ok((filled, measure(plan, clients, holders, progress).await))
}

/// Whether the run shows what it should.
fn judge(report: &Report) -> Result<(), Failure> {
    let wrong = |text: String| Err(Failure::new(Code::Bench, text));
    match report {
        Report { duplicates: 1.., .. } => wrong(format!(
            "{} addresses were given while somebody held them: this must never be; keep the logs, and \
             report it",
            report.duplicates
        )),
        Report { left, .. } if !left.is_empty() => {
            wrong(format!("{} pools of the bench are left, see above", left.len()))
        }
        Report { interrupted: false, requests, .. } if requests.count == 0 => {
            wrong("no request was granted; the errors say why".to_owned())
        }
        _ => Ok(()),
    }
}

fn ended_at_once(space: &str) -> Failure {
    let text = format!(
        "ended at once: pools of the bench are left (`berth pool ls --space {space}`; `berth pool rm POOL \
         --force` removes one)"
    );
    Failure::new(Code::Bench, text)
}

/// The signals that end a run: the first in good order, the second at once.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let signal = |kind| signal(kind).map_err(|error| Failure::cannot_start(&error));
        let (interrupt, terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate })
    }

    /// Ends the run at the first; waits for the second.
    async fn twice(&mut self, progress: &Progress) {
        self.one().await;
        note("ending: what was taken is given back; once more ends at once, and leaves it");
        progress.stop();
        self.one().await;
    }

    async fn one(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        Self::of(Code::BadRequest, &error)
    }
}

impl From<WantedError> for Failure {
    fn from(error: WantedError) -> Self {
        Self::of(Code::BadRequest, &error)
    }
}

impl From<PoolsError> for Failure {
    fn from(error: PoolsError) -> Self {
        let code = match error {
            PoolsError::NoPlugin { .. } => Code::CannotConnect,
            PoolsError::NoPool { .. } => Code::Bench,
        };
        Self::of(code, &error)
    }
}
