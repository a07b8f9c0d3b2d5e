//! `docs/internals/durability.md` lists every write with its failpoint: the same ones as the code has.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found
}

/// What the code calls `strike` with.
fn struck() -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for dir in ["crates/replication/src", "crates/node/src"] {
        for source in sources(&Path::new(ROOT).join(dir)) {
            let text = fs::read_to_string(source).unwrap();
            let calls = text.split("strike(\"").skip(1);
            places.extend(calls.map(|call| call.split_once('"').unwrap().0.to_owned()));
        }
    }
    places
}

/// What stands in the last column of the page's tables: each word is struck before and after its write.
fn documented() -> BTreeSet<String> {
    let page = Path::new(ROOT).join("docs/internals/durability.md");
    let page = fs::read_to_string(page).unwrap();
    let last = |row: &str| row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap().to_owned();
    let rows = page.lines().filter(|line| line.starts_with('|')).map(last);
    let mut places = BTreeSet::new();
    for row in rows {
        for word in row.split('`').skip(1).step_by(2) {
            places.extend(["before", "after"].map(|side| format!("{word}.{side}")));
        }
    }
    places
}

#[test]
fn every_failpoint_is_documented_and_there() {
    let (struck, documented) = (struck(), documented());
    let unknown: Vec<_> = struck.difference(&documented).collect();
    let missing: Vec<_> = documented.difference(&struck).collect();
    assert!(
        unknown.is_empty() && missing.is_empty(),
        "undocumented {unknown:?}, missing {missing:?}"
    );
    assert!(struck.len() > 40, "{struck:?}");
}

#[test]
fn every_failpoint_is_struck_by_the_kill_tests() {
    let tested = ["crates/replication/src/kills/places.rs", "crates/node/src/docker/kills.rs"];
    let mut words = BTreeSet::new();
    for file in tested {
        let text = fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
        words.extend(text.split('"').map(str::to_owned).collect::<Vec<_>>());
    }
    let untested: Vec<_> = struck().into_iter().filter(|place| !words.contains(place)).collect();
    assert!(untested.is_empty(), "{untested:?}");
}
