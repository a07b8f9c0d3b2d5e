//! What an operator says: addresses that nobody uses any more, and addresses that nobody may be given.

use crate::world::Node;

const POOL: &str = "LocalDefault/172.29.0.0/24";

/// A node whose engine holds a pool with two addresses, in the session that goes on.
fn node_with_two_addresses() -> Node {
    let node = Node::ready();
    let body = r#"{"AddressSpace":"LocalDefault","Pool":"172.29.0.0/24"}"#;
    assert_eq!(node.call("RequestPool", body)["PoolID"], POOL);
    for address in ["172.29.0.1/24", "172.29.0.2/24"] {
        assert_eq!(request(&node, "")["Address"], address);
    }
    node
}

fn request(node: &Node, address: &str) -> serde_json::Value {
    node.call("RequestAddress", &format!(r#"{{"PoolID":"{POOL}","Address":"{address}"}}"#))
}

fn refused(node: &Node, arguments: &[&str], exit: i32, words: &str) {
    let said = node.ask(arguments);
    assert_eq!(said.exit, Some(exit), "{arguments:?}: {}", said.err);
    assert!(said.err.contains(words), "{arguments:?}: {}", said.err);
}

fn done(node: &Node, arguments: &[&str], words: &str) {
    let said = node.ask(arguments);
    assert_eq!(said.exit, Some(0), "{arguments:?}: {}", said.err);
    assert!(said.out.contains(words), "{arguments:?}: {}", said.out);
}

#[test]
fn what_is_held_ends_by_force_only() {
    let node = node_with_two_addresses();
    refused(&node, &["address", "release", "172.29.0.2"], 1, "BERTH-0023");
    refused(&node, &["address", "release", "172.29.0.9"], 1, "BERTH-0115");
    refused(&node, &["address", "release", "10.99.0.1"], 1, "BERTH-0112");
    let elsewhere = ["address", "release", "172.29.0.2", "--pool", "LocalDefault/172.28.0.0/24"];
    refused(&node, &elsewhere, 1, "BERTH-0115");
    refused(&node, &["pool", "rm", POOL], 1, "BERTH-0023");
    assert_eq!(node.json(&["address", "ls"]).as_array().unwrap().len(), 2, "nothing was changed");

    let release = ["address", "release", "172.29.0.2", "--pool", POOL, "--force", "--note", "gone"];
    done(&node, &release, "172.29.0.2 of LocalDefault/172.29.0.0/24 is free");
    assert_eq!(request(&node, "")["Address"], "172.29.0.2/24");
    done(&node, &["pool", "rm", POOL, "--force"], "removed");
    assert_eq!(node.json(&["pool", "ls"]), serde_json::json!([]));
    refused(&node, &["pool", "rm", POOL, "--force"], 1, "BERTH-0012");
}

#[test]
fn what_is_reserved_is_given_to_nobody() {
    let node = node_with_two_addresses();
    let reserve = ["pool", "reserve", "LocalDefault", "172.29.0.2-172.29.0.5", "--note", "DHCP"];
    done(&node, &reserve, "172.29.0.2 to 172.29.0.5 reserved in LocalDefault");
    let space = node.json(&["space", "show", "LocalDefault"]);
    let reservation = &space["reservations"][0];
    assert_eq!(
        (&reservation["first"], &reservation["note"]),
        (&"172.29.0.2".into(), &"DHCP".into())
    );
    assert_eq!(request(&node, "")["Address"], "172.29.0.6/24");
    assert!(request(&node, "172.29.0.4")["Err"].as_str().unwrap().contains("DHCP"));

    refused(&node, &["pool", "reserve", "LocalDefault", "172.29.0.5"], 1, "BERTH-0027");
    refused(&node, &["pool", "reserve", "LocalDefault", "172.29.0.9-172.29.0.7"], 1, "BERTH-0026");
    refused(&node, &["pool", "reserve", "LocalDefault", "172.29.0.9-fd00::1"], 1, "BERTH-0026");
    refused(&node, &["pool", "reserve", "LocalDefault", "172.29.0"], 2, "FIRST-LAST");
    refused(&node, &["pool", "reserve", "nowhere", "172.29.0.9"], 1, "BERTH-0001");
    refused(&node, &["pool", "unreserve", "LocalDefault", "172.29.0.3"], 1, "BERTH-0028");

    done(&node, &["pool", "unreserve", "LocalDefault", "172.29.0.2"], "removed");
    // What was held all along is not given again.
    assert_eq!(request(&node, "")["Address"], "172.29.0.3/24");
}

#[test]
fn a_clusters_space_has_reservations_too() {
    let node = Node::ready();
    done(&node, &["pool", "reserve", "GlobalDefault", "10.0.0.0/26"], "10.0.0.0 to 10.0.0.63");
    let body = r#"{"AddressSpace":"GlobalDefault","Pool":"10.0.0.0/24"}"#;
    let pool = node.call("RequestPool", body)["PoolID"].as_str().unwrap().to_owned();
    let given = node.call("RequestAddress", &format!(r#"{{"PoolID":"{pool}","Address":""}}"#));
    assert_eq!(given["Address"], "10.0.0.64/24");
    done(&node, &["address", "release", "10.0.0.64", "--force"], "is free");
}
