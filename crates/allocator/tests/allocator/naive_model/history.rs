//! One random history: commands, and what must be true after each.

use berth_allocator::{
    Answer, Command, Envelope, Millis, OpenSession, PoolId, PoolRange, Rejection, Sharing,
    Snapshot, SpaceName, SpaceSettings, State, Timestamp,
};

use super::draw::{Draw, Picks};
use super::model::Model;
use super::never_twice::NeverTwice;
use super::shown::agree;
use crate::world::{World, space};

pub(super) const CLIENTS: [&str; 3] = ["alice", "bob", "carol"];
pub(super) const SPACES: [&str; 5] = ["Blue", "Green", "Lan", "Slow", "Host"];

/// Steps until the second machine is restored again, and fingerprints and all spaces are compared:
/// each costs as much as all the rest of a step.
const RESTORE_EVERY: u8 = 7;

/// The machine, a second one that is restored from a snapshot now and then, the model, and what
/// was answered.
pub(super) struct History {
    world: World,
    other: State,
    model: Model,
    never_twice: NeverTwice,
    last: Option<(Envelope, Answer)>,
    restore_in: u8,
    /// What was done, the last of it perhaps in vain.
    pub(super) steps: Vec<Step>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// The proposer's clock.
    pub(super) now: u64,
    pub(super) client: &'static str,
    pub(super) command: Command,
    /// It is the last one, sent once more.
    pub(super) again: bool,
}

/// The space that a command may change, if it is one.
fn about(command: &Command) -> Option<&SpaceName> {
    match command {
        Command::OpenSession(open) => Some(&open.space),
        Command::RequestPool(request) => Some(&request.space),
        Command::ReleasePool(release) => Some(&release.pool.space),
        Command::RequestAddress(request) => Some(&request.pool.space),
        Command::ReleaseAddress(release) => Some(&release.pool.space),
        Command::FreeSuspect(free) => Some(&free.pool.space),
        Command::Reserve(reserve) => Some(&reserve.space),
        Command::Resume { space } => space.as_ref(),
        Command::Unreserve { space, .. } | Command::ClearBehind { pool: PoolId { space, .. } } => {
            Some(space)
        }
        _ => None,
    }
}

fn settings(sharing: Sharing, reuse: u64) -> SpaceSettings {
    let range = |base: &str, length| PoolRange { base: base.parse().unwrap(), length };
    SpaceSettings {
        sharing,
        ranges: vec![range("10.0.0.0/27", 29), range("10.0.1.4/28", 30), range("fd00::/122", 125)],
        reuse_delay: Millis::new(reuse),
        apart: sharing == Sharing::Exclusive,
    }
}

impl History {
    pub(super) fn begin() -> Self {
        let mut history = Self {
            world: World::default(),
            other: State::new(),
            model: Model::default(),
            never_twice: NeverTwice::default(),
            last: None,
            restore_in: 0,
            steps: Vec::new(),
        };
        history.never_twice.shared = vec![space("Lan"), space("Slow")];
        history.never_twice.local = vec![space("Host")];
        let kinds = [
            (Sharing::Exclusive, 20),
            (Sharing::Exclusive, 0),
            (Sharing::Shared, 0),
            (Sharing::Shared, 20),
            (Sharing::Local, 0),
        ];
        for client in CLIENTS {
            history.world.start(client, Millis::new(0)).unwrap();
            history.model.revision += 1;
        }
        for (name, (sharing, reuse)) in SPACES.into_iter().zip(kinds) {
            let command =
                Command::CreateSpace { name: space(name), settings: settings(sharing, reuse) };
            history.tried("alice", &command).unwrap();
        }
        for (at, client) in CLIENTS.iter().cycle().take(15).enumerate() {
            let open = OpenSession { space: space(SPACES[at / 3]), known: None };
            history.tried(client, &Command::OpenSession(open)).unwrap();
        }
        history.other = history.world.state.clone();
        history
    }

    /// One step: a command that the picks choose, or the last one sent again.
    pub(super) fn step(&mut self, numbers: [u8; 8]) -> Result<(), String> {
        let mut picks = Picks::new(numbers);
        let now = if picks.one_in(6) { self.clock(&mut picks) } else { self.world.now };
        if picks.one_in(40)
            && let Some(last) = self.steps.last().cloned()
        {
            return self.repeat(&Step { now, again: true, ..last });
        }
        let client = picks.of(&CLIENTS);
        let command = Draw(&self.model).command(&mut picks, client);
        self.repeat(&Step { now, client, command, again: false })
    }

    /// Does what a step says.
    pub(super) fn repeat(&mut self, step: &Step) -> Result<(), String> {
        self.steps.push(step.clone());
        self.world.now = step.now;
        self.model.now = self.model.now.max(step.now);
        match self.last.clone().filter(|_| step.again) {
            Some((last, answer)) => self.sent_again(&last, &answer),
            None => self.tried(step.client, &step.command),
        }
    }

    /// The proposer's clock goes on, or the next one's is behind; time itself never goes back.
    fn clock(&self, picks: &mut Picks) -> u64 {
        let (back, by) = (picks.one_in(8), picks.below(15) as u64);
        if back { self.world.now.saturating_sub(by) } else { self.world.now + by }
    }

    fn sent_again(&mut self, again: &Envelope, first: &Answer) -> Result<(), String> {
        let before = self.world.state.revision();
        if self.world.deliver(again.clone()) != *first || self.world.state.revision() != before {
            return Err("a repeated command was executed again".into());
        }
        self.equal(again)?;
        self.agrees(&again.command)
    }

    fn tried(&mut self, client: &str, command: &Command) -> Result<(), String> {
        let expected = self.model.execute(client, command);
        let envelope = self.world.envelope(client, command.clone());
        let answer = self.world.deliver(envelope.clone());
        self.last = Some((envelope.clone(), answer.clone()));
        let found = &answer.outcome;
        let told = found.as_ref().map_err(Rejection::code);
        if told != expected.as_ref().map_err(|code| *code) {
            return Err(format!("{client}: {command:?}\nfound {found:?}\nexpected {expected:?}"));
        }
        if let Ok(response) = found {
            self.never_twice.heard(client, command, response)?;
        }
        self.equal(&envelope)?;
        self.agrees(command)
    }

    /// Time (A10), and all that is shown (A3, A7), are the model's: in the space that the command was
    /// about, and everywhere when the second machine is restored.
    fn agrees(&self, command: &Command) -> Result<(), String> {
        let now = self.world.state.now().get();
        if now != self.model.now {
            return Err(format!("it is {now}, and should be {}", self.model.now));
        }
        let about = about(command).filter(|_| self.restore_in != 0);
        let spaces = self.model.spaces.iter().map(|(name, _)| name.as_str());
        spaces
            .filter(|space| about.is_none_or(|about| about.as_str() == *space))
            .try_for_each(|space| agree(&self.model, &self.world.state, space))
    }

    /// Another machine that applies the same commands is equal, restored or not.
    fn equal(&mut self, envelope: &Envelope) -> Result<(), String> {
        let state = &self.world.state;
        if self.restore_in == 0 {
            let bytes = berth_codec::encode(&state.snapshot()).unwrap();
            let snapshot: Snapshot = berth_codec::decode(&bytes).unwrap();
            self.other = State::restore(snapshot).map_err(|error| error.to_string())?;
        } else {
            let at = Timestamp::new(self.world.now);
            let commands = vec![envelope.clone()];
            self.other.apply(&berth_allocator::Batch { at, commands });
        }
        if self.other != *state {
            return Err(format!("machines differ after {envelope:?}"));
        }
        self.restore_in = (self.restore_in + 1) % RESTORE_EVERY;
        if self.restore_in == 0 && self.other.fingerprint() != state.fingerprint() {
            return Err("equal machines have different fingerprints".into());
        }
        Ok(())
    }
}
