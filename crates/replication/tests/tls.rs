//! Who is not let in by a node that speaks TLS: each with real handshakes, and each on record.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use berth_pki::{Authority, Bearers, Credential, Keyring, Purpose, Subject, callee, server_name};
use berth_replication::{
    Config, Deadline, Member, NodeName, Replica, Secret, Servers, ServersConfig, SystemClock,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

#[expect(unreachable_pub, reason = "public where the process-level suites have it")]
#[path = "../../../tests/src/ports.rs"]
mod ports;

/// Long enough for anything on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
const SECRET: &[u8] = b"a secret for the tests";
const OTHER_SECRET: &[u8] = b"another secret for the tests";

/// A node alone, and what it wrote to its log.
struct Node {
    replica: Replica,
    address: String,
    dir: TempDir,
}

impl Node {
    async fn start(secret: Option<&[u8]>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", ports::free_ports(1)[0]);
        let member = Member { name: NodeName::new("n1").unwrap(), address: address.clone() };
        let config = Config {
            secret: secret.map(|secret| Secret::new(secret).unwrap()),
            ..Config::of_member(&member, "test", vec![member.clone()], dir.path().join("raft"))
        };
        let replica = Replica::start(config, Arc::new(SystemClock)).await.unwrap();
        Self { replica, address, dir }
    }

    fn node_subject(&self, number: u64) -> Subject {
        Subject::Node { cluster: self.replica.cluster().bytes(), number, name: "n2".to_owned() }
    }

    /// An agent that looks for this node.
    fn agent(&self, secret: Option<&[u8]>) -> Servers {
        let config = ServersConfig {
            name: NodeName::new("worker").unwrap(),
            servers: vec![self.address.clone()],
            dir: self.dir.path().join(format!("agent-{}", secret.map_or(0, <[u8]>::len))),
            secret: secret.map(|secret| Secret::new(secret).unwrap()),
            insecure: false,
        };
        Servers::start(&config).unwrap()
    }

    async fn lets_in_its_own(&self) {
        let agent = self.agent(Some(SECRET));
        assert!(agent.reached(Deadline::after(PATIENCE)).await, "{:?}", agent.status());
        let expires = agent.certificate_expires().unwrap();
        assert!(expires > SystemTime::now(), "{expires:?}");
        assert!(self.replica.certificate_expires().unwrap() > SystemTime::now());
    }

    /// Calls with a certificate, and waits until the node hangs up; gives TLS's reason.
    async fn refusal(&self, credential: Credential, purpose: Purpose) -> String {
        let keyring = Arc::new(Keyring::holding(credential));
        let nodes = authority(SECRET, Bearers::Nodes);
        let connector = TlsConnector::from(callee(&keyring, nodes.certificate(), purpose).unwrap());
        let stream = TcpStream::connect(&self.address).await.unwrap();
        let refused = async {
            let mut stream = connector.connect(server_name(), stream).await?;
            // The caller's certificate is looked at after the caller believes itself connected.
            let mut end = Vec::new();
            stream.read_to_end(&mut end).await.map(|_| end)
        };
        match timeout(PATIENCE, refused).await.expect("it is refused in time") {
            Ok(said) => format!("nothing but {} bytes", said.len()),
            Err(error) => error.to_string(),
        }
    }
}

fn authority(secret: &[u8], bearers: Bearers) -> Authority {
    Authority::derive(secret, bearers).unwrap()
}

fn host() -> Subject {
    Subject::Host { name: "worker".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused_and_on_record() {
    let log = Log::capture();
    let node = Node::start(Some(SECRET)).await;
    let now = SystemTime::now();
    let issue = |secret: &[u8], bearers, subject: &Subject| {
        authority(secret, bearers).issue(subject, &[], now).unwrap()
    };
    let (nodes, hosts) = (Bearers::Nodes, Bearers::Hosts);
    let (as_node, as_host) = (Purpose::Node, Purpose::Host);
    let peer = node.node_subject(2);
    let expired = |bearers, subject: &Subject| {
        let (then, until) = (now - Duration::from_hours(48), now - Duration::from_hours(24));
        authority(SECRET, bearers).issue_for(subject, &[], then, until).unwrap()
    };
    let (unknown, expiry) = ("UnknownCA", "CertificateExpired");
    let cases = [
        ("wrong authority", issue(OTHER_SECRET, nodes, &peer), as_node, unknown),
        ("wrong authority, as a host", issue(OTHER_SECRET, hosts, &host()), as_host, unknown),
        ("expired", expired(nodes, &peer), as_node, expiry),
        ("expired, as a host", expired(hosts, &host()), as_host, expiry),
        ("a host as a node", issue(SECRET, hosts, &host()), as_node, unknown),
        // Whoever has the hosts' authority writes into a certificate what it likes.
        ("a host that is called a node", issue(SECRET, hosts, &peer), as_node, unknown),
        ("the same, as a host", issue(SECRET, hosts, &peer), as_host, ""),
        ("a node as a host", issue(SECRET, nodes, &peer), as_host, unknown),
    ];
    // As docs/operating/security.md has it.
    let recorded = |alert| match alert {
        "UnknownCA" => "invalid peer certificate: UnknownIssuer",
        "CertificateExpired" => "invalid peer certificate: certificate expired",
        _ => "is not for this",
    };
    for (name, credential, purpose, alert) in cases {
        let refusal = node.refusal(credential, purpose).await;
        assert!(refusal.contains(alert), "{name}: {refusal}");
        log.tells(recorded(alert), name).await;
    }
    node.lets_in_its_own().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tls_1_3_is_refused() {
    let node = Node::start(Some(SECRET)).await;
    // A ClientHello of TLS 1.2, with one of its cipher suites and no extension.
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let alert = node_says(&node.address, &record).await;
    // A fatal alert: protocol_version, or handshake_failure.
    assert!(matches!(alert.as_slice(), [21, 3, _, 0, 2, 2, 70 | 40]), "{alert:?}");

    let http = b"GET /v1/status HTTP/1.1\r\nHost: n1\r\n\r\n";
    let frame = [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6];
    for plaintext in [http.as_slice(), &frame] {
        let said = node_says(&node.address, plaintext).await;
        assert!(said.is_empty() || said[0] == 21, "{said:?}");
    }
    let plain = node.agent(None);
    refused(&plain).await;
    node.lets_in_its_own().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_shows_a_certificate_and_says_what_it_calls_for() {
    let node = Node::start(Some(SECRET)).await;
    let nodes = authority(SECRET, Bearers::Nodes);
    let mut roots = tokio_rustls::rustls::RootCertStore::empty();
    roots.add(nodes.certificate().clone()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    for (protocol, reason) in [
        (Some(Purpose::Node), "CertificateRequired"),
        (Some(Purpose::Host), "CertificateRequired"),
        (None, ""),
    ] {
        let mut config =
            tokio_rustls::rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
        config.alpn_protocols = protocol.iter().map(|it| it.protocol().to_vec()).collect();
        let stream = TcpStream::connect(&node.address).await.unwrap();
        let refused = async {
            let mut stream =
                TlsConnector::from(Arc::new(config)).connect(server_name(), stream).await?;
            stream.read_to_end(&mut Vec::new()).await
        };
        let error = timeout(PATIENCE, refused).await.unwrap().unwrap_err();
        assert!(error.to_string().contains(reason), "{protocol:?}: {error}");
    }
    node.lets_in_its_own().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_ends_is_ended() {
    let node = Node::start(Some(SECRET)).await;
    for begun in [&[][..], &[22], &[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]] {
        let mut stream = TcpStream::connect(&node.address).await.unwrap();
        stream.write_all(begun).await.unwrap();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        ended.expect("the node hangs up").ok();
    }
    node.lets_in_its_own().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_and_nodes_find_each_other_foreign() {
    // An agent with another secret, and one that speaks TLS to a node that does not.
    let node = Node::start(Some(SECRET)).await;
    let stranger = node.agent(Some(OTHER_SECRET));
    let reason = refused(&stranger).await;
    assert!(reason.contains("do both have the same secret"), "{reason}");
    let plain = Node::start(None).await;
    let encrypted = plain.agent(Some(SECRET));
    let reason = refused(&encrypted).await;
    assert!(reason.contains("both speak TLS"), "{reason}");
    assert_eq!(plain.replica.certificate_expires(), None);
}

/// Waits until an agent says why it reaches no server.
async fn refused(agent: &Servers) -> String {
    let said = timeout(PATIENCE, async {
        loop {
            if let Some(failure) = agent.status().failure {
                return failure;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let said = said.await.expect("it says why");
    assert_eq!(agent.status().server, None);
    said
}

/// Sends bytes in plaintext, and gives all that is said until the node hangs up.
async fn node_says(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    // It may reset the connection, having read less than was sent.
    timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the node hangs up").ok();
    said
}

/// What is logged to the target `audit`.
#[derive(Clone)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn capture() -> Self {
        let log = Self(Arc::default());
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter("audit=info")
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("one test captures the log");
        log
    }

    /// Waits until a refusal is on record for this reason, and forgets it.
    async fn tells(&self, reason: &str, what: &str) {
        let told = timeout(PATIENCE, async {
            while !self.text().contains("a peer was turned away") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        told.await.unwrap_or_else(|_| panic!("{what}: not on record"));
        let text = self.text();
        assert!(text.contains(reason), "{what}: {text}");
        self.0.lock().unwrap().clear();
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
