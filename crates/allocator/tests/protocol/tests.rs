//! `make test` explores bounds that take seconds; `make models` larger ones too.

use std::fmt::Debug;
use std::hash::Hash;
use std::io::{Write, stderr};

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::hosts::{Hosts, LIVE, LIVE_KEPT};
use crate::rule::Rule;
use crate::swarm::{KEPT, NOT_REFUSED, ONE_ADDRESS, POOL_KEPT, RUNNING, Swarm};

/// One address, one request in flight, and all that managers do wrong.
fn swarm(handshakes: u8, tasks: usize) -> Swarm {
    Swarm {
        handshakes,
        tasks,
        addresses: 1,
        flight: 1,
        faults: true,
        network: false,
        backup: false,
        without: None,
    }
}

/// One address, and one release in flight.
fn hosts(sessions: u8) -> Hosts {
    Hosts { sessions, addresses: 1, flight: 1, without: None }
}

/// The same, and the network is removed and made again.
fn with_network(handshakes: u8, tasks: usize) -> Swarm {
    Swarm { network: true, ..swarm(handshakes, tasks) }
}

/// Managers that fail at nothing, and a backup.
fn with_backup(handshakes: u8, tasks: usize) -> Swarm {
    Swarm { backup: true, faults: false, ..swarm(handshakes, tasks) }
}

/// A model that can be explored, and what must come about in it at some time.
trait Explored:
    Model<
        State: Hash + Clone + PartialEq + Send + Sync + 'static,
        Action: Clone + PartialEq + Debug + Send + Sync,
    > + Copy
    + Debug
    + Send
    + Sync
    + 'static
{
    const COMES_ABOUT: &'static str;
    fn without(self, rule: Rule) -> Self;
}

impl Explored for Swarm {
    const COMES_ABOUT: &'static str = RUNNING;
    fn without(self, rule: Rule) -> Self {
        Self { without: Some(rule), ..self }
    }
}

impl Explored for Hosts {
    const COMES_ABOUT: &'static str = LIVE;
    fn without(self, rule: Rule) -> Self {
        Self { without: Some(rule), ..self }
    }
}

/// Explores all states.
fn holds<M: Explored>(model: M) {
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_dfs();
    let checker = checker.join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    let _ = writeln!(stderr(), "{model:?}: {states} states, {depth} steps deep");
    for (name, path) in checker.discoveries() {
        assert_eq!(name, M::COMES_ABOUT, "{model:?}: not so, after {:?}", path.into_actions());
    }
    assert!(checker.discovery(M::COMES_ABOUT).is_some(), "{model:?}: nothing ever runs");
}

/// Looks for the shortest story after which a property does not hold, and tells it.
fn breaks<M: Explored>(rule: Rule, property: &'static str, model: M) {
    let model = model.without(rule);
    let until = HasDiscoveries::AnyOf([property].into());
    let checker = model.checker().finish_when(until).spawn_bfs().join();
    let states = checker.unique_state_count();
    let story = checker.discovery(property).map(Path::into_actions);
    let story = story.unwrap_or_else(|| panic!("{model:?}: {property}, in {states} states"));
    let _ = writeln!(stderr(), "{model:?}: {states} states until not so: {property}:\n  {story:?}");
}

#[test]
fn the_rules_hold() {
    holds(swarm(2, 1));
    holds(with_network(2, 1));
    holds(with_backup(2, 1));
    holds(Swarm { faults: false, ..swarm(2, 2) });
    holds(hosts(2));
}

#[test]
#[ignore = "takes minutes: make models"]
fn larger_bounds() {
    holds(Swarm { addresses: 2, ..swarm(2, 1) });
    holds(Swarm { flight: 2, ..swarm(2, 1) });
    holds(swarm(3, 1));
    holds(with_backup(2, 2));
    holds(swarm(2, 2));
    holds(Hosts { flight: 2, ..hosts(2) });
}

#[test]
fn each_rule_is_needed() {
    breaks(Rule::Condition, NOT_REFUSED, swarm(3, 1));
    breaks(Rule::Epochs, KEPT, swarm(2, 1));
    breaks(Rule::PoolAdoption, NOT_REFUSED, swarm(2, 1));
    breaks(Rule::AddressAdoption, NOT_REFUSED, swarm(2, 1));
    breaks(Rule::Dynamic, ONE_ADDRESS, Swarm { faults: false, ..swarm(2, 2) });
    breaks(Rule::ClaimId, KEPT, swarm(1, 1));
    breaks(Rule::Fence, KEPT, swarm(2, 1));
    breaks(Rule::Verified, KEPT, swarm(1, 1));
    breaks(Rule::Doubtful, POOL_KEPT, swarm(2, 1));
    breaks(Rule::Observer, KEPT, swarm(2, 1));
    breaks(Rule::Began, KEPT, swarm(1, 1));
    breaks(Rule::PoolInDoubt, POOL_KEPT, with_network(2, 1));
    breaks(Rule::PoolClaim, POOL_KEPT, with_network(2, 1));
    breaks(Rule::Unheard, NOT_REFUSED, swarm(2, 1));
    breaks(Rule::Order, NOT_REFUSED, with_network(2, 1));
    breaks(Rule::Behind, ONE_ADDRESS, with_backup(1, 2));

    breaks(Rule::ClaimId, LIVE_KEPT, hosts(2));
    breaks(Rule::Doubtful, LIVE_KEPT, hosts(2));
    breaks(Rule::Replayed, LIVE_KEPT, hosts(2));
    breaks(Rule::Owner, LIVE_KEPT, hosts(2));
    breaks(Rule::Identity, NOT_REFUSED, hosts(2));
    breaks(Rule::Forgotten, LIVE_KEPT, hosts(2));
}
