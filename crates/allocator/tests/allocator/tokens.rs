//! Tokens: made, found by what they hash, used up, expired, revoked.

use berth_allocator::limits::TOKENS_MAX;
use berth_allocator::{
    Command, Limit, MakeToken, Millis, Rejection, Response, Revision, Role, Text, Timestamp, Token,
    TokenHash, TokenId,
};

use crate::world::{Outcome, World, space};

const HASH: TokenHash = [7; 32];

fn wanted(hash: TokenHash, role: Role) -> MakeToken {
    MakeToken { hash, role, note: Text::new("n4").unwrap(), lifetime: None, uses: None }
}

fn make(world: &mut World, wanted: MakeToken) -> Outcome {
    world.send("host", Command::MakeToken(wanted))
}

fn id(made: Outcome) -> TokenId {
    match made {
        Ok(Response::Token(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn join(world: &mut World, by: &str) -> Outcome {
    world.send("host", Command::UseToken { hash: HASH, by: Text::new(by).unwrap() })
}

fn found(world: &World, hash: TokenHash) -> Option<&Token> {
    world.state.token(&hash, Timestamp::new(world.now))
}

#[test]
fn a_token_is_found_by_its_secret_until_it_is_revoked() {
    let mut world = World::default();
    let role = Role::Allocate(space("lab"));
    let first = id(make(&mut world, wanted(HASH, role.clone())));
    let second = id(make(&mut world, wanted([8; 32], Role::Read)));
    assert_ne!(first, second);
    assert_eq!(found(&world, HASH).map(|token| (token.id, &token.role)), Some((first, &role)));
    assert!(found(&world, [9; 32]).is_none());
    world.send("host", Command::RevokeToken { token: first }).unwrap();
    assert!(found(&world, HASH).is_none() && found(&world, [8; 32]).is_some());
    let again = world.send("host", Command::RevokeToken { token: first });
    assert_eq!(again, Err(Rejection::UnknownToken));
}

#[test]
fn a_hosts_token_is_used_up() {
    let mut world = World::default();
    let made = id(make(&mut world, MakeToken { uses: Some(2), ..wanted(HASH, Role::Server) }));
    assert_eq!(join(&mut world, "a"), Ok(Response::Token(made)));
    // It did not hear that.
    assert_eq!(join(&mut world, "a"), Ok(Response::Token(made)));
    assert_eq!(join(&mut world, "b"), Ok(Response::Token(made)));
    assert_eq!(join(&mut world, "b"), Ok(Response::Token(made)));
    assert_eq!(join(&mut world, "a"), Err(Rejection::UnknownToken));
    assert_eq!(join(&mut world, "c"), Err(Rejection::UnknownToken));
}

#[test]
fn only_a_servers_token_makes_a_server() {
    for role in [Role::Read, Role::Allocate(space("lab")), Role::Admin] {
        let mut world = World::default();
        id(make(&mut world, wanted(HASH, role)));
        assert_eq!(join(&mut world, "a"), Err(Rejection::UnknownToken));
    }
}

#[test]
fn a_token_expires_and_makes_room() {
    let mut world = World::default();
    let brief = |hash| MakeToken { lifetime: Some(Millis::new(100)), ..wanted(hash, Role::Server) };
    id(make(&mut world, brief(HASH)));
    world.now += 99;
    join(&mut world, "a").unwrap();
    world.now += 1;
    assert!(found(&world, HASH).is_none());
    assert_eq!(join(&mut world, "a"), Err(Rejection::UnknownToken));
    let hash =
        |number: usize| [u8::try_from(number >> 8).unwrap(), u8::try_from(number & 255).unwrap()];
    for number in 0..TOKENS_MAX {
        let mut whole = [0; 32];
        whole[..2].copy_from_slice(&hash(number));
        id(make(&mut world, brief(whole)));
    }
    let full = make(&mut world, wanted([1; 32], Role::Read));
    assert_eq!(full, Err(Rejection::Limit(Limit::Tokens)));
    world.now += 100;
    id(make(&mut world, wanted([1; 32], Role::Read)));
    assert_eq!(world.state.tokens().count(), 1);
}

#[test]
fn a_token_that_nobody_could_use_is_refused() {
    let mut world = World::default();
    id(make(&mut world, wanted(HASH, Role::Read)));
    for void in [
        wanted(HASH, Role::Admin),
        MakeToken { uses: Some(0), ..wanted([8; 32], Role::Server) },
        MakeToken { lifetime: Some(Millis::new(0)), ..wanted([8; 32], Role::Server) },
    ] {
        assert_eq!(make(&mut world, void), Err(Rejection::VoidToken));
    }
}

#[test]
fn a_restored_state_has_no_tokens() {
    let mut world = World::default();
    id(make(&mut world, wanted(HASH, Role::Admin)));
    let later = Revision::new(world.state.revision().get() + 1);
    assert_eq!(world.state.restored(later).tokens().count(), 0);
}
