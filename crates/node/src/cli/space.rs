//! `berth space`

use berth_allocator::SpaceName;
use comfy_table::Cell;

use super::client::ApiClient;
use super::output::{show, show_all};
use super::table::{facts, table};
use super::{Failure, Reading, space_change, time};
use crate::api::types::{Listing, Range, Scope, Space};
use crate::doctor::Ask;

const LIST_EXAMPLES: &str = "\
Examples:
  berth space ls
  berth space ls --output json | jq -r '.[].name'";
const SHOW_EXAMPLES: &str = "\
Examples:
  berth space show GlobalDefault
  berth space show LocalDefault --output yaml";

const CREATE_EXAMPLES: &str = "\
Examples:
  berth space create lab --shared --range 10.64.0.0/12:24 --reuse-delay 5m
  docker network create --driver macvlan --ipam-driver berth --ipam-opt berth.space=lab …";
const SET_EXAMPLES: &str = "\
Examples:
  berth space set GlobalDefault --range 10.128.0.0/9:24 --range fd00:1234::/48:64
  berth space set lab --reuse-delay 10m";
const RM_EXAMPLES: &str = "\
Examples:
  berth space rm lab";

/// Look at address spaces, make and change them
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List all spaces
    #[command(after_help = LIST_EXAMPLES)]
    Ls {
        #[command(flatten)]
        reading: Reading,
    },
    /// Show one: its settings, ranges, reservations and sessions
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// The space's name
        name: SpaceName,
        #[command(flatten)]
        reading: Reading,
    },
    /// Make a space of the cluster
    #[command(after_help = CREATE_EXAMPLES)]
    Create {
        /// The space's name
        name: SpaceName,
        /// Many hosts claim in it, each for itself; otherwise one Swarm does
        #[arg(long)]
        shared: bool,
        #[command(flatten)]
        settings: space_change::Settings,
    },
    /// Change settings of a space; what is not named stays
    #[command(after_help = SET_EXAMPLES)]
    Set {
        /// The space's name
        name: SpaceName,
        #[command(flatten)]
        settings: space_change::Settings,
    },
    /// Remove a space without pools
    #[command(after_help = RM_EXAMPLES)]
    Rm {
        /// The space's name
        name: SpaceName,
    },
}

pub(super) async fn run(command: Command, api: ApiClient) -> Result<(), Failure> {
    match command {
        Command::Ls { reading } => {
            let listing: Listing<Space> = api.get(&reading.query("/v1/spaces", &[])).await?;
            show_all(reading.output, &listing, summary)
        }
        Command::Show { name, reading } => {
            reading.tell_staleness(&api).await;
            let path = reading.query(&format!("/v1/spaces/{name}"), &[]);
            let space: Space = api.get(&path).await?;
            show(reading.output, &space, details)
        }
        Command::Create { name, shared, settings } => {
            space_change::create(name, shared, settings, &api).await
        }
        Command::Set { name, settings } => space_change::set(name, settings, &api).await,
        Command::Rm { name } => space_change::remove(name, &api).await,
    }
}

/// What a restored space does not do.
const RESTORED: &str = "it gives no automatic pools until `berth cluster resume`";

/// All spaces, a line each.
pub(super) fn summary(spaces: &[Space]) -> String {
    let rows = spaces.iter().map(|space| {
        let ranges: Vec<&str> = space.ranges.iter().map(|range| range.base.as_str()).collect();
        vec![
            Cell::new(&space.name),
            Cell::new(scope(space.scope)),
            Cell::new(&space.sharing),
            Cell::new(space.pools),
            Cell::new(space.addresses),
            Cell::new(shortened(&ranges)),
        ]
    });
    table(&["SPACE", "SCOPE", "SHARING", "#POOLS", "#ADDRESSES", "RANGES"], rows)
}

/// Where something is kept.
pub(super) const fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "global",
        Scope::Local => "local",
    }
}

fn shortened(ranges: &[&str]) -> String {
    match ranges {
        [first, second, _, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second} and {} more", rest.len() + 1)
        }
        ranges => ranges.join(", "),
    }
}

fn details(space: &Space) -> String {
    let apart = if space.apart { "kept apart from other spaces'" } else { "may overlap others'" };
    let mut known = vec![
        ("space", space.name.clone()),
        ("scope", scope(space.scope).to_owned()),
        ("sharing", space.sharing.clone()),
        ("pools", format!("{}, automatic ones {apart}", space.pools)),
        ("addresses", space.addresses.to_string()),
        ("reuse", format!("{} ms after a release", space.reuse_delay_ms)),
    ];
    if space.behind {
        known.push(("restored", RESTORED.to_owned()));
    }
    let mut parts = vec![facts(known), ranges(space)];
    if !space.reservations.is_empty() {
        parts.push(reservations(space));
    }
    if !space.sessions.is_empty() {
        parts.push(sessions(space));
    }
    parts.join("\n\n")
}

fn ranges(space: &Space) -> String {
    let row = |range: &Range| vec![Cell::new(&range.base), Cell::new(format!("/{}", range.length))];
    table(&["RANGE", "POOLS OF"], space.ranges.iter().map(row))
}

fn reservations(space: &Space) -> String {
    let rows = space.reservations.iter().map(|reserved| {
        vec![Cell::new(reserved.first), Cell::new(reserved.last), Cell::new(&reserved.note)]
    });
    table(&["RESERVED FROM", "TO", "FOR"], rows)
}

fn sessions(space: &Space) -> String {
    let rows = space.sessions.iter().map(|session| {
        let opened = time::with_age(&session.opened);
        vec![Cell::new(session.id), Cell::new(&session.host), Cell::new(opened)]
    });
    table(&["#SESSION", "HOST", "OPENED"], rows)
}
