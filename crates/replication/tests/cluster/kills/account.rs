//! What the nodes' clients were told, and what must follow from it.

use std::collections::{BTreeMap, BTreeSet};

/// A request of a client, by its name: where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Request {
    /// It was sent.
    Asked,
    /// It was given this address under this claim.
    Held(String),
    /// Its release was sent.
    Releasing,
    /// Its release was acknowledged.
    Released,
}

/// All requests, and all leaderships.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) held: u64,
    pub(super) released: u64,
    requests: BTreeMap<String, Request>,
    /// Each term with a leader of it.
    pub(super) leaderships: BTreeSet<String>,
}

impl Account {
    /// Takes what a node has told.
    pub(super) fn take(&mut self, node: usize, line: &str) {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let request = match words.as_slice() {
            ["ask", name] => Some((name, Request::Asked)),
            ["held", name, what] => {
                self.held += 1;
                Some((name, Request::Held((*what).to_owned())))
            }
            ["releasing", name] => Some((name, Request::Releasing)),
            ["released", name] => {
                self.released += 1;
                Some((name, Request::Released))
            }
            ["leads", leadership] => {
                self.leaderships.insert((*leadership).to_owned());
                None
            }
            ["wrong", ..] => panic!("node {node}: {line}"),
            _ => None,
        };
        if let Some((name, request)) = request {
            self.requests.insert((*name).to_owned(), request);
        }
    }

    /// Compares it with a node's report: a line on its state, and one for each claim.
    pub(super) fn compare(&self, report: &[String]) {
        let mut claims: BTreeMap<&str, &str> = BTreeMap::new();
        let mut addresses = BTreeSet::new();
        for line in report.iter().filter_map(|line| line.strip_prefix("claim ")) {
            let (name, what) = line.split_once(' ').unwrap();
            assert_eq!(claims.insert(name, what), None, "{name} was executed twice");
            assert!(addresses.insert(what.split(' ').next().unwrap()), "{what} is held twice");
            assert!(self.requests.contains_key(name), "{name} was never asked for");
        }
        for (name, request) in &self.requests {
            let found = claims.get(name.as_str()).copied();
            match request {
                Request::Held(what) => assert_eq!(found, Some(what.as_str()), "{name} is lost"),
                Request::Released => assert_eq!(found, None, "{name} is held again"),
                // Whether it was executed nobody was told.
                Request::Asked | Request::Releasing => {}
            }
        }
        assert!(!claims.is_empty(), "nothing to compare");
    }
}
