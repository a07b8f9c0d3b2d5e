//! The comparison, and what it finds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipamapi::ipnet::IpNet;
use serde::Serialize;

use super::books::Books;
use super::observation::{Network, Observation};
use crate::api::types::{Address, AddressState, Claim, Holder, Pool};

/// Why what is of the current session is left.
const LEFT: &str = "the engine may hold it in memory, so it is left until the engine begins anew";

/// Addresses that hosts hold for the Swarm's networks in spaces of their own, load balancers' among
/// them; or why that is not known of every host.
pub type OfHosts = Result<BTreeSet<IpAddr>, String>;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// An address may be given twice, or nothing works.
    Error,
    /// Something is lost, or soon will be.
    Warning,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, in one word: `leak`, `missing`, `unseen`, `driver`, `node`, `hidden`.
    pub kind: &'static str,
    /// What it is about.
    pub about: String,
    /// What was found, and what to do.
    pub detail: String,
    /// How `--fix` would end it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
}

/// A claim that nobody uses, and that is not of the current session or in doubt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fix {
    /// Its pool.
    pub pool: String,
    /// Its address; without one the pool itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The claim.
    pub claim: u64,
}

/// What is used of one space.
#[derive(Default)]
struct Uses<'a> {
    networks: BTreeMap<IpNet, &'a Network>,
    addresses: BTreeMap<IpAddr, (&'a Network, &'a str)>,
}

impl<'a> Uses<'a> {
    fn add(&mut self, network: &'a Network) {
        self.networks.extend(network.prefixes.iter().map(|prefix| (*prefix, network)));
        let uses = network.uses.iter();
        self.addresses.extend(uses.map(|(address, by)| (*address, (network, by.as_str()))));
    }
}

/// Compares what was held before and after the engine was asked with what it uses: what changed in
/// between is not found.
pub fn compare(
    before: &Books,
    after: &Books,
    of_hosts: &OfHosts,
    seen: &Observation,
) -> BTreeSet<Finding> {
    let mut found = compare_once(before, of_hosts, seen);
    let after = compare_once(after, of_hosts, seen);
    found.retain(|finding| after.contains(finding));
    found
}

/// Of the Swarm's space: addresses and pools that its manager released, and that nothing used when the
/// engine was asked afterwards. Nothing, where something could not be seen.
pub fn released_unused(before: &Books, of_hosts: &OfHosts, seen: &Observation) -> BTreeSet<Fix> {
    let (Some(swarm), Ok(_)) = (&seen.swarm, of_hosts) else { return BTreeSet::new() };
    let mut uses = Uses::default();
    swarm.networks.iter().for_each(|network| uses.add(network));
    let comparison = Comparison::new(before, of_hosts, &before.global_space, &uses);
    comparison.released_addresses().chain(comparison.released_pools()).collect()
}

fn compare_once(books: &Books, of_hosts: &OfHosts, seen: &Observation) -> BTreeSet<Finding> {
    let mut spaces: BTreeMap<&str, Uses<'_>> = BTreeMap::new();
    spaces.entry(&books.local_space).or_default();
    for space in books.spaces.iter().filter(|space| space.sharing == "shared") {
        spaces.entry(&space.name).or_default();
    }
    for network in &seen.networks {
        let named = network.space.as_deref();
        spaces.entry(named.unwrap_or(&books.local_space)).or_default().add(network);
    }
    if let Some(swarm) = &seen.swarm {
        let uses = spaces.entry(&books.global_space).or_default();
        swarm.networks.iter().for_each(|network| uses.add(network));
    }
    let mut findings = BTreeSet::new();
    for (space, uses) in &spaces {
        let comparison = Comparison::new(books, of_hosts, space, uses);
        findings.extend(comparison.addresses());
        findings.extend(comparison.pools());
        findings.extend(comparison.missing());
    }
    let swarm = seen.swarm.iter().flat_map(|swarm| &swarm.networks);
    findings.extend(swarm.filter_map(|network| check_driver(network, seen)));
    findings
}

/// One space: what Berth holds of it, and what is used of it.
struct Comparison<'a> {
    books: &'a Books,
    of_hosts: &'a OfHosts,
    space: &'a str,
    uses: &'a Uses<'a>,
    /// All hosts' claims count, not this host's only.
    of_swarm: bool,
    /// Why some of what is used cannot be seen.
    hidden: Option<&'a str>,
    /// The newest session of whose claims count.
    latest: Option<u64>,
}

impl<'a> Comparison<'a> {
    fn new(books: &'a Books, of_hosts: &'a OfHosts, space: &'a str, uses: &'a Uses<'a>) -> Self {
        let of_swarm = space == books.global_space;
        let hidden = of_hosts.as_ref().err().filter(|_| of_swarm).map(String::as_str);
        let this = Self { books, of_hosts, space, uses, of_swarm, hidden, latest: None };
        let known = books.spaces.iter().filter(|known| known.name == space);
        let sessions = known.flat_map(|space| &space.sessions);
        let latest = sessions.filter(|session| this.counts(&session.host)).map(|s| s.id).max();
        Self { latest, ..this }
    }

    /// Whether this comparison can tell about claims made through a host.
    fn counts(&self, host: &str) -> bool {
        self.of_swarm || host == self.books.host
    }

    /// What hosts hold of a Swarm's networks is used by them: load balancers', in no API.
    fn by_hosts(&self, is: impl Fn(&IpAddr) -> bool) -> bool {
        self.of_swarm && self.of_hosts.as_ref().is_ok_and(|held| held.iter().any(is))
    }

    /// A network uses its gateway and auxiliary addresses; engines do not show those that they chose.
    fn is_fixed(&self, held: &Address, claim: &Claim) -> bool {
        is_fixed(claim) && self.uses.networks.keys().any(|prefix| prefix.contains(&held.address))
    }

    fn claimed(&self) -> impl Iterator<Item = (&'a Address, &'a Claim)> {
        let of_space = self.books.addresses.iter().filter(|held| held.space == self.space);
        let claimed = of_space.filter(|held| held.state != AddressState::Cooling);
        let claims = claimed.filter_map(|held| Some((held, held.claim.as_ref()?)));
        claims.filter(|(_, claim)| self.counts(&claim.host))
    }

    fn held_pools(&self) -> impl Iterator<Item = (&'a Pool, &'a Holder, IpNet)> {
        let of_space = self.books.pools.iter().filter(|pool| pool.space == self.space);
        of_space.filter_map(|pool| {
            let holder = pool.holders.iter().find(|holder| self.counts(&holder.host))?;
            Some((pool, holder, pool.prefix.parse().ok()?))
        })
    }

    /// Addresses that are held and not used.
    fn addresses(&self) -> impl Iterator<Item = Finding> {
        let unused = self.claimed().filter(|(held, claim)| {
            let used = self.uses.addresses.contains_key(&held.address);
            !used && !self.is_fixed(held, claim) && !self.by_hosts(|used| *used == held.address)
        });
        unused.filter_map(|(held, claim)| {
            let doubtful = matches!(held.state, AddressState::Stale | AddressState::Suspect);
            let fix = Fix { pool: held.pool.clone(), address: Some(held.address), claim: claim.id };
            let (kind, why) = match (doubtful, self.hidden) {
                (true, None) => ("leak", "in doubt, and nothing uses it".to_owned()),
                (true, Some(reason)) => (
                    "hidden",
                    format!(
                        "in doubt, and no task or service uses it; it may be a host's load \
                         balancer: {reason}"
                    ),
                ),
                (false, None) => ("unseen", format!("and nothing shows it; {LEFT}")),
                // Most of these are load balancers'.
                (false, Some(_)) => return None,
            };
            Some(Finding {
                severity: Severity::Warning,
                kind,
                about: format!("{} in {}", held.address, held.pool),
                detail: format!("held through {} since {}, {why}", claim.host, claim.since),
                fix: Some(fix).filter(|_| kind == "leak"),
            })
        })
    }

    /// Addresses that were released and wait to be looked at, and are not used.
    fn released_addresses(&self) -> impl Iterator<Item = Fix> {
        let of_space = self.books.addresses.iter().filter(|held| held.space == self.space);
        let waiting = of_space.filter(|held| held.unverified == Some(true));
        let unused = waiting.filter(|held| {
            let used = self.uses.addresses.contains_key(&held.address);
            !used && !self.by_hosts(|used| *used == held.address)
        });
        unused.filter_map(|held| {
            let claim = held.claim.as_ref()?.id;
            Some(Fix { pool: held.pool.clone(), address: Some(held.address), claim })
        })
    }

    /// Pools that were released and wait to be looked at, and are of no network.
    fn released_pools(&self) -> impl Iterator<Item = Fix> {
        let released = self.unused_pools().filter(|(_, holder, _)| holder.suspect);
        released.map(|(pool, holder, _)| Fix {
            pool: pool.id.clone(),
            address: None,
            claim: holder.claim,
        })
    }

    fn unused_pools(&self) -> impl Iterator<Item = (&'a Pool, &'a Holder, IpNet)> {
        self.held_pools().filter(|(.., prefix)| {
            let used = self.uses.networks.contains_key(prefix);
            !used && !self.by_hosts(|address| prefix.contains(address))
        })
    }

    /// Pools that are held, and of no network.
    fn pools(&self) -> impl Iterator<Item = Finding> {
        self.unused_pools().map(|(pool, holder, _)| {
            let over = self.latest.is_some_and(|latest| holder.session < latest);
            let (kind, why) = match (holder.suspect || over, self.hidden) {
                (true, None) => ("leak", "in doubt, and of no network".to_owned()),
                (true, Some(reason)) => {
                    ("hidden", format!("in doubt, and of no network; hosts may use it: {reason}"))
                }
                (false, _) => ("unseen", format!("and of no network; {LEFT}")),
            };
            let fix = Fix { pool: pool.id.clone(), address: None, claim: holder.claim };
            Finding {
                severity: Severity::Warning,
                kind,
                about: format!("pool {}", pool.id),
                detail: format!("held through {} since {}, {why}", holder.host, holder.since),
                fix: Some(fix).filter(|_| kind == "leak"),
            }
        })
    }

    /// Pools and addresses that are used and not held.
    fn missing(&self) -> impl Iterator<Item = Finding> {
        let pools: BTreeSet<IpNet> = self.held_pools().map(|(.., prefix)| prefix).collect();
        let held: BTreeSet<IpAddr> = self.claimed().map(|(held, _)| held.address).collect();
        // One gateway serves all hosts of a shared space.
        let common = self.books.addresses.iter().filter(|held| held.space == self.space);
        let common = common.filter(|held| held.claim.as_ref().is_some_and(is_fixed));
        let held: BTreeSet<IpAddr> =
            held.into_iter().chain(common.map(|held| held.address)).collect();
        let missing = |about: String, detail: String| Finding {
            severity: Severity::Error,
            kind: "missing",
            about: format!("{about} in {}", self.space),
            detail,
            fix: None,
        };
        let networks = self.uses.networks.iter();
        let networks = networks.filter(|(prefix, network)| network.ours && !pools.contains(prefix));
        let networks = networks.map(|(prefix, network)| {
            let detail = format!(
                "network {} uses it, and no pool holds it: it may be given to another network; \
                 restart the engine, so that it claims its networks again",
                network.name
            );
            missing(prefix.to_string(), detail)
        });
        let addresses = self.uses.addresses.iter().filter(|(address, (network, _))| {
            network.ours
                && !held.contains(address)
                && pools.iter().any(|prefix| prefix.contains(*address))
        });
        let addresses = addresses.map(|(address, (network, by))| {
            let detail = format!(
                "{by} of network {} uses it, and it is not held: it may be given to another; \
                 restart what uses it",
                network.name
            );
            missing(address.to_string(), detail)
        });
        networks.chain(addresses).collect::<Vec<_>>().into_iter()
    }
}

/// A network has it as long as it exists.
fn is_fixed(claim: &Claim) -> bool {
    matches!(claim.kind.as_str(), "gateway" | "auxiliary")
}

/// Swarm takes a name without its tag, and then never finds the plugin.
fn check_driver(network: &Network, seen: &Observation) -> Option<Finding> {
    let driver = network.driver.as_str();
    let tagged = driver.rsplit('/').next().is_some_and(|name| name.contains(':'));
    let plugin = seen.plugins.iter().find(|plugin| {
        plugin.strip_prefix(driver).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    });
    let detail = match plugin {
        Some(plugin) if plugin == driver => return None,
        Some(plugin) => format!(
            "its IPAM driver is written {driver:?}, without a tag: Swarm never finds it, and its \
             tasks wait for ever; remove the network, and make it with --ipam-driver {plugin}"
        ),
        None if tagged => format!(
            "its IPAM driver {driver:?} is not enabled on this host: enable the plugin, or remove \
             the network"
        ),
        // A driver by its socket has no tag.
        None => return None,
    };
    Some(Finding {
        severity: Severity::Error,
        kind: "driver",
        about: format!("network {}", network.name),
        detail,
        fix: None,
    })
}

#[cfg(test)]
mod tests;
