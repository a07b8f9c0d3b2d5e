//! Members that come and go under load: nothing is given twice, nothing is lost, nobody waits for long.

use std::time::Duration;

use berth_node::api::types::Member;
use berth_tests::{Cluster, GLOBAL, Judged, Node, PATIENCE, eventually};
use ipamapi::PoolId;
use tokio::time::{Instant, sleep};

const WORK: Duration = Duration::from_secs(1);
const CLIENTS_PER_NODE: u32 = 2;

async fn pool(cluster: &Cluster, prefix: &str) -> PoolId {
    let engine = cluster.nodes[0].engine();
    engine.handshake().await.unwrap();
    engine.pool(GLOBAL, prefix).await.unwrap().id
}

/// Runs a command that must succeed.
async fn done(node: &Node, arguments: &[&str]) -> String {
    let said = node.run(arguments).await;
    assert!(said.status.success(), "berth {arguments:?} on {}: {said:?}", node.name());
    String::from_utf8(said.stdout).unwrap()
}

/// Runs a command that must be refused, with this code and these words.
async fn refused(node: &Node, arguments: &[&str], words: &[&str]) {
    let said = node.run(arguments).await;
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(1), "berth {arguments:?}: {said:?}");
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in {text}");
    }
}

async fn members(node: &Node) -> Vec<Member> {
    node.ask(&["cluster", "members"]).await
}

/// Waits until a removed node has ended, and said why.
async fn ends_as_removed(node: &mut Node) {
    let status = node.ended(PATIENCE).await;
    assert_eq!(status.code(), Some(1), "{status}");
    let log = node.log();
    let said = log.lines().rev().find(|line| line.starts_with("berth: BERTH-0108: "));
    assert!(said.is_some_and(|said| said.contains("was removed from the cluster")), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_becomes_three_and_five_and_three_again_under_load() {
    let mut cluster = Cluster::start(1).await;
    // Small, so that released addresses are given again all the time.
    let mut load = Judged::start(&cluster.nodes, "10.90.0.0/25", CLIENTS_PER_NODE).await;
    sleep(WORK).await;
    for name in ["n2", "n3", "n4", "n5"] {
        let node = cluster.join(name).await;
        cluster.nodes[node].ready().await;
        load.join(&cluster.nodes[node], CLIENTS_PER_NODE);
    }
    let all = members(&cluster.nodes[4]).await;
    assert_eq!(all.len(), 5, "{all:?}");
    assert!(all.iter().all(|member| member.voter && !member.address.is_empty()), "{all:?}");
    assert!(all.iter().filter(|member| member.matched.is_some()).count() >= 4, "the leader told");
    // Two that lead are removed, one after the other, by the word of a third.
    done(&cluster.nodes[0], &["cluster", "transfer-leader", "n3"]).await;
    assert_eq!(cluster.leader().await, 2);
    done(&cluster.nodes[0], &["cluster", "remove", "n3"]).await;
    ends_as_removed(&mut cluster.nodes[2]).await;
    done(&cluster.nodes[4], &["cluster", "transfer-leader", "n4"]).await;
    done(&cluster.nodes[4], &["cluster", "remove", "n4"]).await;
    ends_as_removed(&mut cluster.nodes[3]).await;
    // The two that joined come back by themselves, without a token; and without the first node.
    for node in [1, 4] {
        cluster.nodes[node].forget_its_list();
        cluster.nodes[node].kill().await;
        cluster.nodes[node].start();
        cluster.nodes[node].ready().await;
    }
    sleep(WORK).await;
    assert_eq!(members(&cluster.nodes[0]).await.len(), 3);
    // Who asked the node that was there all the time has noticed nothing.
    assert_eq!(load.failed("n1"), Vec::<String>::new());
    assert!(["n1", "n2", "n5"].into_iter().all(|name| load.given(name) > 10));
    load.judge(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_member_whose_data_is_gone_is_replaced_by_one_command_under_load() {
    let mut cluster = Cluster::start(3).await;
    let load = Judged::start(&cluster.nodes, "10.91.0.0/25", CLIENTS_PER_NODE).await;
    sleep(WORK).await;
    let began = Instant::now();
    cluster.nodes[2].kill().await;
    std::fs::remove_dir_all(cluster.nodes[2].data_dir.join("raft")).unwrap();
    // Under its old number it is refused, whatever its list says, and told what to do.
    cluster.nodes[2].start();
    let status = cluster.nodes[2].ended(PATIENCE).await;
    assert_eq!(status.code(), Some(1), "{status}");
    let log = cluster.nodes[2].log();
    assert!(log.contains("berth cluster join TOKEN --replace"), "{log}");

    let token = cluster.token().await;
    let replaced = &cluster.nodes[2];
    let (listen, data_dir) = (replaced.listen().to_owned(), replaced.data_dir.clone());
    let join = |more: &'static [&'static str]| {
        let mut join = vec!["cluster", "join", &token, "--name", "n3", "--listen", &listen];
        join.extend(["--data-dir", data_dir.to_str().unwrap()]);
        join.extend(more);
        join.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = async |more| {
        let join = join(more);
        replaced.run(&join.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let without = run(&[]).await;
    assert_eq!(without.status.code(), Some(1), "{without:?}");
    assert!(String::from_utf8_lossy(&without.stderr).contains("BERTH-0135"), "{without:?}");
    let with = run(&["--replace"]).await;
    assert!(with.status.success(), "{with:?}");
    let twice = run(&[]).await;
    let text = String::from_utf8_lossy(&twice.stderr);
    assert!(text.contains("belongs to a node already"), "{text}");

    // As it was started before.
    cluster.nodes[2].start();
    cluster.votes(2).await;
    cluster.nodes[2].ready().await;
    println!("replaced after {:.1?}", began.elapsed());
    let all = members(&cluster.nodes[0]).await;
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(all.iter().any(|member| member.name == "n3" && member.id > 15), "{all:?}");
    sleep(WORK).await;
    // It is a member as any other: another one may be missed.
    cluster.nodes[1].kill().await;
    let before = load.given("n1");
    eventually("n1 gives addresses again", async || (load.given("n1") > before + 10).then_some(()))
        .await;
    cluster.nodes[1].start();
    cluster.ready().await;
    assert_eq!(load.failed("n1"), Vec::<String>::new());
    load.judge(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_member_comes_back_and_its_old_data_is_kept() {
    let mut cluster = Cluster::start(3).await;
    let pool = pool(&cluster, "10.92.0.0/24").await;
    let given = cluster.nodes[0].engine().address(&pool).await.unwrap();
    cluster.nodes[1].kill().await;
    let raft = cluster.nodes[1].data_dir.join("raft");
    std::fs::remove_file(raft.join("log.witness")).unwrap();
    cluster.nodes[1].start();
    assert_eq!(cluster.nodes[1].ended(PATIENCE).await.code(), Some(1));
    assert!(cluster.nodes[1].log().contains("berth cluster join TOKEN --replace"));
    let token = cluster.token().await;
    let node = &cluster.nodes[1];
    let data_dir = node.data_dir.to_str().unwrap();
    let join = ["cluster", "join", &token, "--replace", "--name", "n2", "--listen", node.listen()];
    done(node, &[&join[..], &["--data-dir", data_dir]].concat()).await;
    assert!(cluster.nodes[1].data_dir.join("raft.old-1/berth.directory").exists());
    cluster.nodes[1].start();
    cluster.votes(1).await;
    cluster.ready().await;
    assert_eq!(cluster.held(1, pool.as_str()).await.into_iter().collect::<Vec<_>>(), [given]);
    cluster.agree().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_and_says_what_to_do() {
    let mut cluster = Cluster::start(3).await;
    let node = &cluster.nodes[0];
    refused(node, &["cluster", "remove", "n9"], &["BERTH-0130", "n1, n2, n3"]).await;
    refused(node, &["cluster", "promote", "99"], &["BERTH-0130"]).await;
    done(node, &["cluster", "promote", "n2"]).await;
    let token = cluster.token().await;

    // A token that is none, one that was cut, one of another cluster of this name.
    let mut stranger = cluster.newcomer("n4", "nonsense");
    stranger.start();
    assert_eq!(stranger.ended(PATIENCE).await.code(), Some(2));
    assert!(stranger.log().contains("this is no token"), "{}", stranger.log());
    let mut stranger = cluster.newcomer("n5", &token[..token.len() - 2]);
    stranger.start();
    assert_eq!(stranger.ended(PATIENCE).await.code(), Some(2));

    // The name of a member that lives.
    let mut twin = cluster.newcomer("twin", &token);
    twin.further = vec!["--name".into(), "n2".into()];
    twin.start();
    assert_eq!(twin.ended(PATIENCE).await.code(), Some(1));
    assert!(twin.log().contains("the name n2 is that of member 2"), "{}", twin.log());
    assert!(!twin.data_dir.join("raft/berth.directory").exists());

    // A learner that is to stay one, and has no vote to give.
    let mut learner = cluster.newcomer("n6", &token);
    learner.further = vec!["--learner".into()];
    learner.start();
    cluster.nodes.push(learner);
    cluster.nodes[3].ready().await;
    let leads = &["cluster", "transfer-leader", "n6"];
    refused(&cluster.nodes[0], leads, &["BERTH-0133", "promote it first"]).await;

    // A dead one cannot lead, and whoever is needed cannot go.
    cluster.nodes[2].kill().await;
    eventually("n3 is missed", async || {
        let members = members(&cluster.nodes[0]).await;
        let dead = members.iter().find(|member| member.name == "n3")?;
        dead.heard_ms_ago.is_none_or(|millis| millis > 3_000).then_some(())
    })
    .await;
    let leads = &["cluster", "transfer-leader", "n3"];
    refused(&cluster.nodes[0], leads, &["BERTH-0132", "has not answered"]).await;
    refused(&cluster.nodes[0], &["cluster", "remove", "n2"], &["BERTH-0131", "--force"]).await;
    done(&cluster.nodes[0], &["cluster", "promote", "n6"]).await;
    done(&cluster.nodes[0], &["cluster", "remove", "n3"]).await;
    cluster.nodes[2].start();
    ends_as_removed(&mut cluster.nodes[2]).await;
    cluster.agree_running().await;
}
