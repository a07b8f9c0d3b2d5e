//! Makes faults happen, and makes them good again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use berth_chaos::hosts::Host;
use berth_chaos::watch::Watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use crate::containers::{self, address, disk};
use crate::plan::{Kind, Step, Target};
use crate::shell::run;

/// How often a fault tries to strike, and how long after the last time.
const ATTEMPTS_MAX: usize = 40;
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// The network between hosts.
const NETWORK: &str = "172.30.0.0/24";

/// A fault that struck.
#[derive(Debug, Clone)]
pub(crate) struct Struck {
    /// What it was.
    pub(crate) kind: Kind,
    /// Whom it struck.
    pub(crate) hosts: Vec<String>,
    /// When it began and ended, from the beginning.
    pub(crate) from: Duration,
    /// See `from`.
    pub(crate) until: Duration,
}

/// Makes faults happen.
pub(crate) struct Nemesis {
    hosts: Vec<Host>,
    watch: Arc<Watch>,
    begin: tokio::time::Instant,
    /// Hosts whose process a fault has hold of: no other one touches it.
    busy: Mutex<BTreeSet<usize>>,
    struck: Mutex<Vec<Struck>>,
    failed: Mutex<Vec<String>>,
}

/// What makes a fault good again.
enum Cure {
    Start(Vec<usize>),
    Unpause(usize),
    Rules(usize, Vec<Vec<String>>),
    Unshape(usize),
    Unstarve(usize),
    Empty(usize, PathBuf),
}

impl Nemesis {
    pub(crate) fn new(hosts: &[Host], watch: Arc<Watch>, begin: tokio::time::Instant) -> Arc<Self> {
        Arc::new(Self {
            hosts: hosts.to_vec(),
            watch,
            begin,
            busy: Mutex::default(),
            struck: Mutex::default(),
            failed: Mutex::default(),
        })
    }

    /// Carries a plan out, and waits until every fault is over.
    pub(crate) async fn carry_out(self: &Arc<Self>, plan: Vec<Step>) {
        let mut under_way = JoinSet::new();
        for step in plan {
            sleep_until(self.begin + step.at).await;
            let nemesis = Arc::clone(self);
            under_way.spawn(async move { nemesis.carry_out_one(step).await });
        }
        under_way.join_all().await;
    }

    /// Faults that struck.
    pub(crate) fn struck(&self) -> Vec<Struck> {
        lock(&self.struck).clone()
    }

    /// Why some could not.
    pub(crate) fn failed(&self) -> Vec<String> {
        lock(&self.failed).clone()
    }

    async fn carry_out_one(&self, step: Step) {
        let mut chosen = self.choose(step);
        // A process is had by one fault at a time.
        while step.kind.holds_process() && !self.take(&chosen) {
            sleep(RETRY_AFTER).await;
            chosen = self.choose(step);
        }
        match self.try_strike(step.kind, &chosen).await {
            Ok((from, cure)) => {
                sleep(step.lasts).await;
                let healed = self.heal(cure).await;
                let hosts = chosen.iter().map(|host| self.hosts[*host].name.clone()).collect();
                let (kind, until) = (step.kind, self.begin.elapsed());
                match healed {
                    Ok(()) => lock(&self.struck).push(Struck { kind, hosts, from, until }),
                    Err(error) => lock(&self.failed).push(format!("{kind:?}: {error:#}")),
                }
            }
            Err(error) => lock(&self.failed).push(format!("{:?}: {error:#}", step.kind)),
        }
        if step.kind.holds_process() {
            lock(&self.busy).retain(|host| !chosen.contains(host));
        }
    }

    /// Strikes, if not now then soon: a host may be down just now. When, and what will cure it.
    async fn try_strike(&self, kind: Kind, chosen: &[usize]) -> Result<(Duration, Cure)> {
        for _ in 1..ATTEMPTS_MAX {
            let from = self.begin.elapsed();
            if let Ok(cure) = self.strike(kind, chosen).await {
                return Ok((from, cure));
            }
            sleep(RETRY_AFTER).await;
        }
        Ok((self.begin.elapsed(), self.strike(kind, chosen).await?))
    }

    /// Whom a step strikes, as things are now.
    fn choose(&self, step: Step) -> Vec<usize> {
        let nodes = self.hosts.iter().filter(|host| host.is_node).count();
        let leader = self.watch.leader().unwrap_or_default();
        let followers: Vec<usize> = (0..nodes).filter(|node| *node != leader).collect();
        let one = match step.target {
            Target::Leader => leader,
            Target::Follower(at) => followers[at % followers.len()],
            Target::Agent(at) => nodes + at % (self.hosts.len() - nodes),
        };
        match step.kind {
            Kind::KillAll => (0..self.hosts.len()).collect(),
            Kind::Calls => vec![leader],
            // Two followers have nothing to say to each other.
            Kind::Bridge if one == leader || one >= nodes => vec![leader, followers[0]],
            Kind::Bridge => vec![leader, one],
            // An agent's disk holds only its own ledger: the nodes' are what matters.
            Kind::FullDisk if one >= nodes => vec![followers[0]],
            _ => vec![one],
        }
    }

    fn take(&self, hosts: &[usize]) -> bool {
        let mut busy = lock(&self.busy);
        let free = hosts.iter().all(|host| !busy.contains(host));
        if free {
            busy.extend(hosts);
        }
        free
    }

    async fn strike(&self, kind: Kind, chosen: &[usize]) -> Result<Cure> {
        let one = *chosen.first().context("nobody was chosen")?;
        let container = containers::container(&self.hosts[one]);
        let rule = |chain: &str, what: &[&str]| {
            let words = [&[chain], what, &["-j", "DROP"]].concat();
            words.into_iter().map(str::to_owned).collect::<Vec<String>>()
        };
        let rules = match kind {
            Kind::Kill | Kind::KillAll => {
                let containers: Vec<String> =
                    chosen.iter().map(|host| containers::container(&self.hosts[*host])).collect();
                let names: Vec<&str> = containers.iter().map(String::as_str).collect();
                run("docker", &[&["kill"][..], &names].concat()).await?;
                return Ok(Cure::Start(chosen.to_vec()));
            }
            Kind::Restart => {
                run("docker", &["stop", "--time", "20", &container]).await?;
                return Ok(Cure::Start(chosen.to_vec()));
            }
            Kind::Pause => {
                run("docker", &["pause", &container]).await?;
                return Ok(Cure::Unpause(one));
            }
            Kind::SlowLink => {
                let shape = ["tc", "qdisc", "add", "dev", "eth0", "root", "tbf"];
                let shape = [&shape[..], &["rate", "200kbit", "burst", "8kb", "latency", "1s"]];
                self.inside(one, &shape.concat()).await?;
                return Ok(Cure::Unshape(one));
            }
            Kind::Starve => {
                let quota = ["update", "--cpu-period", "100000", "--cpu-quota", "5000"];
                run("docker", &[&quota[..], &[&container]].concat()).await?;
                return Ok(Cure::Unstarve(one));
            }
            Kind::FullDisk => return self.fill(one),
            Kind::Isolate => {
                vec![rule("INPUT", &["-s", NETWORK]), rule("OUTPUT", &["-d", NETWORK])]
            }
            Kind::Deaf => vec![rule("INPUT", &["-s", NETWORK])],
            Kind::Mute => vec![rule("OUTPUT", &["-d", NETWORK])],
            Kind::Bridge => {
                let other = address(&self.hosts[*chosen.get(1).context("one node alone")?]);
                vec![rule("INPUT", &["-s", &other]), rule("OUTPUT", &["-d", &other])]
            }
            Kind::Calls => vec![rule("INPUT", &["-p", "tcp", "--dport", "7100"])],
            Kind::Lossy => {
                let third = ["-m", "statistic", "--mode", "random", "--probability", "0.33"];
                vec![rule("INPUT", &[&["-s", NETWORK][..], &third].concat())]
            }
        };
        for rule in &rules {
            let words: Vec<&str> = rule.iter().map(String::as_str).collect();
            self.inside(one, &[&["iptables", "-w", "-I"][..], &words].concat()).await?;
        }
        Ok(Cure::Rules(one, rules))
    }

    fn fill(&self, host: usize) -> Result<Cure> {
        let filler = disk(&self.hosts[host]).join("filler");
        let written = io::copy(&mut io::repeat(0), &mut File::create(&filler)?);
        match written {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                Ok(Cure::Empty(host, filler))
            }
            Err(error) => Err(error.into()),
            Ok(_) => anyhow::bail!("a disk has no end"),
        }
    }

    async fn heal(&self, cure: Cure) -> Result<()> {
        match cure {
            Cure::Start(hosts) => {
                for host in hosts {
                    run("docker", &["start", &containers::container(&self.hosts[host])]).await?;
                }
            }
            Cure::Unpause(host) => {
                run("docker", &["unpause", &containers::container(&self.hosts[host])]).await?;
            }
            // What a host's network was told is gone when the host was started again meanwhile.
            Cure::Rules(host, rules) => {
                if self.dropped(host).await == Some(0) {
                    anyhow::bail!("{} lost no packet", self.hosts[host].name);
                }
                for rule in rules {
                    let words: Vec<&str> = rule.iter().map(String::as_str).collect();
                    let delete = [&["iptables", "-w", "-D"][..], &words].concat();
                    let _ = self.inside(host, &delete).await;
                }
            }
            Cure::Unshape(host) => {
                let _ = self.inside(host, &["tc", "qdisc", "del", "dev", "eth0", "root"]).await;
            }
            Cure::Unstarve(host) => {
                let container = containers::container(&self.hosts[host]);
                run("docker", &["update", "--cpu-quota", "-1", &container]).await?;
            }
            Cure::Empty(host, filler) => {
                std::fs::remove_file(filler)?;
                // The node has ended, unless it had nothing to write.
                run("docker", &["start", &containers::container(&self.hosts[host])]).await?;
            }
        }
        Ok(())
    }

    /// Packets that a host's network was told to drop, and did; nothing if it was not told.
    async fn dropped(&self, host: usize) -> Option<u64> {
        let list = self.inside(host, &["iptables", "-w", "-nvxL"]).await.ok()?;
        let drops = list.lines().filter(|line| line.split_whitespace().nth(2) == Some("DROP"));
        let packets = drops.map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        packets.reduce(|one, other| Some(one? + other?))?
    }

    /// Makes everything good that may be left, once no fault is under way.
    pub(crate) async fn heal_all(&self) -> Result<()> {
        for (at, host) in self.hosts.iter().enumerate() {
            run("docker", &["start", &containers::container(host)]).await?;
            let _ = self.inside(at, &["iptables", "-w", "-F"]).await;
        }
        Ok(())
    }

    /// Runs a command in a host's network.
    async fn inside(&self, host: usize, command: &[&str]) -> Result<String> {
        let container = containers::container(&self.hosts[host]);
        let pid = run("docker", &["inspect", "--format", "{{.State.Pid}}", &container]).await?;
        anyhow::ensure!(pid != "0", "{container} does not run");
        run("nsenter", &[&["--target", &pid, "--net"][..], command].concat()).await
    }
}

impl Kind {
    /// Whether it needs the host's process for itself.
    const fn holds_process(self) -> bool {
        matches!(self, Self::Kill | Self::KillAll | Self::Restart | Self::Pause | Self::FullDisk)
    }
}

/// How often each kind struck.
pub(crate) fn counts(struck: &[Struck]) -> BTreeMap<Kind, usize> {
    let mut counts: BTreeMap<Kind, usize> = Kind::ALL.map(|kind| (kind, 0)).into();
    for fault in struck {
        *counts.entry(fault.kind).or_default() += 1;
    }
    counts
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
