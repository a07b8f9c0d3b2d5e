//! `berth space`

use berth_allocator::SpaceName;
use comfy_table::Cell;

use super::client::ApiClient;
use super::output::{show, show_all};
use super::table::table;
use super::{Failure, Reading, time};
use crate::api::types::{Listing, Scope, Space};

const LIST_EXAMPLES: &str = "\
Examples:
  berth space ls
  berth space ls --output json | jq -r '.[].name'";
const SHOW_EXAMPLES: &str = "\
Examples:
  berth space show GlobalDefault
  berth space show LocalDefault --output yaml";

/// Look at address spaces
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
}

pub(super) async fn run(command: Command, api: ApiClient) -> Result<(), Failure> {
    match command {
        Command::Ls { reading } => {
            let path = format!("/v1/spaces?{}", reading.query());
            let listing: Listing<Space> = api.get(&path).await?;
            show_all(reading.output, &listing, summary)
        }
        Command::Show { name, reading } => {
            let path = format!("/v1/spaces/{name}?{}", reading.query());
            let space: Space = api.get(&path).await?;
            show(reading.output, &space, details)
        }
    }
}

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
    let apart = if space.apart { "kept apart from other spaces' pools" } else { "may overlap" };
    let mut text = format!(
        "space      {}\nscope      {}\nsharing    {}\npools      {}, {apart}\naddresses  {}\n\
         reuse      {} ms after their release\n\n",
        space.name,
        scope(space.scope),
        space.sharing,
        space.pools,
        space.addresses,
        space.reuse_delay_ms
    );
    let ranges = space.ranges.iter();
    let rows =
        ranges.map(|range| vec![Cell::new(&range.base), Cell::new(format!("/{}", range.length))]);
    text += &table(&["RANGE", "POOLS OF"], rows);
    if !space.reservations.is_empty() {
        let rows = space.reservations.iter().map(|reserved| {
            vec![Cell::new(reserved.first), Cell::new(reserved.last), Cell::new(&reserved.note)]
        });
        text += "\n\n";
        text += &table(&["RESERVED FROM", "TO", "FOR"], rows);
    }
    if !space.sessions.is_empty() {
        let rows = space.sessions.iter().map(|session| {
            vec![
                Cell::new(session.id),
                Cell::new(&session.host),
                Cell::new(time::with_age(&session.opened)),
            ]
        });
        text += "\n\n";
        text += &table(&["#SESSION", "HOST", "OPENED"], rows);
    }
    text
}
