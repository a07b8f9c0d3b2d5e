//! What a node refuses to start with: one clear error, and nothing changed.

use std::fs;
use std::net::TcpListener;

use crate::world::Node;

#[test]
fn a_port_in_use() {
    let node = Node::new();
    let _taken = TcpListener::bind(("127.0.0.1", node.port)).unwrap();
    let said = node.refused(&["--bootstrap"]);
    assert_eq!(said.exit, Some(1), "{}", said.err);
    let port = format!("cannot listen on 127.0.0.1:{}", node.port);
    assert!(said.err.contains("BERTH-0107") && said.err.contains(&port), "{}", said.err);
}

#[test]
fn a_data_directory_of_another_node() {
    let mut node = Node::ready();
    node.signal("-TERM");
    assert_eq!(node.ended(), Some(0));
    let list = format!("N1=127.0.0.1:{},N2=127.0.0.1:1", node.port);
    for other in [&["--name", "N2"][..], &["--initial-cluster", &list]] {
        let said = node.refused(other);
        assert_eq!(said.exit, Some(1), "{}", said.err);
        assert!(said.err.contains("belongs to node"), "{}", said.err);
    }
    // It still is whose it was.
    node.start(&[]);
}

#[test]
fn a_data_directory_in_use() {
    let node = Node::ready();
    let data = node.path("data");
    let said = Node::new().refused(&["--data-dir", data.to_str().unwrap()]);
    assert_eq!(said.exit, Some(1), "{}", said.err);
    assert!(said.err.contains("in use by another process"), "{}", said.err);
    assert_eq!(node.ask(&["status"]).exit, Some(0));
}

#[test]
fn a_socket_in_use_and_a_file_in_its_place() {
    let node = Node::ready();
    let other = Node::new();
    let taken = node.path("api.sock");
    let said = other.refused(&["--bootstrap", "--api-socket", taken.to_str().unwrap()]);
    assert_eq!(said.exit, Some(1), "{}", said.err);
    assert!(said.err.contains("in use by another node"), "{}", said.err);
    let file = other.path("file");
    fs::write(&file, "precious").unwrap();
    let said = other.refused(&["--bootstrap", "--plugin-socket", file.to_str().unwrap()]);
    assert_eq!(said.exit, Some(1), "{}", said.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn no_cluster_and_no_leave_to_form_one() {
    let node = Node::new();
    let said = node.refused(&[]);
    assert_eq!(said.exit, Some(2), "{}", said.err);
    assert!(said.err.contains("BERTH-0110") && said.err.contains("--bootstrap"), "{}", said.err);
    assert!(!node.path("data").exists());
}

#[test]
fn unknown_keys_and_values_of_the_wrong_type() {
    let node = Node::new();
    let file = node.path("berth.toml");
    let file = file.to_str().unwrap();
    for (content, words) in [
        ("colour = \"red\"\n", "unknown field `colour`"),
        ("insecure = \"perhaps\"\n", "expected a boolean"),
        ("name = \"N1\"\nname = \"N2\"\n", "duplicate key"),
        ("log-level = \"loud\"\n", "unknown variant `loud`"),
        ("[cluster]\nname = \"N1\"\n", "unknown field `cluster`"),
        ("name = ", "berth.toml"),
    ] {
        fs::write(file, content).unwrap();
        let said = node.refused(&["--bootstrap", "--config", file]);
        assert_eq!(said.exit, Some(2), "{content}: {}", said.err);
        assert!(said.err.contains("BERTH-0110"), "{content}: {}", said.err);
        assert!(said.err.contains(words), "{content}: {}", said.err);
    }
    assert!(!node.path("data").exists());
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let mut node = Node::new();
    let file = node.path("berth.toml");
    fs::write(&file, "bootstrap = true\nrealm = \"file\"\n").unwrap();
    let mut command = node.server(&["--config", file.to_str().unwrap()]);
    node.start_with(command.env("BERTH_REALM", "environment"));
    let spaces = |node: &Node| node.call("GetDefaultAddressSpaces", "");
    assert_eq!(spaces(&node)["GlobalDefaultAddressSpace"], "GlobalDefault@environment");
    node.signal("-TERM");
    node.ended();
    node.start(&["--config", file.to_str().unwrap()]);
    assert_eq!(spaces(&node)["GlobalDefaultAddressSpace"], "GlobalDefault@file");
    node.signal("-TERM");
    node.ended();
    let mut command = node.server(&["--config", file.to_str().unwrap(), "--realm", "flag"]);
    node.start_with(command.env("BERTH_REALM", "environment"));
    assert_eq!(spaces(&node)["GlobalDefaultAddressSpace"], "GlobalDefault@flag");
}
