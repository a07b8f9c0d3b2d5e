//! Three processes that are killed in turn while they serve: by SIGKILL at random moments, and at the
//! failpoints of what they write. What was acknowledged is there afterwards, once, on all of them.
//!
//! The test runs itself as each process ([`member`]). `BERTH_CLUSTER_KILLS` says how many deaths
//! (`make storage`).
#![allow(clippy::print_stdout, reason = "what was struck belongs to the record")]

mod account;
mod member;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use account::Account;

use crate::ports::free_ports;
use crate::world::PATIENCE;

/// Tells the child where to work.
const DIR: &str = "BERTH_KILLS_DIR";
/// Which of the nodes it is, from 0.
const NODE: &str = "BERTH_KILLS_NODE";
/// Which of its lives.
const LIFE: &str = "BERTH_KILLS_LIFE";
/// The ports of all nodes.
const PORTS: &str = "BERTH_KILLS_PORTS";
/// What is to happen, where, after how many times: `ACTION PLACE SKIP`.
const PLAN: &str = "BERTH_KILLS_PLAN";

const NODES: usize = 3;
/// Claims that must have been made before the next one dies.
const SERVED: u64 = 10;
/// Deaths after which all is compared.
const BLOCK: u64 = 12;

/// What a serving node passes, again and again.
const PLACES: [&str; 12] = [
    "vote",
    "append",
    "round",
    "witness",
    "callback",
    "committed",
    "snapshot-build",
    "snapshot-write",
    "snapshot-rename",
    "snapshot-sync",
    "snapshot-remove",
    "purge",
];
/// What a node passes that was away for long.
const PLACES_OF_A_RETURN: [&str; 5] = [
    "snapshot-receive",
    "snapshot-piece",
    "snapshot-received",
    "snapshot-install",
    "snapshot-swap",
];

/// A node that may die. Nothing to do where no parent started it.
#[test]
fn member() {
    if let Ok(dir) = std::env::var(DIR) {
        member::run(Path::new(&dir));
    }
}

#[test]
fn what_was_acknowledged_outlives_the_deaths_of_all_nodes() {
    let kills = std::env::var("BERTH_CLUSTER_KILLS").map_or(24, |kills| kills.parse().unwrap());
    let mut cluster = Cluster::start();
    let mut done = 0;
    while done < kills {
        for number in done..done + BLOCK {
            cluster.kill_one(number);
        }
        done += BLOCK;
        cluster.compare();
    }
    let account = &cluster.account;
    println!(
        "{} claims, {} releases acknowledged under {} leaderships; deaths and refusals:",
        account.held,
        account.released,
        account.leaderships.len()
    );
    for (place, times) in &cluster.struck {
        println!("  {place} {times}");
    }
    let planned = cluster.struck.len() > 3 || !cfg!(feature = "failpoints");
    assert!(cluster.struck["SIGKILL"] > 0 && planned, "{:?}", cluster.struck);
}

/// A running process.
struct Node {
    process: Child,
    orders: ChildStdin,
    lines: Receiver<String>,
    plan: String,
    /// The failpoint that it has told of.
    struck: Option<String>,
}

impl Node {
    /// Takes what it has told by now; of a dead one all that it has told.
    fn hear(&mut self, number: usize, account: &mut Account, dead: bool) {
        let lines: Vec<String> =
            if dead { self.lines.iter().collect() } else { self.lines.try_iter().collect() };
        for line in lines {
            account.take(number, &line);
            if let Some(place) = line.strip_prefix("struck ") {
                self.struck.get_or_insert_with(|| place.to_owned());
            }
        }
    }
}

struct Cluster {
    dir: tempfile::TempDir,
    ports: String,
    nodes: BTreeMap<usize, Node>,
    lives: u64,
    account: Account,
    struck: BTreeMap<String, u64>,
}

impl Cluster {
    fn start() -> Self {
        let ports: Vec<String> = free_ports(NODES).iter().map(ToString::to_string).collect();
        let mut cluster = Self {
            dir: tempfile::tempdir().unwrap(),
            ports: ports.join(","),
            nodes: BTreeMap::new(),
            lives: 0,
            account: Account::default(),
            struck: BTreeMap::new(),
        };
        (0..NODES).for_each(|node| cluster.live(node, ""));
        cluster
    }

    fn live(&mut self, node: usize, plan: &str) {
        self.lives += 1;
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kills::member", "--nocapture"])
            .env(DIR, self.dir.path().join(node.to_string()))
            .env(NODE, node.to_string())
            .env(LIFE, self.lives.to_string())
            .env(PORTS, &self.ports)
            .env(PLAN, plan)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (told, lines) = channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        let orders = process.stdin.take().unwrap();
        self.nodes
            .insert(node, Node { process, orders, lines, plan: plan.to_owned(), struck: None });
    }

    /// Kills a node at a random moment, and has it come back to a planned death, or to none.
    fn kill_one(&mut self, number: u64) {
        self.serve();
        // Another one each time, and another moment.
        let victim = usize::try_from(number % NODES as u64).unwrap();
        std::thread::sleep(Duration::from_millis(number * 67 % 230));
        self.revive();
        let mut node = self.nodes.remove(&victim).unwrap();
        node.process.kill().unwrap();
        self.bury(victim, node);
        *self.struck.entry("SIGKILL".to_owned()).or_default() += 1;
        // So that it is sent a snapshot.
        let long = number % 4 == 1;
        if long {
            self.serve();
            std::thread::sleep(Duration::from_millis(300));
        }
        let plan = if cfg!(feature = "failpoints") { plan(number, long) } else { String::new() };
        self.live(victim, &plan);
    }

    /// Waits until clients were served since the last time. Whoever dies meanwhile comes back.
    fn serve(&mut self) {
        let (since, wanted) = (Instant::now(), self.account.held + SERVED);
        while self.account.held < wanted {
            assert!(since.elapsed() < PATIENCE, "nobody is served: {:?}", self.account);
            std::thread::sleep(Duration::from_millis(10));
            for (number, node) in &mut self.nodes {
                node.hear(*number, &mut self.account, false);
            }
            self.revive();
        }
    }

    /// Starts again whoever has ended as planned.
    fn revive(&mut self) {
        for number in 0..NODES {
            if self
                .nodes
                .get_mut(&number)
                .is_some_and(|node| node.process.try_wait().unwrap().is_some())
            {
                let node = self.nodes.remove(&number).unwrap();
                self.bury(number, node);
                self.live(number, "");
            }
        }
    }

    /// Takes what a node has told that is dead.
    fn bury(&mut self, number: usize, mut node: Node) {
        use std::os::unix::process::ExitStatusExt;
        let ended = node.process.wait().unwrap();
        node.hear(number, &mut self.account, true);
        match node.struck {
            Some(place) => *self.struck.entry(place).or_default() += 1,
            // Killed by us, and by nothing else.
            None => assert_eq!(ended.signal(), Some(9), "node {number}, {:?}", node.plan),
        }
    }

    /// Has all nodes serve until they agree, and compares that with what was acknowledged.
    fn compare(&mut self) {
        for number in 0..NODES {
            // None may meet a planned death now.
            if let Some(mut node) = self.nodes.remove(&number) {
                node.process.kill().unwrap();
                self.bury(number, node);
            }
        }
        (0..NODES).for_each(|node| self.live(node, ""));
        let since = Instant::now();
        loop {
            let reports: Vec<Vec<String>> = (0..NODES).map(|node| self.report(node)).collect();
            let state = |report: &Vec<String>| report[0].clone();
            let applied =
                |report: &Vec<String>| state(report).split(' ').nth(1).unwrap().to_owned();
            if reports.iter().all(|report| applied(report) == applied(&reports[0])) {
                assert!(
                    reports.iter().all(|report| *report == reports[0]),
                    "states differ: {reports:#?}"
                );
                self.account.compare(&reports[0]);
                break;
            }
            assert!(
                since.elapsed() < PATIENCE,
                "they do not come together: {:?}",
                reports.iter().map(state).collect::<Vec<_>>()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        for node in self.nodes.values_mut() {
            writeln!(node.orders, "go").unwrap();
        }
    }

    /// Has a node's clients rest, and asks what it holds.
    fn report(&mut self, number: usize) -> Vec<String> {
        let node = self.nodes.get_mut(&number).unwrap();
        writeln!(node.orders, "report").unwrap();
        let mut report = Vec::new();
        loop {
            match node.lines.recv_timeout(PATIENCE) {
                Ok(line) if line == "end" => return report,
                Ok(line) if line.starts_with("state ") || line.starts_with("claim ") => {
                    report.push(line);
                }
                Ok(line) => self.account.take(number, &line),
                Err(RecvTimeoutError::Timeout) => panic!("node {number} does not report"),
                Err(RecvTimeoutError::Disconnected) => panic!("node {number} has ended"),
            }
        }
    }
}

fn plan(number: u64, long: bool) -> String {
    let turn = usize::try_from(number).unwrap();
    let places = if long { &PLACES_OF_A_RETURN[..] } else { &PLACES[..] };
    let place = places[turn / 4 % places.len()];
    let side = ["before", "after"][turn / 2 % 2];
    let action = ["abort", "refuse", "delay"][turn / 3 % 3];
    let skip = if long { 0 } else { turn % 5 };
    format!("{action} {place}.{side} {skip}")
}
