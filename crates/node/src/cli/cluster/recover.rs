//! `berth cluster recover`

use std::fmt::Write;
use std::path::PathBuf;

use berth_replication::{RecoveryError, Survivor, recover, survivor};

use crate::api::views;
use crate::cli::output::print;
use crate::cli::{Common, Failure, time};
use crate::code::Code;
use crate::config::{DATA_DIR, Settings};

/// Digits of the cluster's id that confirm.
const DIGITS: usize = 8;
const EXAMPLES: &str = "\
Examples:
  berth cluster recover                       says what would be lost, and changes nothing
  berth cluster recover --confirm 1c2f9a07    does it

Only when a majority of the members is lost for good: what they acknowledged and this one never saw is
lost. Choose the survivor whose log reaches furthest. The others must never run again as they are.";

/// Make a cluster of one out of this stopped member, when most are lost for good
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// Where its data is kept [default: /var/lib/berth]
    #[arg(long, env = "BERTH_DATA_DIR", hide_env_values = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// The first digits of the cluster's id, as this command prints them: you know what will be lost
    #[arg(long, value_name = "DIGITS")]
    confirm: Option<String>,
}

pub(super) fn run(arguments: &Arguments, common: &Common) -> Result<(), Failure> {
    let settings = Settings::load(common.config.as_deref())?;
    let data_dir = arguments.data_dir.clone().or(settings.host.data_dir);
    let dir = data_dir.unwrap_or_else(|| DATA_DIR.into()).join("raft");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::cannot_start(&error))?;
    let failed = |error: RecoveryError| Failure::of(Code::NotRecovered, &error);
    let found = runtime.block_on(survivor(&dir)).map_err(failed)?;
    let cluster = found.cluster.to_string();
    let expected = cluster.get(..DIGITS).unwrap_or_default();
    let told = describe(&found);
    match &arguments.confirm {
        Some(digits) if digits == expected => {}
        Some(digits) => {
            let text =
                format!("{digits} are not the first digits of cluster {cluster}: nothing was done");
            return Err(Failure::new(Code::NotRecovered, text));
        }
        None => {
            return print(&format!(
                "{told}\n\nNothing was done yet: to go on with this member alone, add --confirm {expected}"
            ));
        }
    }
    let (made, kept) = runtime.block_on(recover(&dir)).map_err(failed)?;
    print(&format!(
        "{told}\n\nThis member is cluster {made} by now, alone. The old data is kept in {}.\nStart \
         `berth server` without --initial-cluster. Then have the other hosts join with `berth cluster \
         join TOKEN --replace`, and have each agent forget the old cluster: stop it, remove \
         servers/cluster in its data directory, start it.\nPools give nothing new until their engines \
         have claimed them again.",
        kept.display()
    ))
}

/// What there is, and what is lost.
fn describe(found: &Survivor) -> String {
    let Survivor { cluster, node, name, loss, members } = found;
    let mut text = format!("{name} (member {node}) of cluster {cluster}, whose members were:\n");
    for (id, member, voter) in members {
        let role = if *voter { "voter" } else { "learner" };
        // A String takes all that is written.
        let _ = writeln!(text, "  {member} (member {id}), {role}");
    }
    let committed = loss.committed.map_or_else(|| "none".to_owned(), |index| index.to_string());
    let newest = time::with_age(&views::time(loss.newest));
    let _ = write!(
        text,
        "Its log ends with entry {} of term {}, {committed} known to be committed; the newest command is of \
         {newest}.\nLost is whatever the other members acknowledged since, and did not send to this one: \
         addresses that engines use, and this member takes for free; releases; settings. What was \
         under way and never acknowledged may have taken effect.",
        loss.last, loss.term
    );
    text
}
