//! `docs/operating/access.md`, and who is refused.

use std::fs;

use berth_node::api::types::Token;
use berth_tests::{Cluster, Hosts, Node, blocks, eventually};

const PAGE: &str = include_str!("../../../docs/operating/access.md");

async fn hosts() -> Hosts {
    let mut hosts = Hosts::of(Cluster::start(3).await).await;
    let server = hosts.host("n2").listen().to_owned();
    hosts.environment.insert("SERVER".to_owned(), server);
    hosts
}

/// A command line that is refused with a code.
async fn refused(hosts: &Hosts, line: &str, code: &str) {
    let output = hosts.shell("w1", line).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(code), "{line}: {output:?}");
}

/// What a request is answered that shows this, within TLS.
async fn asked(hosts: &Hosts, authorization: &str, path: &str) -> String {
    let line = format!(
        "curl --silent --cacert ca.pem --output answer --write-out '%{{http_code}}' --header \
         \"{authorization}\" https://$SERVER{path}"
    );
    String::from_utf8(hosts.shell("w1", &line).await.stdout).unwrap()
}

async fn on_record(node: &Node, fields: &[&str]) {
    let recorded =
        || node.log().lines().any(|line| fields.iter().all(|field| line.contains(field)));
    eventually(&format!("{fields:?} on record"), async || recorded().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_lets_users_in_and_out() {
    let mut hosts = hosts().await;
    let mut page = blocks(PAGE).into_iter();
    for block in page.by_ref().take(4) {
        let said = hosts.run(&block).await;
        assert!(!block.commands[0].starts_with("curl") || said.contains("\"lab\""), "{said}");
    }
    let by_token = |role: &str| {
        let (file, role) = (role.split(':').next().unwrap().to_owned(), role.to_owned());
        move |command: &str| format!("BERTH_TOKEN_FILE={file} {command} # {role}")
    };
    let (reader, builder) = (by_token("reader"), by_token("builder"));
    refused(&hosts, &reader("berth pool reserve lab 10.88.1.1"), "BERTH-0151").await;
    refused(&hosts, &reader("berth token ls"), "BERTH-0151").await;
    refused(&hosts, &reader("berth cluster backup file"), "BERTH-0151").await;
    refused(&hosts, &builder("berth pool reserve GlobalDefault 10.88.1.1"), "BERTH-0151").await;
    refused(&hosts, &builder("berth space set lab --reuse-delay 1s"), "BERTH-0151").await;
    refused(&hosts, &builder("berth cluster remove n3"), "BERTH-0151").await;
    on_record(hosts.host("n1"), &["who=\"bearer\"", "audit=\"refused\"", "BERTH-0151", "token="])
        .await;
    on_record(hosts.host("n1"), &["who=\"bearer\"", "what=\"reserve\"", "token=", "log_index="])
        .await;

    let tokens: Vec<Token> = hosts.host("n1").ask(&["token", "ls"]).await;
    let number = tokens.iter().find(|token| token.note == "builder").unwrap().id;
    hosts.environment.insert("NUMBER".to_owned(), number.to_string());
    let stolen = fs::read_to_string(hosts.file("builder")).unwrap();
    let bearer = format!("Authorization: Bearer {}", stolen.trim());
    assert_eq!(asked(&hosts, &bearer, "/v1/spaces").await, "200");
    hosts.run(&page.next().unwrap()).await;
    assert!(page.next().is_none(), "the page goes on");
    refused(&hosts, &builder("berth space ls"), "BERTH-0152").await;
    for node in hosts.cluster.nodes.iter().map(|node| node.listen().to_owned()).collect::<Vec<_>>()
    {
        hosts.environment.insert("SERVER".to_owned(), node);
        assert_eq!(asked(&hosts, &bearer, "/v1/spaces").await, "401");
    }
    on_record(hosts.host("n3"), &["a user was turned away", "was revoked"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_no_good_token_is_refused() {
    let hosts = hosts().await;
    let said = hosts.shell("n1", "berth cluster ca >ca.pem").await;
    assert!(said.status.success(), "{said:?}");
    for (shown, path, status) in [
        ("X: y", "/v1/spaces", "401"),
        ("X: y", "/livez", "200"),
        ("X: y", "/readyz", "200"),
        ("Authorization: Bearer nonsense", "/v1/spaces", "401"),
        ("Authorization: Basic YTpi", "/v1/spaces", "401"),
        ("X: y", "/v1/nothing", "401"),
    ] {
        assert_eq!(asked(&hosts, shown, path).await, status, "{shown} {path}");
    }
    // One of another cluster, one that lets hosts join, and one whose time is over.
    let other = Cluster::start(1).await;
    let foreign = other.nodes[0].run(&["token", "create", "admin"]).await.stdout;
    let foreign = String::from_utf8(foreign).unwrap();
    let bearer = format!("Authorization: Bearer {}", foreign.trim());
    assert_eq!(asked(&hosts, &bearer, "/v1/spaces").await, "401");
    let join = hosts.cluster.token().await;
    assert_eq!(
        asked(&hosts, &format!("Authorization: Bearer {}", join.trim()), "/v1/spaces").await,
        "401"
    );
    let brief = hosts.host("n1").run(&["token", "create", "read", "--lifetime", "1s"]).await.stdout;
    let brief = format!("Authorization: Bearer {}", String::from_utf8(brief).unwrap().trim());
    eventually("the token expires", async || {
        (asked(&hosts, &brief, "/v1/spaces").await == "401").then_some(())
    })
    .await;
    // A token does not let anybody speak to a cluster that its own is not.
    fs::write(hosts.file("foreign"), &foreign).unwrap();
    let elsewhere =
        hosts.shell("w1", "BERTH_TOKEN_FILE=foreign berth space ls --output json").await;
    assert!(elsewhere.status.success(), "{elsewhere:?}");
    let untrusted = "curl --silent --header 'X: y' https://$SERVER/livez";
    assert!(!hosts.shell("w1", untrusted).await.status.success(), "nobody vouches for it");

    // An agent's users administer their host, and not who is let in.
    for line in ["berth token create admin", "berth token ls", "berth cluster join-token"] {
        refused(&hosts, line, "BERTH-0151").await;
    }
    refused(&hosts, "BERTH_TOKEN_FILE=nothing berth space ls", "BERTH-0134").await;
    for (role, why) in [("server", "is no role"), ("allocate:", "empty"), ("root", "is no role")] {
        let said = hosts.host("n1").run(&["token", "create", role]).await;
        assert_eq!(said.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&said.stderr).contains(why), "{said:?}");
    }
}
