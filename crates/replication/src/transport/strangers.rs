//! Who shows the certificate of one node and says that it is another one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use berth_pki::{Authority, Bearers, Keyring, Purpose, Subject, callee};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::agent_greeting::AgentIdentity;
use super::channel::{Channel, Tls};
use super::greeting::{Identity, Lane};
use super::handshake::{self, Caller, HandshakeError};
use super::links::Links;
use super::stream::PeerStream;
use crate::directory::DataDirectory;
use crate::secret::Proof;
use crate::servers::Home;
use crate::{
    ClusterId, Config, Fatal, Member, NodeId, NodeName, PeerListener, Replica, Secret, SystemClock,
};

const CLUSTER: ClusterId = ClusterId::new([7; 16]);
const OTHER: ClusterId = ClusterId::new([8; 16]);

fn secret() -> Secret {
    Secret::new(b"a secret for the tests").unwrap()
}

/// A node, as it greets and as it is certified.
struct Node {
    identity: Identity,
    channel: Channel,
    _dir: tempfile::TempDir,
}

fn node(cluster: ClusterId, number: u64, certified: u64) -> Node {
    let dir = tempfile::tempdir().unwrap();
    let (node, name) = (NodeId::new(number), NodeName::new(format!("n{number}")).unwrap());
    let directory =
        Arc::new(DataDirectory::open(dir.path(), &name, Some((cluster, node)), None).unwrap());
    let identity = Identity {
        node,
        cluster,
        proof: Proof::new(cluster, Some(&secret())),
        agents: Proof::of_agents(Some(&secret())),
        directory,
        fatal: Fatal::new(),
    };
    let who = (cluster, NodeId::new(certified), &name);
    let channel = Channel::of_node(Some(&secret()), false, who, &["127.0.0.1:1"]).unwrap();
    Node { identity, channel, _dir: dir }
}

/// What the one that calls node 1 makes of it, and the one that is called.
async fn meet(
    caller: &Node,
    host: Node,
) -> (Result<(), HandshakeError>, Result<Caller, HandshakeError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answering = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let Node { identity, channel, _dir } = host;
        let patience = Duration::from_secs(20);
        let fatal = Fatal::new();
        let links =
            Links::new(identity, std::collections::BTreeMap::new(), channel, patience, &fatal);
        let mut stream = links.channel().accept(PeerStream::Plain(stream)).await.unwrap();
        handshake::welcome(&mut stream, &links, false).await
    });
    let mut stream = caller.channel.connect(&address).await.unwrap();
    let greeted =
        handshake::greet(&mut stream, &caller.identity, NodeId::new(1), Lane::Forward).await;
    (greeted, answering.await.unwrap())
}

#[tokio::test]
async fn a_node_is_who_its_certificate_says() {
    let (greeted, welcomed) = meet(&node(CLUSTER, 2, 2), node(CLUSTER, 1, 1)).await;
    assert!(greeted.is_ok(), "{greeted:?}");
    assert!(matches!(&welcomed, Ok(Caller::Member(it, Lane::Forward)) if it.get() == 2));

    let (greeted, welcomed) = meet(&node(CLUSTER, 2, 3), node(CLUSTER, 1, 1)).await;
    assert!(greeted.is_err());
    let error = welcomed.unwrap_err();
    assert!(matches!(error, HandshakeError::Uncertified { .. }), "{error}");
    let told = "its certificate is for berth:node:07070707070707070707070707070707:3:n2, but";
    assert!(error.to_string().starts_with(told), "{error}");

    let (greeted, _) = meet(&node(CLUSTER, 2, 2), node(CLUSTER, 1, 3)).await;
    let error = greeted.unwrap_err();
    assert!(matches!(error, HandshakeError::Uncertified { .. }), "{error}");
}

#[tokio::test]
async fn a_node_of_another_cluster_with_the_same_secret_is_refused() {
    let (greeted, welcomed) = meet(&node(OTHER, 2, 2), node(CLUSTER, 1, 1)).await;
    assert!(matches!(greeted.unwrap_err(), HandshakeError::RefusedUs(_)));
    assert!(matches!(welcomed.unwrap_err(), HandshakeError::RefusedThem(_)));

    // It claims to belong here, but its certificate is of the other cluster.
    let mut liar = node(CLUSTER, 2, 2);
    liar.channel = node(OTHER, 2, 2).channel;
    let (_, welcomed) = meet(&liar, node(CLUSTER, 1, 1)).await;
    let error = welcomed.unwrap_err();
    assert!(matches!(error, HandshakeError::Uncertified { .. }), "{error}");
}

#[tokio::test]
async fn an_agents_greeting_needs_its_own_certificate() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (server, name) = (node(CLUSTER, 1, 1), NodeName::new("worker").unwrap());
    let host = Channel::of_host(Some(&secret()), false, &name).unwrap();
    let calling = tokio::spawn(async move { host.connect(&address.to_string()).await });
    let (accepted, _) = listener.accept().await.unwrap();
    let accepted = server.channel.accept(PeerStream::Plain(accepted)).await.unwrap();
    let certified = &accepted.certified().unwrap().subject;
    assert_eq!(certified.to_string(), "berth:host:worker");
    let called = calling.await.unwrap().unwrap();
    assert_eq!(called.certified().unwrap().subject.name(), "n1");
}

/// A host with a certificate that expires in two seconds.
fn brief_host(name: &NodeName) -> Channel {
    let authority = |bearers| Authority::derive(secret().bytes(), bearers).unwrap();
    let subject = Subject::Host { name: name.as_str().to_owned() };
    let now = SystemTime::now();
    let brief = authority(Bearers::Hosts)
        .issue_for(&subject, &[], now, now + Duration::from_secs(2))
        .unwrap();
    let keyring = Arc::new(Keyring::holding(brief));
    let nodes = authority(Bearers::Nodes);
    let connector = callee(&keyring, nodes.certificate(), Purpose::Host).unwrap().into();
    Channel::Tls(Arc::new(Tls {
        keyring: Some(keyring),
        purpose: Purpose::Host,
        connector,
        authority: nodes.fingerprint(),
        callers: None,
        pem: None,
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let member = Member { name: NodeName::new("n1").unwrap(), address: address.clone() };
    let config = Config {
        secret: Some(secret()),
        ..Config::of_member(&member, "test", vec![member.clone()], dir.path().join("raft"))
    };
    let listener = PeerListener::bind(&address, true).await.unwrap();
    let replica = Replica::start_on(listener, config, Arc::new(SystemClock)).await.unwrap();

    let name = NodeName::new("worker").unwrap();
    let host = brief_host(&name);
    let home = Home::open(&dir.path().join("home")).unwrap();
    let identity = Arc::new(AgentIdentity::new(name, Some(&secret()), home));
    let mut stream = host.connect(&address).await.unwrap();
    handshake::greet_as_agent(&mut stream, &identity).await.unwrap();
    let mut said = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut said));
    ended.await.expect("it ends with the certificate").ok();
    assert!(SystemTime::now() >= host.expires().unwrap());
    replica.shutdown().await;
}
