//! Damaged files: each file, in each way, at many places. What is damaged does not start, and says what
//! to do; or it starts with exactly what was acknowledged. It never starts with anything else.
//!
//! `BERTH_DAMAGES` says how many times (`make storage`).
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "what was tried belongs to the record")]

mod damage;
mod ledger;
#[expect(unreachable_pub, reason = "public where the process-level suites have it")]
#[path = "../../../../tests/src/ports.rs"]
mod ports;
mod replica;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use berth_allocator::{
    ClientName, Command, Envelope, Incarnation, Millis, Register, Sequence, Text,
};
use berth_replication::Fingerprint;
use damage::{Damage, Dice, copy, files};

/// What an error must say: what to do now.
const ADVICE: [&str; 5] = [
    "keep it for a look",
    "use another",
    "use that name",
    "remove it",
    // Of a table that is read only later: what was found at the start was whole.
    "the node stops, because what is on disk is not known any more",
];

/// Something that keeps data in a directory.
trait Keeper {
    /// Starts with what is there, which must be as it was; has one more command executed, and starts
    /// again. An error is why that is not possible.
    fn start(&self, dir: &Path, was: &Fingerprint) -> Result<(), Box<dyn Error>>;
}

/// Data in a directory, with an earlier copy of it, and what belongs to it.
struct Kept {
    whole: tempfile::TempDir,
    older: tempfile::TempDir,
    fingerprint: Fingerprint,
}

/// Damages a copy of the data again and again, and has each copy started.
fn sweep(name: &str, keeper: &impl Keeper, kept: &Kept, times: u64) {
    let mut dice = Dice(1);
    let names = files(kept.whole.path());
    let mut outcomes: BTreeMap<(String, &str), (u64, u64)> = BTreeMap::new();
    let mut tried = 0;
    for number in 0.. {
        if tried == times {
            break;
        }
        let dir = tempfile::tempdir().unwrap();
        copy(kept.whole.path(), dir.path());
        let damage = Damage::draw(&names, number, &mut dice);
        if !damage.apply(dir.path(), kept.older.path()) {
            continue;
        }
        tried += 1;
        let outcome = outcomes.entry((damage.class(), damage.kind())).or_default();
        match keeper.start(dir.path(), &kept.fingerprint) {
            Ok(()) => outcome.0 += 1,
            Err(error) => {
                let told = chain(&*error);
                let advised = ADVICE.iter().any(|advice| told.contains(advice));
                assert!(advised, "{name}: {damage:?}: no advice in {told:?}");
                outcome.1 += 1;
            }
        }
    }
    println!("{name}: file, damage: was whole, refused");
    for ((class, kind), (whole, refused)) in outcomes {
        println!("  {class} {kind}: {whole}, {refused}");
    }
}

/// Has a client register.
fn registration(name: &str) -> Envelope {
    let command = Command::Register(Register {
        instance: 1,
        address: Text::new("here").unwrap(),
        lease: Millis::new(0),
    });
    Envelope {
        client: ClientName::new(name).unwrap(),
        incarnation: Incarnation::new(0),
        sequence: Sequence::new(1),
        heard: Sequence::new(0),
        command,
    }
}

/// Whether a state is as it was; the log may have gone on.
fn compare(found: &Fingerprint, was: &Fingerprint) {
    assert_eq!((found.revision, found.value), (was.revision, was.value), "not what was there");
}

fn chain(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

/// How many damages to try, where so many are enough for an ordinary run.
fn times(usual: u64) -> u64 {
    std::env::var("BERTH_DAMAGES").map_or(usual, |times| times.parse().unwrap())
}
