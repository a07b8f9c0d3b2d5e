//! Nodes that must not start, and say what to do.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use berth_tests::{Cluster, Node, free_ports};
use tempfile::TempDir;
use tokio::time::timeout;

/// A node that forms a cluster of its own.
fn alone(dir: &TempDir, name: &str) -> (Node, String) {
    let listen = format!("127.0.0.1:{}", free_ports(1)[0]);
    let node = Node::new(dir.path(), name, &listen, &format!("{name}={listen}"));
    (node, listen)
}

/// Runs a node that must end at once; gives its exit code, and its last words, which must begin with
/// a stable code.
async fn refused(node: &Node, more: &[&str]) -> (i32, String) {
    let mut server = node.server();
    let output = server.args(more).stdout(Stdio::null()).output();
    let output = timeout(Duration::from_secs(20), output).await.expect("it goes on").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let at = said.find("berth: BERTH-").unwrap_or_else(|| panic!("no clear error: {said}"));
    let last_words = said[at..].to_owned();
    println!("{last_words}");
    let code = output.status.code().unwrap_or_else(|| panic!("{}: {said}", output.status));
    (code, last_words)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_configurations() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _) = alone(&dir, "n1");
    let file = node.dir().join("berth.toml");
    for (content, expected) in [
        ("nonsense = 1\n", "nonsense"),
        ("name = 7\n", "name"),
        ("log-level = \"loud\"\n", "loud"),
        ("[server]\n", "server"),
        ("name = \n", "berth.toml"),
        ("name = \"\u{0}\"\n", "berth.toml"),
    ] {
        fs::write(&file, content).unwrap();
        let (code, said) = refused(&node, &[]).await;
        assert_eq!(code, 2, "{content:?}: {said}");
        assert!(said.contains("BERTH-0110") && said.contains(expected), "{content:?}: {said}");
    }
    fs::write(&file, "realm = \"../x\"\n").unwrap();
    let (code, said) = refused(&node, &[]).await;
    assert!(code == 2 && said.contains("is not a realm"), "{said}");
    assert!(!node.data_dir.exists(), "a wrong configuration left {}", node.data_dir.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let (node, listen) = alone(&dir, "n1");
    let _other = TcpListener::bind(&listen).unwrap();
    let (code, said) = refused(&node, &[]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(&listen) && said.contains("in use"), "{said}");
    assert!(said.contains("another address"), "{said}");
    assert!(!node.data_dir.exists(), "a start that is refused changes nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_in_use() {
    let cluster = Cluster::start(1).await;
    let dir = tempfile::tempdir().unwrap();
    let (mut node, _) = alone(&dir, "n2");
    node.plugin_socket.clone_from(&cluster.nodes[0].plugin_socket);
    let (code, said) = refused(&node, &[]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("plugin.sock") && said.contains("another path"), "{said}");
    assert!(!node.data_dir.exists(), "a start that is refused changes nothing");
    cluster.nodes[0].engine().handshake().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_in_use() {
    let cluster = Cluster::start(1).await;
    let dir = tempfile::tempdir().unwrap();
    let (mut node, _) = alone(&dir, "n1");
    node.data_dir.clone_from(&cluster.nodes[0].data_dir);
    let (code, said) = refused(&node, &[]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    cluster.nodes[0].engine().handshake().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_of_another_node() {
    let mut cluster = Cluster::start(1).await;
    cluster.nodes[0].stop().await;
    let before = files(&cluster.nodes[0].data_dir);
    let dir = tempfile::tempdir().unwrap();
    let (mut node, _) = alone(&dir, "n2");
    node.data_dir.clone_from(&cluster.nodes[0].data_dir);
    let (code, said) = refused(&node, &[]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("\"n1\"") && said.contains("\"n2\""), "{said}");
    assert_eq!(files(&cluster.nodes[0].data_dir), before);
    cluster.start_stopped();
    cluster.ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_of_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let (node, _) = alone(&dir, "n1");
    fs::create_dir_all(node.data_dir.join("raft")).unwrap();
    fs::write(node.data_dir.join("raft/diary.txt"), "dear diary").unwrap();
    let (code, said) = refused(&node, &[]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("not a data directory of Berth"), "{said}");
    let kept = fs::read_to_string(node.data_dir.join("raft/diary.txt")).unwrap();
    assert_eq!(kept, "dear diary");
}

/// The version of a record is in its head, which a checksum covers: a newer one is made as a newer
/// Berth would make it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_of_a_newer_format() {
    let mut cluster = Cluster::start(1).await;
    cluster.nodes[0].stop().await;
    for part in ["raft", "local"] {
        let record = cluster.nodes[0].data_dir.join(part).join("berth.directory");
        let ours = fs::read(&record).unwrap();
        fs::write(&record, newer(&ours)).unwrap();
        let (code, said) = refused(&cluster.nodes[0], &[]).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("newer"), "{said}");
        fs::write(&record, ours).unwrap();
    }
    cluster.start_stopped();
    cluster.ready().await;
}

/// The same record, one version on.
fn newer(record: &[u8]) -> Vec<u8> {
    const CHECKSUM_BYTES: usize = 4;
    let mut newer = record[..record.len() - CHECKSUM_BYTES].to_vec();
    newer[1] += 1;
    let checksum = crc32c::crc32c(&newer);
    newer.extend(checksum.to_le_bytes());
    newer
}

/// Names and sizes of all files below a directory.
fn files(dir: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.path().display().to_string(), entry.metadata().unwrap().len()));
        }
    }
    found.sort();
    found
}
