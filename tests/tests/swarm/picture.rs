//! What a Swarm uses, as its managers and engines show it, against what Berth holds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use berth_node::api::types::Address;
use berth_tests::{LOCAL, eventually_within};
use serde_json::Value;

use crate::host::Host;
use crate::swarm::{SWARM_PATIENCE, Swarm};

/// A task that runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Task {
    /// Its container.
    pub(crate) container: String,
    /// The number of its host.
    pub(crate) host: usize,
}

/// Addresses in use on one network.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Of the tasks that run.
    pub(crate) tasks: BTreeMap<IpAddr, Task>,
    /// Of tasks that ran on a host that is down: their managers do not know that they ended.
    lost: BTreeSet<IpAddr>,
    /// Of the services, and the gateway.
    virtuals: BTreeSet<IpAddr>,
    /// Of each host's load balancer, where it has one.
    pub(crate) balancers: BTreeMap<usize, IpAddr>,
    /// Not in use, and not free: of tasks that died while no manager led.
    pub(crate) doubted: BTreeSet<IpAddr>,
}

/// A host that is down, and the address of its load balancer, which nobody can be asked for.
pub(crate) type Down = Option<(usize, IpAddr)>;

/// What is to be found.
pub(crate) struct Expected<'a> {
    /// The overlay network.
    pub(crate) network: &'a str,
    /// How many tasks run.
    pub(crate) tasks: usize,
    /// Who is not asked.
    pub(crate) down: Down,
    /// Hosts whose engines ended without releasing anything: in their own spaces more may be held
    /// than is in use.
    pub(crate) crashed: &'a BTreeSet<usize>,
    /// How long it may take.
    pub(crate) patience: Duration,
}

impl Picture {
    /// All of them, unless one is used twice.
    fn global(&self) -> Result<BTreeSet<IpAddr>, IpAddr> {
        let mut all = BTreeSet::new();
        let tasks = self.tasks.keys().chain(&self.lost);
        let used = tasks.chain(&self.virtuals).chain(self.balancers.values());
        for address in used {
            if !all.insert(*address) {
                return Err(*address);
            }
        }
        Ok(all)
    }

    /// Those of one host, its gateway among them.
    fn local(&self, host: usize, gateway: IpAddr) -> BTreeSet<IpAddr> {
        let Some(balancer) = self.balancers.get(&host) else { return BTreeSet::new() };
        let tasks = self.tasks.iter().filter(|(_, task)| task.host == host);
        tasks.map(|(address, _)| *address).chain([*balancer, gateway]).collect()
    }
}

impl Swarm {
    /// Waits until this many tasks run, Berth holds what they and the network use, and nothing else,
    /// in the Swarm's space and in the space of each host that is up.
    pub(crate) async fn agree(&self, expected: &Expected<'_>) -> Picture {
        let mut last = String::new();
        let what = format!("{} tasks run, and Berth holds what they use", expected.tasks);
        let agree = async || match self.agreed(expected).await {
            Ok(picture) => Some(picture),
            Err(why) => {
                if why != last {
                    println!("  not yet: {why}");
                    last = why;
                }
                None
            }
        };
        eventually_within(expected.patience, &what, agree).await
    }

    async fn agreed(&self, expected: &Expected<'_>) -> Result<Picture, String> {
        let is_up = |number: &usize| expected.down.is_none_or(|(down, _)| down != *number);
        let up: Vec<usize> = (0..self.hosts.len()).filter(is_up).collect();
        let manager = &self.hosts[up[0]];
        let picture = self.picture(manager, expected.network, &up).await;
        let (mut picture, gateway) = picture.ok_or("a manager does not answer")?;
        picture.balancers.extend(expected.down);
        if picture.tasks.len() != expected.tasks {
            return Err(format!("{} of {} tasks run", picture.tasks.len(), expected.tasks));
        }
        let used = picture.global();
        let used = used.unwrap_or_else(|address| panic!("{address} is used twice: {picture:?}"));
        picture.doubted = compare(&used, manager, &self.space, false).await?;
        if expected.crashed.is_empty() && !picture.doubted.is_empty() {
            return Err(format!("in doubt, in {}: {:?}", self.space, picture.doubted));
        }
        for number in &up {
            let used = picture.local(*number, gateway);
            let more = expected.crashed.contains(number);
            let doubted = compare(&used, &self.hosts[*number], LOCAL, more).await?;
            if !more && !doubted.is_empty() {
                return Err(format!("in doubt, in {LOCAL} on h{}: {doubted:?}", number + 1));
            }
        }
        Ok(picture)
    }

    /// What is shown of a network, and its gateway.
    async fn picture(
        &self,
        manager: &Host,
        network: &str,
        up: &[usize],
    ) -> Option<(Picture, IpAddr)> {
        let mut picture = Picture::default();
        let shown = manager.inspect(&["network", "inspect"], &[network]).await?;
        let id = shown[0]["Id"].as_str()?.to_owned();
        let gateway = shown[0]["IPAM"]["Config"][0]["Gateway"].as_str()?.parse().ok()?;
        picture.virtuals.insert(gateway);
        let services = ids(manager, &["service", "ls", "--quiet"]).await?;
        for service in manager.inspect(&["service", "inspect"], &refs(&services)).await? {
            self.add_service(&mut picture, manager, &service, &id, up).await?;
        }
        for number in up {
            let there = self.hosts[*number].inspect(&["network", "inspect"], &[network]).await?;
            let endpoint = format!("lb-{network}");
            if let Some(balancer) = there[0]["Containers"].get(&endpoint) {
                picture.balancers.insert(*number, address(&balancer["IPv4Address"])?);
            }
        }
        Some((picture, gateway))
    }

    /// A service's own address, and those of its tasks.
    async fn add_service(
        &self,
        picture: &mut Picture,
        manager: &Host,
        service: &Value,
        network: &str,
        up: &[usize],
    ) -> Option<()> {
        for ip in list(&service["Endpoint"]["VirtualIPs"]) {
            if ip["NetworkID"] == network {
                picture.virtuals.insert(address(&ip["Addr"])?);
            }
        }
        let tasks = self.tasks(manager, service["Spec"]["Name"].as_str()?).await?;
        for task in tasks.iter().filter(|task| task["Status"]["State"] == "running") {
            let node = task["NodeID"].as_str()?;
            let Some(host) = self.number_of(manager, node).await else { continue };
            let container = task["Status"]["ContainerStatus"]["ContainerID"].as_str()?;
            let wanted = task["DesiredState"] == "running" && up.contains(&host);
            let attachments = list(&task["NetworksAttachments"]);
            for attached in attachments.filter(|attached| attached["Network"]["ID"] == network) {
                let address = address(attached["Addresses"].get(0)?)?;
                if !wanted {
                    picture.lost.insert(address);
                    continue;
                }
                let task = Task { container: container.to_owned(), host };
                let other = picture.tasks.insert(address, task);
                assert!(other.is_none(), "{address} has two tasks: {other:?}");
            }
        }
        Some(())
    }

    async fn tasks(&self, manager: &Host, service: &str) -> Option<Vec<Value>> {
        let list = ["service", "ps", "--quiet", service];
        let tasks = ids(manager, &list).await?;
        manager.inspect(&["inspect", "--type", "task"], &refs(&tasks)).await
    }

    async fn number_of(&self, manager: &Host, node: &str) -> Option<usize> {
        let format = "{{.Description.Hostname}}";
        let name = manager.try_docker(&["node", "inspect", "--format", format, node]).await.ok()?;
        self.hosts.iter().position(|host| host.name == name)
    }

    /// One task of each host reaches all others, wherever they are, as soon as the engines have told each
    /// other where they are.
    pub(crate) async fn ping(&self, picture: &Picture) {
        let mut pinged = 0;
        let mut from: BTreeMap<usize, &Task> = BTreeMap::new();
        for task in picture.tasks.values() {
            from.entry(task.host).or_insert(task);
        }
        for (host, task) in from {
            let mut silent: BTreeSet<IpAddr> = picture.tasks.keys().copied().collect();
            let what = format!("all tasks answer one on {}", self.hosts[host].name);
            eventually_within(SWARM_PATIENCE, &what, async || {
                silent = self.hosts[host].silent(&task.container, &silent).await?;
                if !silent.is_empty() {
                    println!("  not yet: {silent:?} do not answer");
                }
                silent.is_empty().then_some(())
            })
            .await;
            pinged += picture.tasks.len();
        }
        println!("  {pinged} pings answered");
    }

    /// Waits until Berth holds nothing in the Swarm's space but what was in doubt before, with its
    /// pool, and nothing in the space of any host but those whose engines crashed; gives how many
    /// addresses these still hold.
    pub(crate) async fn empty(
        &self,
        crashed: &BTreeSet<usize>,
        doubted: &BTreeSet<IpAddr>,
    ) -> usize {
        let what = "Berth holds nothing";
        eventually_within(SWARM_PATIENCE, what, async || {
            let mut left = 0;
            for (number, host) in self.hosts.iter().enumerate() {
                let mut pools = host.pools().await?;
                // Others' are not looked at.
                pools.retain(|pool| pool.space == LOCAL || pool.space == self.space);
                if !doubted.is_empty() {
                    pools.retain(|pool| pool.space != self.space);
                }
                if crashed.contains(&number) {
                    let (held, doubtful) = host.held(LOCAL).await?;
                    left += held.len() + doubtful.len();
                    if pools.iter().any(|pool| pool.space == self.space) {
                        return None;
                    }
                } else if !pools.is_empty() {
                    return None;
                }
                // Addresses that outlive their pools would be shown here.
                let (held, doubtful) = host.held(&self.space).await?;
                let known = |address: &Address| doubted.contains(&address.address);
                if !held.is_empty() || !doubtful.iter().all(known) {
                    return None;
                }
            }
            Some(left)
        })
        .await
    }
}

/// Whether Berth holds what is used in a space, and nothing else unless `more` may be; gives what is in
/// doubt.
async fn compare(
    used: &BTreeSet<IpAddr>,
    host: &Host,
    space: &str,
    more: bool,
) -> Result<BTreeSet<IpAddr>, String> {
    let (held, doubtful) = host.held(space).await.ok_or("Berth does not answer")?;
    let place = format!("in {space} on {}", host.name);
    let unheld: Vec<_> = used.difference(&held).collect();
    if !unheld.is_empty() {
        return Err(format!("used and not held, {place}: {unheld:?}"));
    }
    let leaked: Vec<_> = held.difference(used).collect();
    if !more && !leaked.is_empty() {
        return Err(format!("held and not used, {place}: {leaked:?}"));
    }
    Ok(doubtful.into_iter().map(|address| address.address).collect())
}

/// The elements of an array, if it is one.
fn list(array: &Value) -> impl Iterator<Item = &Value> {
    array.as_array().into_iter().flatten()
}

/// An address that may be written with its prefix length.
fn address(text: &Value) -> Option<IpAddr> {
    let text = text.as_str()?;
    text.split_once('/').map_or(text, |(address, _)| address).parse().ok()
}

async fn ids(host: &Host, list: &[&str]) -> Option<Vec<String>> {
    Some(host.try_docker(list).await.ok()?.lines().map(str::to_owned).collect())
}

fn refs(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}
