//! Members that come and go.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use berth_allocator::Command;
use berth_replication::{
    AccessToken, Config, Consistency, Deadline, JoinConfig, JoinError, MemberChange,
    MembershipError, MembershipRefusal, ProposeError, Role, Secret, Status, TokenUse, Tuning,
    recover, survivor,
};

use crate::world::{Client, Node, PATIENCE, World, done, run_join, soon, tuning};

fn remove(world: &World, node: usize) -> MemberChange {
    MemberChange::Remove { node: world.id(node), force: false }
}

fn refused(result: Result<(), MembershipError>) -> MembershipRefusal {
    match result {
        Err(MembershipError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

/// Waits until a node is told that it was removed.
fn told_to_end(node: &Node) -> String {
    let fatal = node.replica.fatal();
    let wait = async { tokio::time::timeout(PATIENCE, fatal.wait()).await };
    node.runtime.block_on(wait).expect("it is told to end").to_string()
}

fn propose(world: &World, client: &Client, space: &str) {
    let proposed = world.any().propose(client.create(space), soon()).unwrap();
    assert!(done(&proposed.answer), "{proposed:?}");
}

#[test]
fn a_cluster_of_one_grows_to_three_and_shrinks_again() {
    let mut world = World::of(&["ada"], &tuning());
    let client = Client::register("c", world.any());
    propose(&world, &client, "alone");
    let bob = world.join("bob");
    world.voting(bob);
    let cyd = world.join("cyd");
    world.voting(cyd);
    let ids = [0, bob, cyd].map(|node| world.id(node).get());
    assert!(ids[0] == 1 && ids[1] >= 16 && ids[1] < ids[2], "{ids:?}");
    propose(&world, &client, "three");
    world.agree();
    // Any of them can be missed by now, the first one too.
    world.kill(0);
    propose(&world, &client, "two");
    world.start(0);
    world.agree();
    // All know of all, without a list, also after a restart.
    for node in [bob, cyd] {
        world.kill(node);
        world.start(node);
    }
    world.agree();
    let status = world.nodes[&cyd].wait(|status| status.members.len() == 3);
    let mut found: Vec<_> =
        status.members.iter().map(|it| (it.name.as_str(), &it.address)).collect();
    found.sort_unstable();
    let expected = world.configs.iter().map(|config| (config.name.as_str(), &config.listen));
    assert!(found.iter().copied().eq(expected), "{found:?}");

    let gone = world.id(cyd);
    world.change(&remove(&world, cyd)).unwrap();
    let said = told_to_end(&world.nodes[&cyd]);
    assert!(said.contains("was removed"), "{said}");
    world.kill(cyd);
    propose(&world, &client, "two-again");
    // Started again, it is told so again.
    world.start(cyd);
    assert!(told_to_end(&world.nodes[&cyd]).contains("was removed"));
    world.kill(cyd);
    world.change(&MemberChange::Remove { node: world.id(bob), force: false }).unwrap();
    world.kill(bob);
    propose(&world, &client, "alone-again");
    let refusal = refused(world.change(&remove(&world, 0)));
    assert_eq!(refusal, MembershipRefusal::LastVoter { node: 1 });
    let refusal = refused(world.change(&MemberChange::Remove { node: gone, force: true }));
    assert_eq!(refusal, MembershipRefusal::NotAMember { node: gone.get() });
    assert_eq!(world.any().spaces(Consistency::Linearizable, soon()).unwrap().len(), 5);
}

#[test]
fn a_leader_that_is_removed_hands_over_first() {
    let mut world = World::new(&tuning());
    let client = Client::register("c", world.any());
    for asked in ["itself", "another"] {
        let leader = world.leader();
        let term = world.nodes[&leader].replica.status().term;
        let asker = if asked == "itself" { leader } else { world.follower() };
        let node = &world.nodes[&asker];
        let change = remove(&world, leader);
        node.runtime.block_on(node.replica.change_members(&change, soon())).unwrap();
        assert!(told_to_end(&world.nodes[&leader]).contains("was removed"));
        world.kill(leader);
        let status = world.any().wait(|status| status.leader.is_some());
        assert!(status.term > term, "{status:?}");
        propose(&world, &client, asked);
    }
    assert_eq!(world.nodes.len(), 1);
}

#[test]
fn a_dead_member_is_replaced_under_its_name() {
    let mut world = World::new(&tuning());
    let client = Client::register("c", world.any());
    propose(&world, &client, "before");
    world.agree();
    let old = world.id(2);
    world.kill(2);
    // With the list and with nothing else it has forgotten its votes.
    let dir = tempfile::tempdir().unwrap();
    let mut wiped = world.configs[2].clone();
    wiped.data_dir = dir.path().join("raft");
    let forgetful = Node::start(wiped.clone()).unwrap();
    assert!(told_to_end(&forgetful).contains("berth cluster join"));
    forgetful.kill();
    // A token gives it another number.
    let fresh = tempfile::tempdir().unwrap();
    world.configs[2].data_dir = fresh.path().join("raft");
    let mut config = world.join_config(2);
    let taken = run_join(config.clone()).unwrap_err();
    let JoinError::Membership(MembershipError::Refused(taken)) = taken else { panic!("{taken}") };
    assert!(matches!(taken, MembershipRefusal::NameTaken { node: 3, .. }), "{taken}");
    assert!(!config.data_dir.exists(), "nothing was made");
    config.replace = true;
    let joined = run_join(config.clone()).unwrap();
    assert_ne!(joined.node, old);
    world.start(2);
    world.voting(2);
    let status = world.nodes[&2].replica.status();
    assert!(!status.members.iter().any(|member| member.node == old), "{status:?}");
    propose(&world, &client, "after");
    world.agree();
    // Its list does no harm, and its old data is of a member that was removed.
    world.kill(2);
    world.configs[2].members = world.configs[0].members.clone();
    world.start(2);
    world.agree();
    let twice = run_join(config).unwrap_err();
    assert!(matches!(twice, JoinError::Occupied { .. }), "{twice}");
}

#[test]
fn who_lives_is_not_replaced_and_whose_token_is_wrong_is_turned_away() {
    let mut world = World::new(&tuning());
    world.agree();
    let other = World::of(&["zoe"], &tuning());
    let node = world.newcomer("cyd");
    let mut config = world.join_config(node);
    config.replace = true;
    let alive = run_join(config.clone()).unwrap_err();
    let JoinError::Membership(MembershipError::Refused(alive)) = alive else { panic!("{alive}") };
    assert!(matches!(alive, MembershipRefusal::Alive { node: 3, .. }), "{alive}");
    config.name = berth_replication::NodeName::new("dan").unwrap();
    let address = std::mem::replace(&mut config.address, world.configs[0].listen.clone());
    let taken = run_join(config.clone()).unwrap_err();
    assert!(taken.to_string().contains("is the address of member 1"), "{taken}");
    config.address = address;

    // A token of another cluster's members, and this cluster's addresses with another secret.
    let line = other.any().token(None).to_string();
    let foreign = AccessToken::parse(&line, TokenUse::Join).unwrap();
    assert_ne!(foreign.cluster(), config.token.cluster());
    config.token = foreign;
    let joined = run_join(config.clone()).unwrap();
    assert_eq!(joined.cluster, other.any().replica.cluster());
    world.configs[node] = Config {
        name: config.name.clone(),
        data_dir: config.data_dir.clone(),
        ..world.configs[node].clone()
    };
    world.start(node);
    let id = world.id(node);
    let learner = |status: &Status| status.members.iter().any(|it| it.node == id);
    other.any().wait(learner);
    world.kill(node);
}

#[test]
fn a_secret_that_has_changed_turns_tokens_away() {
    let mut world = World::of(&["ada"], &tuning());
    let node = world.newcomer("bob");
    let config = world.join_config(node);
    world.stop(0);
    world.configs[0].secret = Some(Secret::new(b"another secret entirely").unwrap());
    world.start(0);
    let said = run_join(config.clone()).unwrap_err();
    assert!(matches!(said, JoinError::TurnedAway { .. }), "{said}");
    assert!(said.to_string().contains("secret"), "{said}");
    assert!(!config.data_dir.exists(), "nothing was made");
    world.kill(0);
    let said = run_join(config).unwrap_err();
    assert!(matches!(said, JoinError::Unreachable { .. }), "{said}");
}

#[test]
fn a_token_that_is_used_up_or_revoked_admits_nobody_else() {
    let mut world = World::new(&tuning());
    let (one, other) = (world.newcomer("dan"), world.newcomer("eve"));
    let single = world.any().token(Some(1));
    let with = |world: &World, node, token: &AccessToken| {
        run_join(JoinConfig { token: token.clone(), ..world.join_config(node) })
    };
    let first = with(&world, one, &single).unwrap();
    let void = with(&world, other, &single).unwrap_err().to_string();
    assert!(void.contains("used up"), "{void}");
    assert!(!world.configs[other].data_dir.exists(), "nothing was made");
    // The one that used it may not have heard the answer.
    fs::remove_dir_all(&world.configs[one].data_dir).unwrap();
    let second = with(&world, one, &single).unwrap();
    assert!(second.node > first.node);
    world.start(one);
    world.voting(one);

    let token = world.any().token(None);
    let client = Client::register("revoker", world.any());
    let state = |state: &berth_allocator::State| state.tokens().last().unwrap().id;
    let node = world.any();
    let read = node.replica.read(Consistency::Linearizable, soon(), state);
    let token_id = node.runtime.block_on(read).unwrap().value;
    let revoke = client.command(Command::RevokeToken { token: token_id });
    assert!(done(&node.propose(revoke, soon()).unwrap().answer));
    let void = with(&world, other, &token).unwrap_err().to_string();
    assert!(void.contains("revoked"), "{void}");
}

#[test]
fn an_interrupted_join_is_repeated() {
    let mut world = World::new(&tuning());
    let client = Client::register("c", world.any());
    // Admitted, but it never came: the next one takes its place.
    let node = world.newcomer("dan");
    let first = run_join(world.join_config(node)).unwrap();
    fs::remove_dir_all(&world.configs[node].data_dir).unwrap();
    let second = run_join(world.join_config(node)).unwrap();
    assert!(second.node > first.node, "{first:?}, {second:?}");
    // The leader dies before the newcomer was heard, and the newcomer while it catches up.
    let leader = world.leader();
    world.kill(leader);
    world.start(node);
    std::thread::sleep(Duration::from_millis(300));
    world.kill(node);
    world.start(leader);
    world.start(node);
    world.voting(node);
    let status = world.nodes[&node].replica.status();
    assert_eq!(status.members.len(), 4, "{status:?}");
    assert_eq!(status.node, second.node);
    propose(&world, &client, "four");
    world.agree();
}

#[test]
fn a_learner_stays_one_until_it_is_promoted() {
    let mut world = World::new(&tuning());
    let node = world.newcomer("dan");
    run_join(world.join_config(node)).unwrap();
    let dead = berth_replication::NodeId::new(3);
    // Before it runs it cannot be given a vote.
    let id = *world.any().replica.status().members.iter().map(|it| &it.node).max().unwrap();
    let refusal = refused(world.change(&MemberChange::Promote { node: id }));
    assert_eq!(refusal, MembershipRefusal::Silent { node: id.get() });
    world.configs[node].learner = true;
    world.start(node);
    world.nodes[&node].wait(|status| status.members.len() == 4);
    world.agree();
    let lead = MemberChange::Lead { node: Some(id) };
    assert_eq!(refused(world.change(&lead)), MembershipRefusal::Learner { node: id.get() });
    world.kill(node);
    world.start(node);
    world.agree();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(world.nodes[&node].replica.status().role, Role::Learner);
    world.change(&MemberChange::Promote { node: id }).unwrap();
    world.voting(node);
    // Leadership goes where it is wanted, and not to a dead one.
    world.change(&lead).unwrap();
    world.nodes.values().for_each(|node| drop(node.wait(|status| status.leader == Some(id))));
    world.kill(2);
    std::thread::sleep(Duration::from_secs(4));
    let refusal = refused(world.change(&MemberChange::Lead { node: Some(dead) }));
    assert_eq!(refusal, MembershipRefusal::Silent { node: 3 });
    assert_eq!(world.leader(), node);
}

#[test]
fn a_removal_that_costs_the_quorum_is_refused() {
    let mut world = World::new(&tuning());
    let client = Client::register("c", world.any());
    let leader = world.leader();
    let dead = world.follower();
    let live = (0..3).find(|node| ![leader, dead].contains(node)).unwrap();
    let dead_id = world.id(dead);
    world.kill(dead);
    std::thread::sleep(Duration::from_secs(4));
    let refusal = refused(world.change(&remove(&world, live)));
    assert_eq!(refusal, MembershipRefusal::QuorumAtRisk { voters: 2, there: 1, needed: 2 });
    world.change(&MemberChange::Remove { node: dead_id, force: false }).unwrap();
    propose(&world, &client, "two");
    world.start(dead);
    assert!(told_to_end(&world.nodes[&dead]).contains("was removed"));
    world.kill(dead);
    // Two left, one of them dies: nothing more can be changed.
    world.kill(live);
    let node = world.any();
    let change = MemberChange::Remove { node: world.id(leader), force: false };
    let patience = Deadline::after(Duration::from_secs(6));
    node.runtime.block_on(node.replica.change_members(&change, patience)).unwrap_err();
    world.start(live);
    propose(&world, &client, "two-again");
}

#[test]
fn a_member_that_moves_is_found() {
    let mut world = World::new(&tuning());
    let client = Client::register("c", world.any());
    world.agree();
    world.kill(2);
    let moved = format!("127.0.0.1:{}", crate::ports::free_ports(1)[0]);
    world.configs[2].listen.clone_from(&moved);
    world.configs[2].advertise = Some(moved.clone());
    world.start(2);
    let there = |status: &Status| status.members.iter().any(|it| it.address == moved);
    world.nodes.values().for_each(|node| drop(node.wait(there)));
    propose(&world, &client, "moved");
    world.agree();
    // Both of the others have died since, and find it, though their lists tell otherwise.
    for node in [0, 1] {
        world.kill(node);
        world.start(node);
    }
    propose(&world, &client, "found");
    world.agree();
}

#[test]
fn clients_notice_no_change_of_the_membership() {
    let mut world = World::of(&["ada"], &Tuning { snapshot_after: 200, log_keep: 50, ..tuning() });
    let (mut acknowledged, mut refusals) = (BTreeSet::new(), BTreeSet::new());
    let over = AtomicBool::new(false);
    let client = Client::register("c", world.any());
    let replica = world.nodes[&0].replica.clone();
    let runtime = world.nodes[&0].runtime.handle().clone();
    std::thread::scope(|scope| {
        let over = &over;
        let worker = scope.spawn(move || {
            let mut outcomes = Vec::new();
            for step in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let space = format!("s{step}");
                let patience = Deadline::after(Duration::from_secs(10));
                let outcome = runtime.block_on(replica.propose(client.create(&space), patience));
                outcomes.push((space, outcome));
                // There are no more than a thousand spaces.
                std::thread::sleep(Duration::from_millis(25));
            }
            outcomes
        });
        let grown: Vec<usize> = ["bob", "cyd", "dan", "eve"]
            .map(|name| {
                let node = world.join(name);
                world.voting(node);
                node
            })
            .into();
        assert_eq!(world.any().replica.status().members.len(), 5);
        for node in &grown[..2] {
            let change = remove(&world, *node);
            world.change(&change).unwrap();
            assert!(told_to_end(&world.nodes[node]).contains("was removed"));
            world.kill(*node);
        }
        over.store(true, Ordering::Relaxed);
        for (space, outcome) in worker.join().unwrap() {
            match outcome {
                Ok(proposed) => {
                    assert!(done(&proposed.answer), "{space}: {proposed:?}");
                    acknowledged.insert(space);
                }
                Err(ProposeError::NotExecuted(why)) => drop(refusals.insert(why.to_string())),
                Err(error) => drop(refusals.insert(error.to_string())),
            }
        }
    });
    assert!(refusals.is_empty(), "{refusals:?}");
    assert!(acknowledged.len() > 100, "only {} were acknowledged", acknowledged.len());
    let spaces = world.any().spaces(Consistency::Linearizable, soon()).unwrap();
    assert_eq!(spaces.into_iter().collect::<BTreeSet<_>>(), acknowledged);
    world.agree();
}

#[test]
fn a_survivor_becomes_a_cluster_that_the_others_cannot_disturb() {
    let mut world = World::new(&tuning());
    let client = Client::register("c", world.any());
    propose(&world, &client, "kept");
    world.agree();
    let old = world.any().replica.cluster();
    (0..3).for_each(|node| world.stop(node));
    let dir = world.configs[1].data_dir.clone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let before = runtime.block_on(survivor(&dir)).unwrap();
    assert_eq!((before.cluster, before.name.as_str(), before.node.get()), (old, "bob", 2));
    assert_eq!(before.members.len(), 3);
    let (cluster, kept) = runtime.block_on(recover(&dir)).unwrap();
    assert!(cluster != old && kept.join("berth.directory").exists());

    // Its list is of the old cluster, and means nothing any more.
    world.start(1);
    let alone = world.nodes[&1].wait(|status| status.role == Role::Leader);
    assert_eq!(alone.members.len(), 1);
    assert_eq!(world.nodes[&1].replica.cluster(), cluster);
    let spaces = world.nodes[&1].spaces(Consistency::Linearizable, soon()).unwrap();
    assert_eq!(spaces, ["kept"]);
    propose(&world, &client, "gone-on");
    // The old ones come back as the old cluster: neither disturbs the other.
    world.start(0);
    world.start(2);
    world.nodes[&0].wait(|status| status.leader.is_some());
    assert_eq!(world.nodes[&0].replica.cluster(), old);
    let spaces = world.nodes[&0].spaces(Consistency::Linearizable, soon()).unwrap();
    assert_eq!(spaces, ["kept"]);
    // One of them joins the new one, as a new member.
    world.stop(0);
    world.configs[0].members.clear();
    let data_dir = &world.configs[0].data_dir;
    fs::rename(data_dir, data_dir.with_extension("old")).unwrap();
    let mut config = world.join_config(0);
    config.token = world.nodes[&1].token(None);
    run_join(config).unwrap();
    world.start(0);
    world.stop(2);
    world.voting(0);
    world.agree();
}
