//! Spaces are made, changed and removed, on any node's word, and mistakes change nothing.

use crate::world::Node;

#[test]
fn a_shared_space_is_made_used_changed_and_removed() {
    let node = Node::ready();
    let said = node.ask(&["space", "create", "lab", "--shared", "--range", "10.64.0.0/16:26"]);
    assert_eq!(said.exit, Some(0), "{}", said.err);
    let lab = node.json(&["space", "show", "lab"]);
    assert_eq!((&lab["sharing"], &lab["scope"]), (&"shared".into(), &"global".into()));
    assert_eq!(lab["ranges"], serde_json::json!([{"base": "10.64.0.0/16", "length": 26}]));
    assert_eq!(lab["reuse_delay_ms"], 60_000);

    let said = node.ask(&["space", "set", "lab", "--reuse-delay", "5m"]);
    assert_eq!(said.exit, Some(0), "{}", said.err);
    let changed = node.json(&["space", "show", "lab"]);
    assert_eq!(changed["reuse_delay_ms"], 300_000);
    assert_eq!(changed["ranges"], lab["ranges"]);

    let options = r#"{"berth.space":"lab"}"#;
    let body = format!(
        r#"{{"AddressSpace":"LocalDefault","Pool":"","SubPool":"","Options":{options},"V6":false}}"#
    );
    assert_eq!(node.call("RequestPool", &body)["PoolID"], "lab/10.64.0.0/26");
    let said = node.ask(&["space", "rm", "lab"]);
    assert_eq!(said.exit, Some(1));
    assert!(said.err.contains("BERTH-0003"), "{}", said.err);
    node.call("ReleasePool", r#"{"PoolID":"lab/10.64.0.0/26"}"#);
    let said = node.ask(&["space", "rm", "lab"]);
    assert_eq!(said.exit, Some(0), "{}", said.err);
    assert!(node.ask(&["space", "show", "lab"]).err.contains("BERTH-0001"));
}

#[test]
fn the_local_space_can_be_changed() {
    let node = Node::ready();
    let said = node.ask(&["space", "set", "LocalDefault", "--range", "172.29.0.0/16:20"]);
    assert_eq!(said.exit, Some(0), "{}", said.err);
    let body = r#"{"AddressSpace":"LocalDefault","Pool":"","SubPool":"","Options":{},"V6":false}"#;
    assert_eq!(node.call("RequestPool", body)["PoolID"], "LocalDefault/172.29.0.0/20");
}

#[test]
fn mistakes_change_nothing() {
    let node = Node::ready();
    let before = node.json(&["space", "ls"]);
    let refused: [(&[&str], i32, &str); 7] = [
        (&["space", "create", "GlobalDefault"], 1, "BERTH-0002"),
        (&["space", "create", "lab", "--range", "10.0.0.0/16:8"], 1, "BERTH-0005"),
        (&["space", "create", "lab", "--range", "10.0.0.0/99"], 2, "10.0.0.0/8:24"),
        (&["space", "create", "lab", "--reuse-delay", "soon"], 2, "--reuse-delay"),
        (&["space", "set", "lab", "--reuse-delay", "1s"], 1, "BERTH-0001"),
        (&["space", "rm", "LocalDefault"], 1, "engine needs it"),
        (&["space", "rm", "GlobalDefault"], 1, "engine needs it"),
    ];
    for (arguments, exit, words) in refused {
        let said = node.ask(arguments);
        assert_eq!(said.exit, Some(exit), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(words), "{arguments:?}: {}", said.err);
    }
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(300 << 10));
    let deep = "[".repeat(100_000);
    for (body, code) in [
        ("", "BERTH-0103"),
        ("null", "BERTH-0103"),
        ("{", "BERTH-0103"),
        (r#"{"name":7}"#, "BERTH-0103"),
        (r#"{"name":"../x"}"#, "BERTH-0103"),
        (r#"{"name":"x","colour":"red"}"#, "BERTH-0103"),
        (r#"{"name":"x","settings":{"ranges":[{"base":"nowhere","length":1}]}}"#, "BERTH-0103"),
        (&deep, "BERTH-0103"),
        (&large, "BERTH-0106"),
    ] {
        let (_, answer) = node.http_with("POST /v1/spaces", body);
        let problem: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let start: String = body.chars().take(60).collect();
        assert_eq!(problem["code"], code, "{start}");
    }
    assert_eq!(node.json(&["space", "ls"]), before);
}
