//! What no engine has heard yet (rule 10): commands under way, and answers that nobody took. What an
//! engine asked for explicitly is never undone, its next identical request gets the claim that the
//! first one made; what was chosen for it is given back.
//!
//! Kept in a file across this process's own restarts. An answer counts as heard before it is
//! written: of a crash between the two, at worst a claim is left that evidence will free, and
//! nothing in use is ever given back.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use berth_allocator::{ClaimId, Command, Incarnation, PoolId, Sequence, SessionId};
use berth_codec::{Kind, Record};
use berth_replication::Deadline;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::timeout;

use super::journal::{self, Journal};
use crate::file::FileError;

/// Answers kept; beyond that, a repeated request is refused as already in use, and an operator or
/// the next session clears it.
const ANSWERS_MAX: usize = 4_096;

/// An explicit request, as it can come again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The session in which it was asked for, where one is open: a later one claims anew.
    pub(super) session: Option<SessionId>,
    pub(super) pool: PoolId,
    pub(super) wanted: Wanted,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Wanted {
    /// The pool.
    Pool,
    /// An address of it.
    Address(IpAddr),
    /// Any address of it as its gateway.
    Gateway,
}

/// A claim that was made, and its address where it is one on an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Given {
    pub(super) claim: ClaimId,
    pub(super) address: Option<IpAddr>,
}

/// What becomes of a command whose answer nobody hears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    /// The choice was ours: what it was given is released again.
    GiveBack,
    /// The engine chose, and will ask again.
    Keep(Asked),
    /// A release: it is carried out all the same.
    Finish,
}

/// How a command is known to where it is executed.
pub(super) type Number = (Incarnation, Sequence);

/// A command under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) number: Number,
    pub(super) command: Command,
    pub(super) fate: Fate,
}

/// A change of what is unheard; one entry of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Event {
    /// A command is about to be sent.
    Sent(Box<Open>),
    /// Its answer is known, and about to be told.
    Answered(Number),
    /// Nobody heard what was given.
    Kept(Asked, Given),
    /// A repeated request is about to be told.
    Taken(Asked),
}

impl Record for Event {
    const KIND: Kind = Kind::FrontEnd;
    const VERSION: u8 = 1;
    /// A command with all its labels, twice over.
    const LIMIT: usize = 1 << 20;
}

/// What no engine has heard yet.
pub(super) struct Unheard {
    kept: Mutex<Kept>,
    /// Told of each command whose answer became known.
    known: watch::Sender<()>,
}

struct Kept {
    now: Now,
    journal: Journal,
}

#[derive(Default)]
struct Now {
    open: BTreeMap<Number, Open>,
    answers: HashMap<Asked, Given>,
}

impl Now {
    fn apply(&mut self, event: Event) {
        match event {
            Event::Sent(open) => {
                self.open.insert(open.number, *open);
            }
            Event::Answered(number) => {
                self.open.remove(&number);
            }
            Event::Kept(asked, given) => {
                self.answers.insert(asked, given);
            }
            Event::Taken(asked) => {
                self.answers.remove(&asked);
            }
        }
    }

    /// The events that lead here from nothing.
    fn events(&self) -> impl Iterator<Item = Event> {
        let open = self.open.values().cloned().map(|open| Event::Sent(Box::new(open)));
        let answers = self.answers.iter();
        open.chain(answers.map(|(asked, given)| Event::Kept(asked.clone(), *given)))
    }
}

impl Kept {
    fn record(&mut self, event: Event) -> Result<(), FileError> {
        self.journal.append(&event)?;
        self.now.apply(event);
        if self.journal.is_long() {
            self.journal.replace(self.now.events())?;
        }
        Ok(())
    }
}

impl Unheard {
    /// What an earlier run of this process left at `path`. Nothing is left of an earlier boot: its
    /// engine is gone, and what was written last may be lost.
    pub(super) fn load(path: PathBuf) -> Result<Self, FileError> {
        let mut now = Now::default();
        journal::replay(&path, |event| now.apply(event))?;
        let journal = Journal::create(path, now.events())?;
        Ok(Self { kept: Mutex::new(Kept { now, journal }), known: watch::Sender::default() })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commands under way, in order.
    pub(super) fn open(&self) -> Vec<Open> {
        self.kept().now.open.values().cloned().collect()
    }

    /// A command is about to be sent.
    pub(super) fn sent(&self, open: Open) -> Result<(), FileError> {
        self.kept().record(Event::Sent(Box::new(open)))
    }

    /// A command's answer is known. Unless this is kept, it must not be told.
    pub(super) fn answered(&self, number: Number) -> Result<(), FileError> {
        let recorded = self.kept().record(Event::Answered(number));
        self.known.send_replace(());
        recorded
    }

    /// Waits until the answer of each identical request that came before is known. False if that takes
    /// too long.
    pub(super) async fn settled(&self, asked: &Asked, deadline: Deadline) -> bool {
        let under_way = |open: &Open| matches!(&open.fate, Fate::Keep(other) if other == asked);
        let mut known = self.known.subscribe();
        let settled = known.wait_for(|()| !self.kept().now.open.values().any(under_way));
        timeout(deadline.remaining(), settled).await.is_ok()
    }

    /// Nobody heard that this was given. What was claimed before the session began is not kept for it: it
    /// claims that anew. Both are named by their revisions.
    pub(super) fn keep(&self, asked: Asked, given: Given) {
        if asked.session.is_some_and(|session| given.claim.get() < session.get()) {
            return;
        }
        let mut kept = self.kept();
        if kept.now.answers.len() >= ANSWERS_MAX {
            let space = &asked.pool.space;
            let over = |old: &&Asked| old.pool.space == *space && old.session < asked.session;
            let over: Vec<Asked> = kept.now.answers.keys().filter(over).cloned().collect();
            for old in over {
                log(&kept.record(Event::Taken(old)));
            }
        }
        if kept.now.answers.len() < ANSWERS_MAX {
            log(&kept.record(Event::Kept(asked, given)));
        }
    }

    /// What an earlier, identical request was given. It counts as heard from now on.
    pub(super) fn take(&self, asked: &Asked) -> Option<Given> {
        let mut kept = self.kept();
        let given = *kept.now.answers.get(asked)?;
        log(&kept.record(Event::Taken(asked.clone()))).then_some(given)
    }
}

/// True if it was written.
fn log(written: &Result<(), FileError>) -> bool {
    if let Err(error) = written {
        tracing::error!(%error, "what an engine did not hear could not be noted");
    }
    written.is_ok()
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;

    use berth_allocator::{Prefix, ReleasePool, SpaceName};

    use super::*;
    use berth_codec::testing::golden;

    fn pool() -> PoolId {
        let prefix: ipamapi::ipnet::IpNet = "10.1.0.0/24".parse().unwrap();
        let space = SpaceName::new("LocalDefault").unwrap();
        PoolId { space, epoch: None, prefix: Prefix::truncated(prefix), sub_pool: None }
    }

    fn asked() -> Asked {
        Asked { session: Some(SessionId::new(7)), pool: pool(), wanted: Wanted::Gateway }
    }

    pub(in crate::docker) fn open(sequence: u64) -> Open {
        let release = ReleasePool { pool: pool(), claim: ClaimId::new(9), verify: false };
        Open {
            number: (Incarnation::new(3), Sequence::new(sequence)),
            command: Command::ReleasePool(release),
            fate: Fate::Keep(asked()),
        }
    }

    const GIVEN: Given = Given { claim: ClaimId::new(9), address: None };

    #[test]
    fn what_is_unheard_survives_and_what_was_heard_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("unheard");
        let unheard = Unheard::load(path.clone()).unwrap();
        unheard.sent(open(1)).unwrap();
        unheard.sent(open(2)).unwrap();
        unheard.answered(open(1).number).unwrap();
        unheard.keep(asked(), GIVEN);
        drop(unheard);
        for _ in 0..2 {
            let unheard = Unheard::load(path.clone()).unwrap();
            assert_eq!(unheard.open(), [open(2)]);
            assert_eq!(unheard.kept().now.answers, HashMap::from([(asked(), GIVEN)]));
        }
        let unheard = Unheard::load(path.clone()).unwrap();
        assert_eq!(unheard.take(&asked()), Some(GIVEN));
        assert_eq!(unheard.take(&asked()), None);
        drop(unheard);
        assert_eq!(Unheard::load(path).unwrap().take(&asked()), None);
    }

    #[test]
    fn a_session_is_told_nothing_of_an_earlier_one() {
        let dir = tempfile::tempdir().unwrap();
        let unheard = Unheard::load(dir.path().join("unheard")).unwrap();
        unheard.keep(asked(), Given { claim: ClaimId::new(6), address: None });
        assert_eq!(unheard.take(&asked()), None);
        unheard.keep(asked(), Given { claim: ClaimId::new(8), address: None });
        assert!(unheard.take(&asked()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeated_request_waits_for_what_became_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let unheard = Unheard::load(dir.path().join("unheard")).unwrap();
        let deadline = || Deadline::after(std::time::Duration::from_secs(1));
        assert!(unheard.settled(&asked(), deadline()).await);
        unheard.sent(open(1)).unwrap();
        unheard.sent(open(2)).unwrap();
        let another = Asked { wanted: Wanted::Pool, ..asked() };
        assert!(unheard.settled(&another, deadline()).await);
        assert!(!unheard.settled(&asked(), deadline()).await);
        let both = async {
            for sequence in [1, 2] {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                unheard.answered(open(sequence).number).unwrap();
            }
            unheard.keep(asked(), GIVEN);
        };
        let asked = asked();
        let (settled, ()) = tokio::join!(unheard.settled(&asked, deadline()), both);
        assert!(settled && unheard.take(&asked) == Some(GIVEN));
    }

    #[test]
    fn the_file_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("unheard");
        let unheard = Unheard::load(path.clone()).unwrap();
        unheard.sent(open(0)).unwrap();
        for sequence in 1..20_000 {
            unheard.sent(open(sequence)).unwrap();
            unheard.answered(open(sequence).number).unwrap();
        }
        let length = fs::metadata(&path).unwrap().len();
        assert!(length < 1 << 21, "{length} bytes");
        drop(unheard);
        assert_eq!(Unheard::load(path).unwrap().open(), [open(0)]);
    }

    /// What is on hosts' disks stays readable: a change here is a new version, or a mistake.
    #[test]
    fn the_encoding_is_what_it_was() {
        expect_test::expect!["0a01000301070c4c6f63616c44656661756c7400000a010000180009000101070c4c6f63616c44656661756c7400000a010000180002e5084fa6"].assert_eq(&golden(&Event::Sent(Box::new(open(1)))));
        expect_test::expect!["0a01010301a0b1bf4e"]
            .assert_eq(&golden(&Event::Answered(open(1).number)));
        expect_test::expect!["0a010201070c4c6f63616c44656661756c7400000a010000180002090085616c4e"]
            .assert_eq(&golden(&Event::Kept(asked(), GIVEN)));
        expect_test::expect!["0a010301070c4c6f63616c44656661756c7400000a01000018000281b563db"]
            .assert_eq(&golden(&Event::Taken(asked())));
    }
}
