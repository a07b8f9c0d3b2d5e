//! What an engine was given is shown, and outlives the process.

use crate::world::Node;

const GATEWAY: &str = r#"{"RequestAddressType":"com.docker.network.gateway"}"#;

fn pool(node: &Node, space: &str, prefix: &str) -> String {
    let body = format!(
        r#"{{"AddressSpace":"{space}","Pool":"{prefix}","SubPool":"","Options":{{}},"V6":false}}"#
    );
    node.call("RequestPool", &body)["PoolID"].as_str().unwrap().to_owned()
}

fn address(node: &Node, pool: &str, options: &str) -> String {
    let body = format!(r#"{{"PoolID":"{pool}","Address":"","Options":{options}}}"#);
    node.call("RequestAddress", &body)["Address"].as_str().unwrap().to_owned()
}

fn addresses(node: &Node) -> Vec<String> {
    let listed = node.json(&["address", "ls"]);
    let listed = listed.as_array().unwrap().iter();
    listed.map(|address| address["address"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn both_spaces_serve_an_engine_and_are_shown_in_order() {
    let node = Node::ready();
    let (local, global) =
        (pool(&node, "LocalDefault", "172.28.0.0/16"), pool(&node, "GlobalDefault", ""));
    assert_eq!(local, "LocalDefault/172.28.0.0/16");
    assert!(global.starts_with("GlobalDefault~") && global.ends_with("/10.0.0.0/24"), "{global}");
    assert_eq!(address(&node, &local, GATEWAY), "172.28.0.1/16");
    for last in 1..=11 {
        assert_eq!(address(&node, &global, "{}"), format!("10.0.0.{last}/24"));
    }
    let listed = addresses(&node);
    let natural: Vec<String> = (1..=11).map(|last| format!("10.0.0.{last}")).collect();
    assert_eq!(listed[..11], natural);
    assert_eq!(listed[11], "172.28.0.1");

    let shown = node.json(&["pool", "show", &local]);
    assert_eq!(shown["gateway"], "172.28.0.1");
    assert_eq!(shown["scope"], "local");
    assert_eq!(shown["usage"]["size"], "65536");
    // As it is now, without its epoch.
    let shown = node.json(&["pool", "show", "GlobalDefault/10.0.0.0/24"]);
    assert_eq!(shown["id"], global.as_str());
    assert_eq!(shown["usage"]["held"], "11");
}

#[test]
fn what_was_given_outlives_the_process() {
    let mut node = Node::ready();
    let global = pool(&node, "GlobalDefault", "");
    let local = pool(&node, "LocalDefault", "");
    address(&node, &global, "{}");
    address(&node, &local, "{}");
    let before = addresses(&node);
    node.signal("-KILL");
    node.ended();
    // No --bootstrap: there is a cluster now.
    node.start(&[]);
    assert_eq!(addresses(&node), before);
    assert_eq!(address(&node, &global, "{}"), "10.0.0.2/24");
}

#[test]
fn why_explains_addresses_and_pools() {
    let node = Node::ready();
    let id = pool(&node, "GlobalDefault", "10.9.0.0/30");
    let owned = r#"{"com.docker.network.endpoint.macaddress":"02:42:0a:09:00:01"}"#;
    address(&node, &id, owned);
    address(&node, &id, "{}");
    let said = node.ask(&["why", "10.9.0.1"]);
    assert_eq!(said.exit, Some(0), "{}", said.err);
    for words in ["10.9.0.1 is held", &id, "02:42:0a:09:00:01", "N1", "ago", "kept by the cluster"]
    {
        let found = said.out.contains(words) || (words == "ago" && said.out.contains("just now"));
        assert!(found, "{words:?} is missing in:\n{}", said.out);
    }
    let said = node.ask(&["why", &id]);
    assert!(said.out.contains("It is full: none of the 4 addresses"), "{}", said.out);
    assert!(said.out.contains("2 held"), "{}", said.out);

    let body = format!(r#"{{"PoolID":"{id}","Address":"10.9.0.1"}}"#);
    node.call("ReleaseAddress", &body);
    let said = node.ask(&["why", "10.9.0.1"]);
    assert!(said.out.contains("10.9.0.1 was released"), "{}", said.out);
    let said = node.ask(&["why", "192.0.2.1"]);
    assert_eq!(said.exit, Some(1));
    assert!(said.err.contains("BERTH-0112"), "{}", said.err);
}

#[test]
fn a_stop_is_clean() {
    let mut node = Node::ready();
    node.signal("-TERM");
    assert_eq!(node.ended(), Some(0), "{}", node.log());
    for socket in ["api.sock", "plugin.sock"] {
        assert!(!node.path(socket).exists(), "{socket} is left");
    }
    assert!(node.log().contains("stopped"));
    let said = node.ask(&["status"]);
    assert_eq!(said.exit, Some(3));
    assert!(said.err.contains("BERTH-0109") && said.err.contains("berth server"), "{}", said.err);
}
