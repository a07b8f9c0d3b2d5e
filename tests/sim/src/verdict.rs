//! What is told when a run is over: all that clients were told, and all that the log says.

use berth_allocator::{PoolId, State};
use berth_checkers::{Entry, Executed, Fingerprint, History, Listing, Scope};

use crate::history::claimed;
use crate::node::LOCAL_SPACE;
use crate::scene::Scene;
use crate::witness::Witness;

/// Everything that is wrong.
pub(crate) fn judge(scene: &Scene, witness: &Witness) -> Vec<String> {
    let log: Vec<Entry> = witness
        .log()
        .iter()
        .filter_map(|entry| {
            Some(Entry { index: entry.position.index, batch: entry.batch.clone()? })
        })
        .collect();
    let nodes: Vec<Fingerprint> = scene.hosts.iter().filter_map(fingerprint).collect();
    let (executed, mut found) = berth_checkers::replay(&log, &nodes);
    found.extend(berth_checkers::same_state(&nodes));
    let operations = scene.recorder.operations();
    let (resolved, untrue) = berth_checkers::in_the_log(operations, &executed, name);
    found.extend(untrue);
    let last = Some(listings(scene, witness));
    found.extend(berth_checkers::check(&History { operations: resolved, last }));
    let mut found: Vec<String> = found.iter().map(ToString::to_string).collect();
    // In an order of their own, for the same seed must be the same trace.
    found.sort();
    found
}

fn fingerprint(host: &crate::host::Host) -> Option<Fingerprint> {
    let node = host.node()?;
    let replica = node.replica()?;
    let found = host.ask(async { replica.fingerprint().await })?;
    let (index, value) = (found.applied.get(), found.value);
    Some(Fingerprint { node: host.name().to_owned(), index, value })
}

/// How a command is known to whoever asked for it.
fn name(executed: &Executed) -> Option<String> {
    use berth_allocator::Command;
    match &executed.envelope.command {
        Command::RequestAddress(request) => {
            request.owner.as_ref()?.name.as_ref().map(|name| name.as_str().to_owned())
        }
        Command::RequestPool(request) => {
            let mut labels = request.labels.iter();
            labels.find(|(key, _)| key.as_str() == "request").map(|(_, v)| v.as_str().to_owned())
        }
        _ => None,
    }
}

fn listings(scene: &Scene, witness: &Witness) -> Vec<Listing> {
    let mut all = list(witness.reference(), Scope::Global, "");
    for host in &scene.hosts {
        if let Some(node) = host.node() {
            all.extend(node.ledger.read(|state| list(state, Scope::Local, host.name())));
        }
    }
    all
}

fn list(state: &State, scope: Scope, host: &str) -> Vec<Listing> {
    let spaces = state.spaces().map(|space| space.name).collect::<Vec<_>>();
    let mine = |space: &&berth_allocator::SpaceName| {
        (space.as_str() == LOCAL_SPACE) == (scope == Scope::Local)
    };
    let pools = spaces.iter().filter(mine).flat_map(|space| state.pools(space).unwrap_or_default());
    pools
        .map(|view| {
            let pool: PoolId = view.id;
            let addresses = claimed(state.addresses(&pool).unwrap_or_default());
            Listing { scope, host: host.to_owned(), pool, addresses }
        })
        .collect()
}
