//! Settings are checked once: each mistake is one error that says what to do.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;

use berth_node::config::{ServerConfig, Settings};
use tempfile::TempDir;

fn settings() -> Settings {
    Settings {
        name: Some("N1".into()),
        listen: Some("127.0.0.1:7100".into()),
        bootstrap: Some(true),
        ..Settings::default()
    }
}

fn refused(settings: Settings) -> String {
    ServerConfig::new(settings).unwrap_err().to_string()
}

#[test]
fn one_node_is_a_cluster() {
    let config = ServerConfig::new(settings()).unwrap();
    assert_eq!(config.members.len(), 1);
    assert_eq!(config.members[0].name, config.name);
    assert_eq!(config.members[0].address, "127.0.0.1:7100");
    assert_eq!(config.global_space.as_str(), "GlobalDefault");
    assert_eq!(config.api_socket.to_str(), Some("/run/berth/api.sock"));
    assert_eq!(config.plugin_socket.to_str(), Some("/run/docker/plugins/berth.sock"));
    assert_eq!(config.data_dir.to_str(), Some("/var/lib/berth"));
}

#[test]
fn a_list_of_members_is_a_cluster() {
    let list = " N1=127.0.0.1:7101, N2=localhost:7102,N3=[::1]:7103 ";
    let config =
        ServerConfig::new(Settings { initial_cluster: Some(list.to_owned()), ..settings() })
            .unwrap();
    let members: Vec<_> =
        config.members.iter().map(|m| (m.name.as_str(), m.address.as_str())).collect();
    let expected = [("N1", "127.0.0.1:7101"), ("N2", "localhost:7102"), ("N3", "[::1]:7103")];
    assert_eq!(members, expected);
}

#[test]
fn mistakes_are_told() {
    let long = "x".repeat(120);
    let cluster = |list: &str| Settings { initial_cluster: Some(list.to_owned()), ..settings() };
    let mistakes = [
        (Settings { name: Some("a/b".into()), ..settings() }, "\"a/b\" is not a node's name"),
        (Settings { name: Some(String::new()), ..settings() }, "is not a node's name"),
        (Settings { name: Some("-a".into()), ..settings() }, "is not a node's name"),
        (Settings { listen: Some("7100".into()), ..settings() }, "--listen to HOST:PORT"),
        (Settings { listen: Some("127.0.0.1:0".into()), ..settings() }, "--listen to HOST:PORT"),
        (
            Settings { listen: Some("127.0.0.1:70000".into()), ..settings() },
            "--listen to HOST:PORT",
        ),
        (Settings { listen: Some("0.0.0.0:7100".into()), ..settings() }, "--insecure"),
        (Settings { listen: Some("db1:7100".into()), ..settings() }, "--insecure"),
        (cluster(""), "write NAME=HOST:PORT"),
        (cluster("N1"), "\"N1\" in --initial-cluster is not a member"),
        (cluster("N1=127.0.0.1"), "is not a member"),
        (cluster("N1=127.0.0.1:1,"), "\"\" in --initial-cluster"),
        (cluster("N 1=127.0.0.1:1"), "is not a member"),
        (cluster("N2=127.0.0.1:1"), "this node is called N1"),
        (cluster("N1=127.0.0.1:1,N1=127.0.0.1:2"), "names N1 twice"),
        (cluster("N1=127.0.0.1:1,N2=127.0.0.1:1"), "127.0.0.1:1 twice"),
        (cluster("N1=127.0.0.1:1,N2=10.0.0.1:1"), "10.0.0.1:1 is not on loopback"),
        (Settings { insecure: Some(true), ..cluster("N1=10.0.0.1:1,N2=10.0.0.2:1") }, "a secret"),
        (Settings { realm: Some("a@b".into()), ..settings() }, "\"a@b\" is not a realm"),
        (Settings { realm: Some(long.clone()), ..settings() }, "is not a realm"),
        (Settings { api_socket: Some(long.into()), ..settings() }, "too long for a socket"),
        (
            Settings {
                api_socket: Some("/run/one".into()),
                plugin_socket: Some("/run/one".into()),
                ..settings()
            },
            "are both /run/one",
        ),
    ];
    for (settings, words) in mistakes {
        let said = refused(settings.clone());
        assert!(said.contains(words), "{words:?} is missing in {said:?}, for {settings:?}");
    }
}

#[test]
fn a_secret_must_be_one() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("secret");
    let with_secret = || Settings { bootstrap_secret_file: Some(file.clone()), ..settings() };
    assert!(refused(with_secret()).contains("cannot read"));
    fs::write(&file, "short\n").unwrap();
    assert!(refused(with_secret()).contains("no secret that can be used"));
    fs::write(&file, "0123456789abcdef\n").unwrap();
    let config = ServerConfig::new(with_secret()).unwrap();
    assert!(config.secret.is_some());
    assert!(!format!("{config:?}").contains("0123456789abcdef"));
}

#[test]
fn a_file_has_the_flags_names() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("berth.toml");
    let content = r#"
        name = "N1"
        data-dir = "/d"
        listen = "127.0.0.1:1"
        api-socket = "/a"
        plugin-socket = "/p"
        bootstrap = true
        initial-cluster = "N1=127.0.0.1:1"
        bootstrap-secret-file = "/s"
        realm = "r"
        insecure = true
        docker-socket = "/e"
        reconcile-seconds = 5
        log-level = "debug"
        log-format = "json"
    "#;
    fs::write(&file, content).unwrap();
    let settings = Settings::load(Some(&file)).unwrap();
    // All of them: nothing is left at its default.
    let Settings {
        name: Some(_),
        data_dir: Some(_),
        listen: Some(_),
        api_socket: Some(_),
        plugin_socket: Some(_),
        bootstrap: Some(true),
        initial_cluster: Some(_),
        bootstrap_secret_file: Some(_),
        realm: Some(_),
        insecure: Some(true),
        docker_socket: Some(_),
        reconcile_seconds: Some(5),
        log_level: Some(_),
        log_format: Some(_),
    } = settings
    else {
        panic!("something is missing: {settings:?}")
    };
    assert!(Settings::load(Some(&dir.path().join("none"))).is_err());
}
