//! The HTTP API as any program sees it.

use std::os::unix::fs::PermissionsExt;

use crate::world::Node;

#[test]
fn a_ready_node_says_so() {
    let node = Node::ready();
    for path in ["/livez", "/readyz"] {
        let (status, body) = node.http(&format!("GET {path}"));
        assert_eq!((status.as_str(), body.as_str()), ("HTTP/1.1 200 OK", "ok\n"));
    }
    let status = node.json(&["status"]);
    assert_eq!(status["ready"], true);
    assert_eq!(status["leader"], "N1");
    assert_eq!(status["members"].as_array().unwrap().len(), 1);
    let spaces: Vec<&str> =
        status["spaces"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(spaces, ["GlobalDefault", "LocalDefault"]);
    let mode = node.path("api.sock").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let data = node.path("data").metadata().unwrap().permissions().mode();
    assert_eq!(data & 0o777, 0o700);
}

#[test]
fn spaces_have_engines_default_ranges() {
    let node = Node::ready();
    let global = node.json(&["space", "show", "GlobalDefault"]);
    assert_eq!(global["sharing"], "exclusive");
    assert_eq!(global["ranges"][0]["base"], "10.0.0.0/8");
    assert_eq!(global["ranges"][0]["length"], 24);
    let local = node.json(&["space", "show", "LocalDefault"]);
    assert_eq!(local["ranges"][0]["base"], "172.17.0.0/16");
    for space in [&global, &local] {
        let v6 = space["ranges"].as_array().unwrap().last().unwrap();
        assert!(v6["base"].as_str().unwrap().starts_with("fd"), "{v6}");
        assert!(v6["base"].as_str().unwrap().ends_with("/48"), "{v6}");
        assert_eq!(v6["length"], 64);
    }
    let yaml = node.ask(&["space", "ls", "--output", "yaml"]);
    assert!(yaml.out.contains("name: GlobalDefault\n"), "{}", yaml.out);
}

#[test]
fn a_realm_has_a_space_of_its_own() {
    let mut node = Node::new();
    node.start(&["--bootstrap", "--realm", "blue"]);
    let answer = node.call("GetDefaultAddressSpaces", "");
    assert_eq!(answer["GlobalDefaultAddressSpace"], "GlobalDefault@blue");
    assert_eq!(answer["LocalDefaultAddressSpace"], "LocalDefault");
}

#[test]
fn mistakes_are_problems_with_codes() {
    let node = Node::ready();
    let mistakes = [
        ("GET /v1/nothing", 404, "BERTH-0104"),
        ("DELETE /v1/spaces", 405, "BERTH-0105"),
        ("GET /v1/spaces?consistency=perhaps", 400, "BERTH-0103"),
        ("GET /v1/spaces?colour=red", 400, "BERTH-0103"),
        ("GET /v1/spaces/no%00name", 400, "BERTH-0103"),
        ("GET /v1/spaces/nowhere", 404, "BERTH-0001"),
        ("GET /v1/pools/nonsense", 400, "BERTH-0103"),
        ("GET /v1/pools/LocalDefault/1.2.3.4/8", 400, "BERTH-0103"),
        ("GET /v1/pools/LocalDefault/10.0.0.0/8", 404, "BERTH-0012"),
        ("GET /v1/spaces/nowhere/pools", 404, "BERTH-0001"),
        ("GET /v1/addresses?address=300.1.1.1", 400, "BERTH-0103"),
        ("GET /v1/addresses?pool=LocalDefault/10.0.0.0/8", 404, "BERTH-0012"),
    ];
    for (request, status, code) in mistakes {
        let (line, body) = node.http(request);
        assert!(line.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {line}");
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["code"], code, "{request}");
        assert_eq!(problem["status"], status, "{request}");
        assert_eq!(problem["type"], format!("urn:berth:error:{code}"), "{request}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{request}");
    }
}

#[test]
fn a_head_beyond_the_limit_is_refused() {
    let node = Node::ready();
    let (line, _) = node.http(&format!("GET /v1/spaces?{}", "x".repeat(20 << 10)));
    assert!(line.starts_with("HTTP/1.1 431 "), "{line}");
    assert_eq!(node.ask(&["status"]).exit, Some(0));
}
