//! Commands as bytes, executed by a state that has something of everything in it.

use berth_allocator::{
    Batch, ClientName, Command, Envelope, Incarnation, Millis, Register, Response, Sequence, State,
    Text, Timestamp,
};
use berth_codec::{Record, decode, decode_body, encode};

/// Two hosts, so that one can be in the other's way.
const HOSTS: [&str; 2] = ["host", "other"];

/// A state, and the numbers that its clients have come to.
struct World {
    state: State,
    incarnations: [Incarnation; HOSTS.len()],
    sequence: u64,
}

impl World {
    fn new() -> Self {
        let mut state = State::new();
        let incarnations = HOSTS.map(|host| register(&mut state, host));
        Self { state, incarnations, sequence: 1 }
    }

    /// Executes a batch as it came, once with senders that exist and numbers that are new.
    fn apply(&mut self, batch: &Batch) {
        let mut known = batch.clone();
        for (place, envelope) in known.commands.iter_mut().enumerate() {
            let host = (envelope.client.as_str().len() + place) % HOSTS.len();
            self.sequence += 1;
            envelope.client = client(HOSTS[host]);
            envelope.incarnation = self.incarnations[host];
            envelope.sequence = Sequence::new(self.sequence);
            envelope.heard = envelope.sequence;
        }
        for batch in [batch, &known] {
            let answers = self.state.apply(batch);
            assert_eq!(answers.len(), batch.commands.len(), "each command is answered");
            assert_eq!(self.state.check(), Ok(()), "after {batch:?}");
        }
        for (host, incarnation) in HOSTS.iter().zip(&mut self.incarnations) {
            *incarnation = register(&mut self.state, host);
        }
    }
}

fn client(name: &str) -> ClientName {
    ClientName::new(name).expect("the names above are names")
}

fn register(state: &mut State, host: &str) -> Incarnation {
    let address = Text::new("here").expect("short");
    let register = Register { instance: 1, address, lease: Millis::new(0) };
    let envelope = Envelope {
        client: client(host),
        incarnation: Incarnation::new(0),
        sequence: Sequence::new(1),
        heard: Sequence::new(0),
        command: Command::Register(register),
    };
    let batch = Batch { at: Timestamp::new(0), commands: vec![envelope] };
    match state.apply(&batch).remove(0).outcome {
        Ok(Response::Registered(incarnation)) => incarnation,
        // A lease of the fuzzer's choice holds the name, or the state has room for no more.
        _ => Incarnation::new(1),
    }
}

/// Batches, each behind its length in two bytes.
pub(crate) fn commands(mut bytes: &[u8]) {
    let mut world = World::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (body, rest) = rest.split_at(length);
        bytes = rest;
        if let Ok(batch) = decode_body::<Batch>(Batch::KIND, body) {
            world.apply(&batch);
        }
    }
    comes_back(&world.state);
}

/// A snapshot of the state is the state again.
fn comes_back(state: &State) {
    let bytes = encode(&state.snapshot()).expect("a small state fits");
    let snapshot = decode(&bytes).expect("what was encoded can be decoded");
    let restored = State::restore(snapshot).expect("a state's snapshot is a state");
    assert_eq!(restored, *state);
    assert_eq!(restored.fingerprint(), state.fingerprint());
}
