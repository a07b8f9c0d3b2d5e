//! The real state machine, as the hosts of a model ask it.

use std::net::IpAddr;
use std::sync::Arc;

use berth_allocator::{
    Batch, ClientName, Command, Envelope, Incarnation, Prefix, Register, Rejection, Reserve,
    Response, Sequence, SpaceName, SpaceSettings, State, Text, Timestamp,
};
use serde::{Serialize, Serializer};

/// How many clients there are.
const HOSTS: Host = 4;

/// A host that speaks to Berth.
pub(crate) type Host = u8;
/// An address, as its offset in the pool.
pub(crate) type Offset = u8;

/// A state, shared by the states of the model between which it does not change. Time stands still.
#[derive(Debug, Clone)]
pub(crate) struct Berth(Arc<State>);

impl Serialize for Berth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.snapshot().serialize(serializer)
    }
}

impl std::ops::Deref for Berth {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

/// The only space.
pub(crate) fn space() -> SpaceName {
    "Space".parse().expect("a name")
}

/// The only prefix. Between its edges lie two addresses.
pub(crate) fn prefix() -> Prefix {
    "10.0.0.0/30".parse().expect("a prefix")
}

/// The addresses of the pool that somebody may have.
pub(crate) const OFFSETS: [Offset; 2] = [1, 2];

/// Takes all but so many addresses out of use.
pub(crate) fn reserve_but(berth: &mut Berth, addresses: usize) {
    for offset in &OFFSETS[addresses..] {
        let (first, last) = (address(*offset), address(*offset));
        let note = Text::new("not needed").expect("a text");
        let reserve = Reserve { space: space(), first, last, note, common: false };
        berth.send(0, Command::Reserve(reserve)).expect("nobody has it");
    }
}

pub(crate) fn address(offset: Offset) -> IpAddr {
    prefix().address(offset.into())
}

pub(crate) fn offset(address: IpAddr) -> Offset {
    prefix().offset(address).and_then(|offset| offset.try_into().ok()).expect("inside")
}

pub(crate) fn name(host: Host) -> ClientName {
    format!("host{host}").parse().expect("a name")
}

/// Each host's incarnation: they register first of all, in order.
fn incarnation(host: Host) -> Incarnation {
    Incarnation::new(u64::from(host) + 1)
}

impl Berth {
    /// With a space, and hosts that are registered.
    pub(crate) fn new(settings: SpaceSettings) -> Self {
        let mut berth = Self(Arc::new(State::new()));
        for host in 0..HOSTS {
            let address = Text::new("here").expect("a text");
            let lease = berth_allocator::Millis::new(0);
            let register = Command::Register(Register { instance: host.into(), address, lease });
            let registered = berth.send(host, register);
            assert_eq!(registered, Ok(Response::Registered(incarnation(host))));
        }
        let create = Command::CreateSpace { name: space(), settings };
        berth.send(0, create).expect("a space");
        berth
    }

    /// Executes a command that arrives once, and whose answer is heard.
    pub(crate) fn send(&mut self, host: Host, command: Command) -> Result<Response, Rejection> {
        let state = Arc::make_mut(&mut self.0);
        let sequence = Sequence::new(state.revision().get() + 1);
        let (client, incarnation, heard) = (name(host), incarnation(host), sequence);
        let commands = vec![Envelope { client, incarnation, sequence, heard, command }];
        let mut answers = state.apply(&Batch { at: Timestamp::new(0), commands });
        answers.pop().expect("one command, one answer").outcome
    }
}
