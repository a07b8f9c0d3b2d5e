//! The encodings, held fixed: a change here is a new version of a format, or a mistake.

use berth_allocator::Level;
use std::collections::{BTreeMap, BTreeSet};

use berth_codec::Record;
use berth_codec::testing::golden;

use crate::Build;
use crate::membership::{Admission, ChangeFailure, Grant, Standing};
use crate::raft::{
    EntryRecord, LogPosition, MembershipRecord, PayloadRecord, PeerRecord, VoteRecord,
};
use crate::snapshot::Header;
use crate::transport::{
    AgentHello, AgentWelcome, AppendOutcome, Candidacy, Failure, Hello, JoinHello, JoinWelcome,
    Lane, Refusal, Request, Response, TransferOutcome, Welcome,
};
use crate::{ClusterId, MemberChange, MembershipRefusal, NodeId, NodeName};

/// One line for each encoding. A new version adds lines; none ever changes.
const GOLDEN: &str = include_str!("golden.txt");

/// Encodes a value, checks that it comes back the same, and gives its line.
pub(crate) fn line<R: Record + PartialEq + std::fmt::Debug>(name: &str, value: &R) -> String {
    let bytes = berth_codec::encode(value).unwrap();
    assert_eq!(berth_codec::decode::<R>(&bytes).unwrap(), *value);
    format!("{name} {}\n", golden(value))
}

const POSITION: LogPosition = LogPosition { term: 3, leader: 2, index: 1_000 };
const VOTE: VoteRecord = VoteRecord { term: 3, node: 2, granted: true };

fn membership() -> MembershipRecord {
    let peer = |name: &str| PeerRecord { name: name.into(), address: "h:1".into() };
    MembershipRecord {
        position: Some(POSITION),
        voters: vec![BTreeSet::from([1, 2])],
        nodes: BTreeMap::from([(1, peer("a")), (2, peer("b"))]),
    }
}

fn entry(payload: PayloadRecord) -> EntryRecord {
    EntryRecord { position: POSITION, payload }
}

fn on_disk() -> String {
    let header = Header {
        cluster: ClusterId::new([7; 16]),
        last: Some(POSITION),
        membership: membership(),
        fingerprint: 0x0102_0304_0506_0708,
        state_bytes: 9,
    };
    [
        line("position", &POSITION),
        line("vote", &VOTE),
        line("entry-blank", &entry(PayloadRecord::Blank)),
        line("entry-batch", &entry(PayloadRecord::Batch((&b"batch"[..]).into()))),
        line("entry-membership", &entry(PayloadRecord::Membership(membership()))),
        line("snapshot-header", &header),
        crate::ledger::golden(),
        crate::directory::golden(),
        crate::rocks::golden(),
    ]
    .concat()
}

fn asked() -> String {
    let entries = vec![entry(PayloadRecord::Blank)];
    let append = Request::Append { vote: VOTE, previous: Some(POSITION), entries, committed: None };
    let candidacy = Candidacy { vote: VOTE, last: Some(POSITION), transfer: true };
    [
        line("append", &append),
        line("ask-vote", &Request::Vote(candidacy.clone())),
        line("ask-pre-vote", &Request::PreVote(candidacy)),
        line("transfer-leader", &Request::TransferLeader { from: VOTE, to: 1, last: None }),
        line("propose", &Request::Propose { commands: Vec::new(), patience_ms: 5_000 }),
        line("read-index", &Request::ReadIndex { patience_ms: 5_000 }),
        line("snapshot-begin", &Request::SnapshotBegin { vote: VOTE, length: 70_000 }),
        line(
            "snapshot-piece",
            &Request::SnapshotPiece { offset: 5, bytes: (&b"piece"[..]).into() },
        ),
        line("snapshot-end", &Request::SnapshotEnd),
    ]
    .concat()
}

fn answered() -> String {
    let changed = TransferOutcome::VoteChanged { expected: VOTE, actual: VOTE };
    let behind = TransferOutcome::Behind { expected: Some(POSITION), actual: None };
    [
        line("stored", &Response::Appended(AppendOutcome::Stored)),
        line("partly", &Response::Appended(AppendOutcome::Partly(Some(POSITION)))),
        line("conflict", &Response::Appended(AppendOutcome::Conflict)),
        line("higher-vote", &Response::Appended(AppendOutcome::HigherVote(VOTE))),
        line("voted", &Response::Voted { vote: VOTE, granted: true, last: None }),
        line("transferred", &Response::Transferred(TransferOutcome::Accepted)),
        line("vote-changed", &Response::Transferred(changed)),
        line("behind", &Response::Transferred(behind)),
        line("proposed", &Response::Proposed(Ok((9, Vec::new())))),
        line("not-leader", &Response::Proposed(Err(Failure::NotLeader))),
        line("no-quorum", &Response::Proposed(Err(Failure::NoQuorum))),
        line("refused", &Response::ReadIndex(Err(Failure::Refused { reason: "r".into() }))),
        line("unknown", &Response::ReadIndex(Err(Failure::Unknown { reason: "u".into() }))),
        line("snapshot-received", &Response::SnapshotReceived),
        line("snapshot-installed", &Response::SnapshotInstalled { vote: VOTE }),
        line("failed", &Response::Failed { reason: "why".into() }),
        line("question", &Request::Question { body: (&b"asked"[..]).into() }),
        line("told", &Response::Told { body: (&b"told"[..]).into() }),
    ]
    .concat()
}

fn greetings() -> String {
    let hello = Hello {
        protocol: 1,
        cluster: ClusterId::new([7; 16]),
        from: 1,
        instance: 5,
        to: 2,
        proof: [9; 32],
        lane: Lane::Snapshot,
    };
    let accepted = Welcome::Accepted { from: 2, instance: 6, proof: [9; 32] };
    [
        line("hello", &hello),
        line("accepted", &accepted),
        line("turned-away", &Welcome::Refused(Refusal::Secret)),
    ]
    .concat()
}

/// What agents say and are told.
fn of_agents() -> String {
    let name = NodeName::new("worker").unwrap();
    let hello =
        AgentHello { protocol: 1, name, cluster: Some(ClusterId::new([7; 16])), proof: [9; 32] };
    let cluster = ClusterId::new([7; 16]);
    let peer = PeerRecord { name: "a".into(), address: "h:1".into() };
    let (members, leader) = (BTreeMap::from([(1, peer)]), Some(1));
    let body = || bytes::Bytes::from_static(b"body");
    let unreachable = Failure::Unreachable { reason: "r".into() };
    [
        line("agent-hello", &hello),
        line("agent-accepted", &AgentWelcome::Accepted { cluster, proof: [9; 32] }),
        line("agent-turned-away", &AgentWelcome::Refused(Refusal::NameTaken)),
        line("ask-members", &Request::Members),
        line("attend", &Request::Attend { answered: Some((3, Ok(body()))), patience_ms: 5_000 }),
        line("members", &Response::Members { members, leader }),
        line("asked", &Response::Asked { question: Some((4, body())) }),
        line("unreachable", &Response::Proposed(Err(unreachable))),
        crate::servers::golden(),
    ]
    .concat()
}

/// What newcomers say and are told, and what is said of members.
fn of_members() -> String {
    let (cluster, node) = (ClusterId::new([7; 16]), NodeId::new(20));
    let name = NodeName::new("d").unwrap();
    let hello = JoinHello { protocol: 1, cluster, name: name.clone(), key: [9; 32] };
    let newest = Level::new(2);
    let admission = Admission { name, address: "h:1".into(), replace: true, newest };
    let peer = PeerRecord { name: "a".into(), address: "h:1".into() };
    let grant = Grant { node, since: 9, members: BTreeMap::from([(1, peer)]), secret: None };
    let change = |change| Request::Change { change, patience_ms: 5 };
    let refused = ChangeFailure::Refused(MembershipRefusal::UnderWay);
    let hindered = ChangeFailure::Hindered(Failure::NotLeader);
    [
        line("join-hello", &hello),
        line("join-accepted", &JoinWelcome::Accepted),
        line("join-turned-away", &JoinWelcome::Refused(Refusal::Secret)),
        line("admit", &Request::Admit { admission, patience_ms: 5 }),
        line("admitted", &Response::Admitted(Ok(grant))),
        line("promote", &change(MemberChange::Promote { node })),
        line("remove", &change(MemberChange::Remove { node, force: true })),
        line("lead", &change(MemberChange::Lead { node: Some(node) })),
        line("move", &change(MemberChange::Move { node, address: "h:2".into() })),
        line("changed", &Response::Changed(Ok(()))),
        line("not-changed", &Response::Changed(Err(refused))),
        line("hindered", &Response::Changed(Err(hindered))),
        line("ask-standing", &Request::Standing { node, since: 9 }),
        line("unsuspected", &Response::Standing(Standing::Unsuspected { leader: Some(2) })),
        line("removed", &Response::Standing(Standing::Removed { by: 30 })),
        line("ask-build", &Request::Build),
        line("build", &Response::Build(Build { version: "1.2.3".into(), newest: Level::new(2) })),
        crate::token::golden(),
    ]
    .concat()
}

#[test]
fn encodings_are_what_they_were() {
    let now = [on_disk(), greetings(), asked(), answered(), of_agents()];
    let now = [now.concat(), crate::backup::golden(), of_members()].concat();
    assert_eq!(now, GOLDEN, "now:\n{now}");
}
