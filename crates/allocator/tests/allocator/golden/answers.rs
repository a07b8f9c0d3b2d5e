//! Every answer: response variants, and rejections with code and text.

use std::fmt::Write;

use berth_allocator::{
    AddressGrant, AddressKind, Answer, ClaimId, Ending, Grant, InUse, Incarnation, Level, Limit,
    Overlap, PoolGrant, Rejection, Response, Revision, SessionId, SettingsError, Timestamp,
    TokenId,
};
use berth_codec::{Kind, Record};
use expect_test::expect_file;
use serde::{Deserialize, Serialize};

use super::{file, written};
use crate::world::{address, name, prefix, space};

/// An answer as a record of its own, so that its bytes can be looked at.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Told(Answer);

impl Record for Told {
    const KIND: Kind = Kind::PeerMessage;
    const VERSION: u8 = 1;
    const LIMIT: usize = 1 << 16;
}

fn responses() -> Vec<Response> {
    let pool = "Global~4/10.0.0.0/8/10.1.0.0/16".parse().unwrap();
    let claim = ClaimId::new(9);
    let address = address("10.1.0.0");
    vec![
        Response::Done,
        Response::Registered(Incarnation::new(3)),
        Response::SessionOpened(SessionId::new(4)),
        Response::Pool(Box::new(PoolGrant { pool, claim, how: Grant::New })),
        Response::Address(AddressGrant { address, prefix_length: 8, claim, how: Grant::Adopted }),
        Response::Address(AddressGrant { address, prefix_length: 8, claim, how: Grant::Joined }),
        Response::Released(Ending::Ended),
        Response::Released(Ending::Suspected),
        Response::Released(Ending::Nothing),
        Response::Batch(vec![Ok(Response::Done), Err(Rejection::NoMoreSubnets)]),
        Response::Token(TokenId::new(7)),
    ]
}

fn in_use() -> Vec<Rejection> {
    let text = |text: &str| berth_allocator::Text::new(text).unwrap();
    let since = Timestamp::new(1_000);
    let held = |kind, owner| InUse::Held { client: name("host"), kind, owner, since };
    let all = [
        held(AddressKind::Endpoint, Some(text("web"))),
        held(AddressKind::Endpoint, None),
        held(AddressKind::Gateway, None),
        held(AddressKind::Auxiliary, None),
        InUse::Edge,
        InUse::Reserved { note: text("router") },
        InUse::Cooling { client: name("host"), at: since },
    ];
    let refused = |by| Rejection::AddressInUse { address: address("10.1.0.9"), by: Box::new(by) };
    all.into_iter().map(refused).collect()
}

fn limits() -> impl Iterator<Item = Rejection> {
    [
        Limit::Spaces,
        Limit::PrefixesPerSpace,
        Limit::PoolsPerPrefix,
        Limit::HoldersPerPool,
        Limit::ClaimsPerPrefix,
        Limit::Reservations,
        Limit::Exclusions,
        Limit::KeysPerPrefix,
        Limit::Clients,
        Limit::UnheardAnswers,
        Limit::Batch,
        Limit::Lease,
        Limit::State,
        Limit::Tokens,
    ]
    .map(Rejection::Limit)
    .into_iter()
}

fn about_spaces_and_pools() -> Vec<Rejection> {
    let pool = || "Global~4/10.0.0.0/8".parse().unwrap();
    let space = || space("Global");
    let overlap = |suspect| {
        let (with, since, client) = (pool(), Timestamp::new(1_000), name("host"));
        Rejection::PoolOverlaps(Box::new(Overlap { with, since, client, suspect }))
    };
    let base = "10.0.0.0/8".parse().unwrap();
    vec![
        Rejection::UnknownSpace { name: space(), known: vec![crate::world::space("Local")] },
        Rejection::SpaceExists { name: space() },
        Rejection::SpaceInUse { name: space(), pools: 2 },
        Rejection::SharingFixed { name: space() },
        Rejection::Settings(SettingsError::TooManyRanges),
        Rejection::Settings(SettingsError::Length { base, length: 7 }),
        Rejection::Settings(SettingsError::ReuseDelay),
        Rejection::SessionSuperseded { latest: SessionId::new(9) },
        Rejection::UnknownSession { session: SessionId::new(9) },
        Rejection::InvalidSubPool { prefix: prefix("10.0.0.0/8"), sub_pool: prefix("11.0.0.0/8") },
        Rejection::NoRange { space: space() },
        Rejection::NoMoreSubnets,
        overlap(false),
        overlap(true),
        Rejection::UnknownPool { pool: Box::new(pool()) },
        Rejection::PoolSuspect { pool: Box::new(pool()) },
        Rejection::PoolBehind { pool: Box::new(pool()) },
        Rejection::SpaceBehind { space: space() },
        Rejection::UnknownToken,
        Rejection::VoidToken,
        Rejection::LevelReached { level: Level::new(2) },
    ]
}

fn about_addresses_and_clients() -> Vec<Rejection> {
    let what = || String::from("10.1.0.9");
    let (first, last) = (address("10.1.0.9"), address("10.1.0.2"));
    let client = || name("host");
    let at = berth_allocator::Text::new("192.0.2.1:7000").unwrap();
    vec![
        Rejection::OutOfRange { address: first, prefix: prefix("11.0.0.0/8") },
        Rejection::NoAvailableAddresses { range: prefix("10.0.0.0/8") },
        Rejection::ObservationNeeded { waiting: 3 },
        Rejection::UnknownClient { client: client() },
        Rejection::IdentityTaken { client: client(), address: at, since: Timestamp::new(5) },
        Rejection::IncarnationOver { current: Incarnation::new(7) },
        Rejection::AnswerForgotten,
        Rejection::NotSuspect { what: what() },
        Rejection::ClaimMoved { standing: Some(ClaimId::new(11)) },
        Rejection::ClaimMoved { standing: None },
        Rejection::NotTheObserver { what: what() },
        Rejection::InvalidRange { first, last },
        Rejection::ReservationOverlaps { first },
        Rejection::UnknownReservation { first },
        Rejection::Misplaced { what: "Register".into() },
    ]
}

#[test]
fn golden_answers() {
    let mut text = String::new();
    let mut tell = |outcome: Result<Response, Rejection>| {
        match &outcome {
            Ok(response) => writeln!(text, "{response:?}").unwrap(),
            Err(rejection) => writeln!(text, "{} {rejection}", rejection.code()).unwrap(),
        }
        let bytes = written(&Told(Answer { revision: Revision::new(12), outcome }));
        writeln!(text, "    {bytes}").unwrap();
    };
    responses().into_iter().map(Ok).for_each(&mut tell);
    let mut rejections = about_spaces_and_pools();
    rejections.extend(about_addresses_and_clients());
    rejections.extend(in_use());
    rejections.extend(limits());
    rejections.sort_by_key(Rejection::code);
    let codes: std::collections::BTreeSet<_> = rejections.iter().map(Rejection::code).collect();
    assert_eq!(codes.len(), 33, "every code has its golden text");
    rejections.into_iter().map(Err).for_each(&mut tell);
    expect_file![file("answers.txt")].assert_eq(&text);
}
