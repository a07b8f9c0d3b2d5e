//! The short form of `make sim`, and what must stay true of the simulator itself.
#![cfg(tokio_unstable)]

use std::fs;
#[cfg(feature = "canary")]
use std::process::Command;

/// Runs seeds, and panics with what is wrong.
fn pass(seeds: impl IntoIterator<Item = u64>) {
    for seed in seeds {
        let report = berth_sim::run(seed, None).expect("no trace is written");
        assert!(report.passed(), "{report}");
    }
}

#[test]
fn twenty_seeds_pass() {
    pass(1..=20);
}

/// Seeds that once failed, each with what it showed.
#[test]
fn seeds_that_failed_pass() {
    // A leader came back in its term without its last entries, and gave their places to others.
    pass([67, 213, 243, 254]);
    // An engine began anew, and its handshake was forgotten by a restart of the node: it was held to be
    // the engine before it, and refused what it had.
    pass([19, 22, 108, 635]);
    // A request was waiting when its engine began anew: it took the new session, and the engine was
    // refused what it had.
    pass([69, 211, 291]);
    // An answer that did not arrive was kept for the session after it.
    pass([689]);
    // A request was repeated while it was not known what had become of it.
    pass([318, 658]);
    // It was repeated twice: the one in the middle, for which nobody waited, took the answer.
    pass([554]);
    // A newcomer waited for a member that had lost power until its time was over.
    pass([22]);
    // A host that came back gave up while another change of the membership was under way.
    pass([160]);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let dir = tempfile::tempdir().unwrap();
    let trace = |name: &str| {
        let path = dir.path().join(name);
        let report = berth_sim::run(7, Some(&path)).unwrap();
        (report.digest, fs::read(path).unwrap())
    };
    let (one, other) = (trace("one"), trace("other"));
    assert_eq!(one.0, other.0, "a hash of all that happened, with every byte sent");
    assert!(one.1 == other.1, "every event");
    assert!(one.1.len() > 10_000, "there were events");
}

/// Each sin is caught by a seed that passes without it.
#[cfg(feature = "canary")]
#[test]
fn every_canary_is_caught() {
    for (canary, seed) in CAUGHT_BY {
        let run = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_berth-sim"));
            let seed = seed.to_string();
            command.args(["--first", &seed]).args(arguments).output().unwrap()
        };
        let honest = run(&[]);
        assert!(honest.status.success(), "{}", String::from_utf8_lossy(&honest.stdout));
        let sinful = run(&["--canary", canary]);
        let told = String::from_utf8_lossy(&sinful.stdout);
        assert!(sinful.status.success() && told.contains("VIOLATION"), "{canary}: {told}");
    }
}

/// Sins, and the first seed that catches each.
#[cfg(feature = "canary")]
const CAUGHT_BY: [(&str, u64); 8] = [
    ("skip-sync", 3),
    ("early-answer", 1),
    ("forget-vote", 1),
    ("no-dedup", 3),
    ("blind-adoption", 1),
    ("stale-release", 260),
    ("undone-adoption", 46),
    ("local-clock", 1),
];
