//! Settings are checked once: each mistake is one error that says what to do.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeSet;
use std::fs;

use berth_node::config::{
    AgentConfig, AgentSettings, HostSettings, MemberSettings, ServerConfig, Settings,
};
use tempfile::TempDir;

fn host() -> HostSettings {
    HostSettings { name: Some("N1".into()), ..HostSettings::default() }
}

fn member() -> MemberSettings {
    MemberSettings {
        listen: Some("127.0.0.1:7100".into()),
        bootstrap: Some(true),
        ..MemberSettings::default()
    }
}

#[test]
fn one_node_is_a_cluster() {
    let config = ServerConfig::new(host(), member()).unwrap();
    assert_eq!(config.members.len(), 1);
    assert_eq!(config.members[0].name, config.host.name);
    assert_eq!(config.members[0].address, "127.0.0.1:7100");
    let host = config.host;
    assert_eq!(host.global_space.as_str(), "GlobalDefault");
    assert_eq!(host.api_socket.to_str(), Some("/run/berth/api.sock"));
    assert_eq!(host.plugin_socket.to_str(), Some("/run/docker/plugins/berth.sock"));
    assert_eq!(host.data_dir.to_str(), Some("/var/lib/berth"));
}

#[test]
fn one_node_makes_its_own_secret() {
    let anywhere = MemberSettings { listen: Some("0.0.0.0:7100".to_owned()), ..member() };
    let made = |host| ServerConfig::new(host, anywhere.clone()).unwrap();
    let own = made(host());
    assert!(own.keep_secret && own.host.secret.is_some());
    assert_ne!(own.host.secret, made(host()).host.secret, "at random");
    let plain = made(HostSettings { insecure: Some(true), ..host() });
    assert!(!plain.keep_secret && plain.host.secret.is_none());
}

#[test]
fn a_list_of_members_is_a_cluster() {
    let list = " N1=127.0.0.1:7101, N2=localhost:7102,N3=[::1]:7103 ";
    let listed = MemberSettings { initial_cluster: Some(list.to_owned()), ..member() };
    let config = ServerConfig::new(host(), listed).unwrap();
    let members: Vec<_> =
        config.members.iter().map(|m| (m.name.as_str(), m.address.as_str())).collect();
    let expected = [("N1", "127.0.0.1:7101"), ("N2", "localhost:7102"), ("N3", "[::1]:7103")];
    assert_eq!(members, expected);
}

#[test]
fn mistakes_are_told() {
    let long = "x".repeat(120);
    let named = |name: &str| (HostSettings { name: Some(name.into()), ..host() }, member());
    let listen =
        |listen: &str| (host(), MemberSettings { listen: Some(listen.into()), ..member() });
    let cluster = |list: &str| {
        (host(), MemberSettings { initial_cluster: Some(list.to_owned()), ..member() })
    };
    let advertise = |at: &str| (host(), MemberSettings { advertise: Some(at.into()), ..member() });
    // Whoever forms a cluster alone makes a secret.
    let with_list = |(host, member): (HostSettings, MemberSettings)| {
        (host, MemberSettings { initial_cluster: Some("N1=127.0.0.1:1".to_owned()), ..member })
    };
    let join = |token: &str| (host(), MemberSettings { join: Some(token.into()), ..member() });
    let realm = |realm: &str| (HostSettings { realm: Some(realm.into()), ..host() }, member());
    let mistakes = [
        (named("a/b"), "\"a/b\" is not a node's name"),
        (named(""), "is not a node's name"),
        (named("-a"), "is not a node's name"),
        (listen("7100"), "--listen to HOST:PORT"),
        (listen("127.0.0.1:0"), "--listen to HOST:PORT"),
        (listen("127.0.0.1:70000"), "--listen to HOST:PORT"),
        (with_list(listen("0.0.0.0:7100")), "--insecure"),
        (with_list(listen("db1:7100")), "--insecure"),
        (cluster(""), "write NAME=HOST:PORT"),
        (cluster("N1"), "\"N1\" in --initial-cluster is not a member"),
        (cluster("N1=127.0.0.1"), "is not a member"),
        (cluster("N1=127.0.0.1:1,"), "\"\" in --initial-cluster"),
        (cluster("N 1=127.0.0.1:1"), "is not a member"),
        (cluster("N2=127.0.0.1:1"), "this node is called N1"),
        (cluster("N1=127.0.0.1:1,N1=127.0.0.1:2"), "names N1 twice"),
        (cluster("N1=127.0.0.1:1,N2=127.0.0.1:1"), "127.0.0.1:1 twice"),
        (cluster("N1=127.0.0.1:1,N2=10.0.0.1:1"), "10.0.0.1:1 is not on loopback"),
        (advertise("db1"), "set --advertise to HOST:PORT"),
        (with_list(advertise("10.0.0.1:7100")), "10.0.0.1:7100 is not on loopback"),
        (join("berth-join-AAAA"), "token cannot be used"),
        (join("a secret"), "this is no token"),
        (
            (host(), MemberSettings { join: Some("t".into()), ..cluster("N1=127.0.0.1:1").1 }),
            "exclude each other",
        ),
        (
            (
                HostSettings { insecure: Some(true), ..host() },
                cluster("N1=10.0.0.1:1,N2=10.0.0.2:1").1,
            ),
            "a secret",
        ),
        (realm("a@b"), "\"a@b\" is not a realm"),
        (realm(&long), "is not a realm"),
        (
            (HostSettings { api_socket: Some(long.into()), ..host() }, member()),
            "too long for a socket",
        ),
        (
            (
                HostSettings {
                    api_socket: Some("/run/one".into()),
                    plugin_socket: Some("/run/one".into()),
                    ..host()
                },
                member(),
            ),
            "are both /run/one",
        ),
    ];
    for ((host, member), words) in mistakes {
        let said = ServerConfig::new(host.clone(), member.clone()).unwrap_err().to_string();
        assert!(said.contains(words), "{words:?} is missing in {said:?}, for {host:?}, {member:?}");
    }
}

#[test]
fn an_agent_needs_servers() {
    let dir = TempDir::new().unwrap();
    let host = || HostSettings { data_dir: Some(dir.path().into()), ..host() };
    let agent = |list: &str| AgentSettings { server: Some(list.to_owned()) };
    let config = AgentConfig::new(host(), agent(" 127.0.0.1:1, localhost:2")).unwrap();
    assert_eq!(config.servers, ["127.0.0.1:1", "localhost:2"]);
    let insecure = || HostSettings { insecure: Some(true), ..host() };
    let mistakes = [
        (host(), AgentSettings::default(), "--server"),
        (host(), agent(" "), "--server"),
        (host(), agent("127.0.0.1"), "\"127.0.0.1\" in --server"),
        (host(), agent("127.0.0.1:1,"), "\"\" in --server"),
        (host(), agent("10.0.0.1:1"), "--insecure"),
        (insecure(), agent("10.0.0.1:1"), "a secret"),
    ];
    for (host, agent, words) in mistakes {
        let said = AgentConfig::new(host, agent.clone()).unwrap_err().to_string();
        assert!(said.contains(words), "{words:?} is missing in {said:?}, for {agent:?}");
    }
    fs::create_dir(dir.path().join("raft")).unwrap();
    let said = AgentConfig::new(host(), agent("127.0.0.1:1")).unwrap_err().to_string();
    assert!(said.contains("berth server"), "{said}");
}

#[test]
fn a_secret_must_be_one() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("secret");
    let config = || {
        let host = HostSettings { bootstrap_secret_file: Some(file.clone()), ..host() };
        ServerConfig::new(host, member())
    };
    let refused = || config().unwrap_err().to_string();
    assert!(refused().contains("cannot read"));
    fs::write(&file, "short\n").unwrap();
    assert!(refused().contains("no secret that can be used"));
    fs::write(&file, "0123456789abcdef\n").unwrap();
    let config = config().unwrap();
    assert!(config.host.secret.is_some());
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
        advertise = "h:1"
        join = "t"
        replace = true
        learner = true
        snapshot-after = 7
        bootstrap-secret-file = "/s"
        realm = "r"
        insecure = true
        docker-socket = "/e"
        reconcile-seconds = 5
        disk-reserve = "2GiB"
        log-level = "debug"
        log-format = "json"
        audit = "all"
        server = "127.0.0.1:2"
    "#;
    fs::write(&file, content).unwrap();
    let settings = Settings::load(Some(&file)).unwrap();
    let keys = content.lines().filter_map(|line| Some(line.split_once('=')?.0.trim()));
    let differences = settings.differences(&Settings::default()).into_iter();
    assert_eq!(differences.collect::<BTreeSet<_>>(), keys.collect());
    // All of them: nothing is left at its default.
    let Settings {
        host:
            HostSettings {
                name: Some(_),
                data_dir: Some(_),
                api_socket: Some(_),
                plugin_socket: Some(_),
                bootstrap_secret_file: Some(_),
                realm: Some(_),
                insecure: Some(true),
                docker_socket: Some(_),
                reconcile_seconds: Some(5),
                log_level: Some(_),
                log_format: Some(_),
                audit: Some(_),
                disk_reserve: Some(_),
            },
        member:
            MemberSettings {
                listen: Some(_),
                bootstrap: Some(true),
                advertise: Some(_),
                initial_cluster: Some(_),
                join: Some(_),
                replace: Some(true),
                learner: Some(true),
                snapshot_after: Some(7),
            },
        agent: AgentSettings { server: Some(_) },
    } = settings
    else {
        panic!("something is missing: {settings:?}")
    };
    assert!(Settings::load(Some(&dir.path().join("none"))).is_err());
}
