//! `berth why`: in plain words, who holds something, since when, and what can be done.

use std::net::IpAddr;
use std::str::FromStr;

use berth_allocator::PoolId;

use super::client::ApiClient;
use super::output::show;
use super::table::facts;
use super::{Failure, Reading, address, pool, time};
use crate::api::types::{Address, AddressState, Claim, Pool, Scope, Usage};

const EXAMPLES: &str = "\
Examples:
  berth why 10.0.0.7                        who has it, in every space that knows it
  berth why GlobalDefault/10.0.0.0/24       who holds the pool, and why it is full";

/// Explain who holds an address or a pool, since when, and what to do
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// An address, or a pool's id
    #[arg(value_name = "ADDRESS|POOL")]
    subject: Subject,
    #[command(flatten)]
    reading: Reading,
}

/// What is asked about.
#[derive(Debug, Clone)]
enum Subject {
    Address(IpAddr),
    Pool(PoolId),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse().map(Self::Address);
        address.or_else(|_| text.parse().map(Self::Pool)).map_err(|_| {
            "it is neither an address, such as 10.0.0.7, nor a pool's id, such as \
             LocalDefault/172.17.0.0/16; `berth pool ls` shows all ids"
                .to_owned()
        })
    }
}

pub(super) async fn run(arguments: Arguments, api: ApiClient) -> Result<(), Failure> {
    let Arguments { subject, reading } = arguments;
    match subject {
        Subject::Address(address) => {
            let found = address::find(&api, address, reading).await?;
            show(reading.output, &found, |found| {
                let explained: Vec<String> = found.iter().map(explain_address).collect();
                explained.join("\n\n")
            })
        }
        Subject::Pool(id) => {
            let pool: Pool = pool::get(&api, &id, reading).await?;
            show(reading.output, &pool, explain_pool)
        }
    }
}

fn explain_address(found: &Address) -> String {
    let Address { address, pool, space, scope, .. } = found;
    let keeper = match scope {
        Scope::Global => "kept by the cluster",
        Scope::Local => "kept by this host",
    };
    let verdict = match found.state {
        AddressState::Free => "is free",
        AddressState::Held => "is held",
        AddressState::Stale => "is stale: held, but not claimed again since its pool was",
        AddressState::Suspect => "is suspect: held, but perhaps by nobody any more",
        AddressState::Cooling => "was released, and is not given again yet",
        AddressState::Reserved => "is reserved by an operator",
        AddressState::Edge => "is the pool's network, broadcast or anycast address",
    };
    let mut known = vec![("pool", pool.clone()), ("space", format!("{space}, {keeper}"))];
    known.extend(found.note.clone().map(|note| ("note", note)));
    known.extend(found.claim.iter().flat_map(claim_facts));
    let released = found.released.as_deref();
    known.extend(released.map(|released| ("released", time::with_age(released))));
    format!("{address} {verdict}.\n\n{}\n\n{}", facts(known), advice(found))
}

fn claim_facts(claim: &Claim) -> Vec<(&'static str, String)> {
    let name = claim.owner.as_deref().unwrap_or("the engine did not say");
    let mac = claim.mac.as_deref().map(|mac| format!(", MAC {mac}")).unwrap_or_default();
    let mut facts = vec![
        ("for", format!("{name}{mac}")),
        ("kind", claim.kind.clone()),
        ("host", claim.host.clone()),
        ("session", format!("{}, claim {}", claim.session, claim.id)),
        ("since", time::with_age(&claim.since)),
    ];
    facts.extend(claim.labels.iter().map(|(key, value)| ("label", format!("{key}={value}"))));
    facts
}

/// What an address's state means for whoever wants it.
fn advice(found: &Address) -> String {
    let host = found.claim.as_ref().map_or("its host", |claim| claim.host.as_str());
    match found.state {
        AddressState::Free => "Any request on the pool may be given it.".to_owned(),
        AddressState::Held => {
            format!("It is free again once the engine of {host} releases it: remove what uses it.")
        }
        AddressState::Stale => format!(
            "An earlier session of the engine claimed it. It is adopted when the engine asks for \
             it again; if nothing on {host} uses it, it is a leak, and given to nobody meanwhile."
        ),
        AddressState::Suspect => format!(
            "Its pool was released around it, or its host forgotten. Nobody is given it unless its \
             holder asks for it again; look on {host} whether anything still uses it."
        ),
        AddressState::Cooling if found.unverified == Some(true) => {
            "It is free once an observation of the engine does not show it; an explicit request \
             of its last holder is granted at once."
                .to_owned()
        }
        AddressState::Cooling => {
            "It is free after the space's reuse delay, so that caches forget its last holder; its \
             last holder may have it back by an explicit request."
                .to_owned()
        }
        AddressState::Reserved => "No request is given it while the reservation stands.".to_owned(),
        AddressState::Edge => "No request is given it.".to_owned(),
    }
}

fn explain_pool(found: &Pool) -> String {
    let Usage { size, free, held, stale, suspect, cooling, reserved } = &found.usage;
    let range = found.sub_pool.as_deref().unwrap_or(&found.prefix);
    let mut lines = vec![pool::details(found), String::new()];
    lines.push(match free.0 {
        0 => format!("It is full: none of the {} addresses of {range} is free.", size.0),
        free => format!("{free} of {} addresses of {range} are free.", size.0),
    });
    let because = [
        (held, "held: `berth address ls` with this pool's id shows by whom"),
        (stale, "stale: claimed in an earlier session, and not again; perhaps leaks"),
        (suspect, "suspect: perhaps used by nobody; given only to their holders"),
        (cooling, "cooling: released, and given again when nothing else is left"),
        (reserved, "reserved, or the network's edges: given to nobody"),
    ];
    let because = because.iter().filter(|(count, _)| count.0 > 0);
    lines.extend(because.map(|(count, why)| format!("  {} {why}", count.0)));
    if found.holders.iter().any(|holder| holder.suspect) {
        lines.push(
            "The pool itself is suspect: it was released while something may still use it. An \
             explicit request for it puts it back into service."
                .to_owned(),
        );
    }
    if free.0 == 0 && cooling.0 == 0 {
        lines.push("Remove what uses it, or make a larger network.".to_owned());
    }
    lines.join("\n")
}
