//! Managers fail, one way after the other, under one service. After each the same holds: every task
//! has an address of its own, those that ran on have kept theirs, and Berth holds exactly what is
//! in use, on the manager and on every host.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use berth_node::api::types::Address;
use tokio::time::sleep;

use crate::host::DRIVER;
use crate::picture::{Down, Expected, Picture};
use crate::swarm::{SWARM_PATIENCE, Swarm};

/// The overlay network.
const NETWORK: &str = "berth-net";
/// The service on it.
const SERVICE: &str = "web";
/// After this long the others have elected another leader, and call the paused host's tasks lost.
const PAUSE: Duration = Duration::from_secs(30);
/// The same in the longer form.
const LONG_PAUSE: Duration = Duration::from_mins(1);
/// How long Berth is without a quorum: its requests wait so long; and, in the longer form, are refused.
const NO_QUORUM: [Duration; 2] = [Duration::from_secs(4), Duration::from_mins(1)];
/// Swarm asks again for a task that got no address when five minutes have passed (swarmkit's allocator,
/// `retryInterval`), with the next change of anything.
const RETRY: Duration = Duration::from_mins(5);
const RETRY_PATIENCE: Duration = Duration::from_mins(7);

/// How often each failure comes; once, unless `BERTH_SWARM_ROUNDS` says otherwise. All but one have the
/// longer parts.
fn rounds() -> usize {
    let rounds = std::env::var("BERTH_SWARM_ROUNDS");
    rounds.map_or(1, |rounds| rounds.parse().expect("BERTH_SWARM_ROUNDS is a number"))
}

/// The service as it was last seen.
struct Service {
    swarm: Swarm,
    seen: Picture,
    tasks: usize,
    crashed: BTreeSet<usize>,
    /// Addresses that were in doubt once.
    doubted: BTreeSet<IpAddr>,
}

impl Service {
    /// On a network of its own, each task reached by others.
    async fn start(swarm: Swarm, tasks: usize) -> Self {
        let leader = swarm.leader(None).await;
        swarm.network(leader, NETWORK, &[]).await;
        swarm.service(leader, SERVICE, NETWORK, tasks).await;
        let (seen, crashed, doubted) = Default::default();
        let mut service = Self { swarm, seen, tasks, crashed, doubted };
        service.look(None).await;
        service.ping().await;
        service
    }

    async fn look(&mut self, down: Down) {
        self.look_within(SWARM_PATIENCE, down).await;
    }

    /// Looks again; no container that was seen may have another address now.
    async fn look_within(&mut self, patience: Duration, down: Down) {
        let (tasks, crashed) = (self.tasks, &self.crashed);
        let expected = Expected { network: NETWORK, tasks, down, crashed, patience };
        let seen = self.swarm.agree(&expected).await;
        let mut kept = 0;
        for (address, task) in &seen.tasks {
            let before =
                self.seen.tasks.iter().find(|(_, other)| other.container == task.container);
            if let Some((before, _)) = before {
                assert_eq!(before, address, "{task:?} has another address than before");
                kept += 1;
            }
        }
        let (tasks, doubted) = (seen.tasks.len(), seen.doubted.len());
        println!("  {tasks} tasks, {kept} as before, each with its address; {doubted} in doubt");
        self.doubted.extend(&seen.doubted);
        self.seen = seen;
    }

    /// Scales, through a manager that is up, and looks.
    async fn scale(&mut self, tasks: usize, down: Down) {
        let manager = self.swarm.leader(down.map(|(number, _)| number)).await;
        println!("== scaled from {} to {tasks}", self.tasks);
        self.tasks = tasks;
        self.swarm.scale(manager, SERVICE, tasks).await;
        self.look(down).await;
    }

    async fn ping(&self) {
        self.swarm.ping(&self.seen).await;
    }

    /// The leading manager's host loses power, and comes back when another has led for a while.
    async fn leader_lost(&mut self) {
        let leader = self.swarm.leader(None).await;
        println!("== the leader's host is killed: {}", self.swarm.hosts[leader].name);
        let down = self.seen.balancers.get(&leader).map(|balancer| (leader, *balancer));
        assert!(down.is_some(), "{leader} has tasks, so it has a load balancer");
        self.swarm.hosts[leader].kill().await;
        self.crashed.insert(leader);
        self.swarm.leader(Some(leader)).await;
        self.look(down).await;
        self.scale(self.tasks + 4, down).await;
        self.ping().await;
        println!("== it comes back");
        self.swarm.hosts[leader].boot().await;
        self.swarm.hosts[leader].ready().await;
        self.look(None).await;
        self.scale(self.tasks - 4, None).await;
        self.ping().await;
    }

    /// The leading manager and its Berth stand still, while another one leads.
    async fn leader_paused(&mut self) {
        let leader = self.swarm.leader(None).await;
        let pause = if rounds() > 1 { LONG_PAUSE } else { PAUSE };
        println!("== the leader is paused for {pause:?}: {}", self.swarm.hosts[leader].name);
        self.swarm.hosts[leader].pause().await;
        let next = self.swarm.leader(Some(leader)).await;
        self.tasks += 3;
        self.swarm.scale(next, SERVICE, self.tasks).await;
        sleep(pause).await;
        self.swarm.hosts[leader].unpause().await;
        println!("== it goes on");
        self.look(None).await;
        self.scale(self.tasks - 3, None).await;
        self.ping().await;
    }

    /// The leading manager's plugin is taken away and given back.
    async fn plugin_off(&mut self) {
        let leader = self.swarm.leader(None).await;
        let host = &self.swarm.hosts[leader];
        println!("== the plugin of the leader is disabled and enabled: {}", host.name);
        host.docker(&["plugin", "disable", "--force", DRIVER]).await;
        host.docker(&["plugin", "enable", DRIVER]).await;
        host.ready().await;
        self.look(None).await;
        self.scale(self.tasks + 3, None).await;
        self.scale(self.tasks - 3, None).await;
    }

    /// The leading manager's engine dies alone, and is started again.
    async fn engine_killed(&mut self) {
        let leader = self.swarm.leader(None).await;
        let host = &self.swarm.hosts[leader];
        println!("== the engine of the leader is killed: {}", host.name);
        host.shell("kill -KILL $(pidof dockerd)").await;
        self.crashed.insert(leader);
        sleep(Duration::from_secs(3)).await;
        host.answers().await;
        host.ready().await;
        self.look(None).await;
        self.scale(self.tasks + 3, None).await;
        self.scale(self.tasks - 3, None).await;
        self.ping().await;
    }

    /// Two Berths of three stand still during a scale-up. Where that is longer than requests wait, the
    /// next change of anything after five minutes brings the tasks their addresses.
    async fn quorum_lost(&mut self, pause: Duration) {
        let leader = self.swarm.leader(None).await;
        println!("== Berth is without a quorum for {pause:?}, scaled up meanwhile");
        let others: Vec<usize> =
            (0..self.swarm.hosts.len()).filter(|number| *number != leader).collect();
        for other in &others {
            self.swarm.hosts[*other].shell("kill -STOP $(pidof berth)").await;
        }
        self.tasks += 3;
        self.swarm.scale(leader, SERVICE, self.tasks).await;
        sleep(pause).await;
        for other in &others {
            self.swarm.hosts[*other].shell("kill -CONT $(pidof berth)").await;
        }
        if pause == NO_QUORUM[1] {
            println!("  waiting for Swarm's retry, {RETRY:?}");
            sleep(RETRY).await;
            let name = &self.swarm.hosts[leader].name;
            let change = ["node", "update", "--label-add", "changed=yes", name];
            self.swarm.hosts[leader].docker(&change).await;
        }
        self.look_within(RETRY_PATIENCE, None).await;
        self.scale(self.tasks - 3, None).await;
    }

    /// Everything loses power at once.
    async fn all_lost(&mut self) {
        println!("== all hosts are killed at once, and come back");
        for host in &self.swarm.hosts {
            host.kill().await;
        }
        self.crashed.extend(0..self.swarm.hosts.len());
        for host in &self.swarm.hosts {
            host.boot().await;
        }
        for host in &self.swarm.hosts {
            host.ready().await;
        }
        self.look_within(RETRY_PATIENCE, None).await;
        self.ping().await;
    }

    /// A container beside the service, with an address that its user chose.
    async fn attached(&mut self) {
        println!("== a container with an address of its user's choice");
        let (first, _) = self.seen.tasks.first_key_value().expect("the service has tasks");
        let host = &self.swarm.hosts[self.swarm.leader(None).await];
        let known: Vec<Address> = host.ask(&["address", "ls"]).await.expect("Berth answers");
        let known: BTreeSet<IpAddr> = known.into_iter().map(|address| address.address).collect();
        let text = first.to_string();
        let (network, _) = text.rsplit_once('.').expect("it has an IPv4 address");
        let all = (2..=254).rev().map(|last| format!("{network}.{last}").parse().unwrap());
        let free = all.into_iter().find(|address: &IpAddr| !known.contains(address));
        let wanted = free.expect("an address was never given, or cools no more");
        let ip = format!("--ip={wanted}");
        let script = format!("ip addr | grep -q {wanted}/ && ping -c1 -W5 {first}");
        let run = ["run", "--rm", "--network", NETWORK, &ip, "busybox", "sh", "-c", &script];
        host.docker(&run).await;
        let taken = format!("--ip={first}");
        let run = ["run", "--rm", "--network", NETWORK, &taken, "busybox", "true"];
        let refused = host.try_docker(&run).await;
        let refused = refused.expect_err("a task has that address");
        println!(
            "  {wanted} was given, {first} refused: {}",
            refused.lines().next().unwrap_or_default()
        );
        self.look(None).await;
    }

    /// `berth doctor --fix` frees what failures left in doubt; then, everywhere, nothing is wrong.
    async fn examine(&mut self) {
        println!("== examined by berth doctor");
        let mut freed = 0;
        for host in &self.swarm.hosts {
            for finding in host.doctor(&["--fix"]).await {
                assert_ne!(finding["severity"], "error", "{}: {finding}", host.name);
                if finding.get("fix").is_some() {
                    freed += 1;
                } else {
                    println!("  {}: {finding}", host.name);
                }
            }
        }
        for host in &self.swarm.hosts {
            let what = format!("nothing is wrong on {}", host.name);
            berth_tests::eventually(&what, async || {
                let found = host.doctor(&[]).await;
                for finding in &found {
                    println!("  {}: {finding}", host.name);
                }
                found.is_empty().then_some(())
            })
            .await;
        }
        let (crashed, doubted) = (self.crashed.len(), self.doubted.len());
        println!(
            "  {freed} claims freed, {crashed} engines had crashed, {doubted} addresses been in doubt"
        );
        self.crashed.clear();
        self.doubted.clear();
        self.look(None).await;
        self.ping().await;
    }

    async fn remove(self) {
        println!("== all is removed");
        let leader = &self.swarm.hosts[self.swarm.leader(None).await];
        leader.docker(&["service", "rm", SERVICE]).await;
        // Refused while a task ends.
        berth_tests::eventually("the network is removed", async || {
            leader.try_docker(&["network", "rm", NETWORK]).await.ok()
        })
        .await;
        let left = self.swarm.empty(&self.crashed, &self.doubted).await;
        println!(
            "  nothing is held in the Swarm's space, where {} were in doubt, nor in those of hosts \
             whose engines never crashed; {left} addresses are in those of the {} others",
            self.doubted.len(),
            self.crashed.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swarm_keeps_its_addresses() {
    let mut service = Service::start(Swarm::start().await, 4).await;
    service.scale(20, None).await;
    service.ping().await;
    for round in 1..=rounds() {
        println!("==== round {round}");
        service.leader_lost().await;
        service.leader_paused().await;
        service.plugin_off().await;
        service.engine_killed().await;
        service.quorum_lost(NO_QUORUM[0]).await;
        service.all_lost().await;
        service.examine().await;
        service.attached().await;
    }
    if rounds() != 1 {
        service.quorum_lost(NO_QUORUM[1]).await;
        for tasks in [60, 5, 20] {
            service.scale(tasks, None).await;
        }
        service.examine().await;
    }
    service.remove().await;
}
