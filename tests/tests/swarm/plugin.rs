//! The managed plugin on one engine: set up in three commands, refused when set up wrong, and
//! keeping its data whatever becomes of the plugin.

use std::fs;
use std::process::{Child, Command, Stdio};

use berth_tests::{PATIENCE, eventually_within};
use tempfile::TempDir;

use crate::host::{DRIVER, Host};
use crate::swarm::{NETWORKS, OF_PLUGIN, Swarm};

/// Lines of the engine's log in which a refused plugin's words are looked for.
const RECENT: usize = 60;

/// A registry on this machine, in the hosts' eyes. It ends with this.
struct Registry {
    process: Child,
    address: String,
    _dir: TempDir,
}

impl Registry {
    fn start() -> Self {
        let binary = std::env::var("BERTH_TEST_REGISTRY").expect("scripts/check-swarm names it");
        let dir = tempfile::tempdir().unwrap();
        let address = format!("{NETWORKS}.{OF_PLUGIN}.1:{}", berth_tests::free_ports(1)[0]);
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '{address}'}}\n",
            dir.path().join("data").display()
        );
        let file = dir.path().join("config.yml");
        fs::write(&file, config).unwrap();
        let process = Command::new(binary).arg("serve").arg(file).stdout(Stdio::null()).spawn();
        Self { process: process.unwrap(), address, _dir: dir }
    }

    /// Brings a build of the plugin here, as its makers do; gives its name.
    async fn push(&self, host: &Host, build: &str) -> String {
        let name = format!("{}/berth:{build}", self.address);
        let dir = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").arg("-a").arg(Swarm::plugin()).arg(dir.path()).status();
        assert!(copied.unwrap().success());
        let plugin = dir.path().join(Swarm::plugin().file_name().unwrap());
        let config = plugin.join("config.json");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.replace("Berth: addresses", &format!("Berth {build}: addresses")))
            .unwrap();
        // 20.10 takes no second plugin of the same content.
        fs::write(plugin.join("rootfs/etc/build"), build).unwrap();
        host.docker(&["plugin", "create", &name, &plugin.display().to_string()]).await;
        eventually_within(PATIENCE, "the registry takes it", async || {
            host.try_docker(&["plugin", "push", &name]).await.ok()
        })
        .await;
        host.docker(&["plugin", "rm", &name]).await;
        name
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A new build takes the place of the old one, with its settings and its data.
async fn upgraded(host: &Host) {
    println!("== upgraded from a registry");
    let registry = Registry::start();
    let (old, new) = (registry.push(host, "one").await, registry.push(host, "two").await);
    // None may be there.
    let _ = host.try_docker(&["plugin", "rm", "--force", DRIVER]).await;
    let install = ["plugin", "install", "--alias", DRIVER, "--grant-all-permissions", &old];
    host.docker(&[&install[..], &["BERTH_REALM=kept"]].concat()).await;
    serves(host, "kept").await;
    host.docker(&["plugin", "disable", "--force", DRIVER]).await;
    let upgrade = ["plugin", "upgrade", "--skip-remote-check", "--grant-all-permissions"];
    host.docker(&[&upgrade[..], &[DRIVER, &new]].concat()).await;
    host.docker(&["plugin", "enable", DRIVER]).await;
    let format = "{{.Config.Description}} {{.Settings.Env}}";
    let is = host.docker(&["plugin", "inspect", "--format", format, DRIVER]).await;
    println!("  {is}");
    assert!(is.contains("Berth two"), "{is}");
    serves(host, "kept").await;
}

/// A plugin as it was created, in the place of the one there, if any. What it keeps is the host's.
async fn create_anew(host: &Host) {
    // None may be there.
    let _ = host.try_docker(&["plugin", "rm", "--force", DRIVER]).await;
    host.docker(&["plugin", "create", DRIVER, &Swarm::plugin().display().to_string()]).await;
}

/// Enables a new plugin with a mistake in its settings, and looks for words about it. A new one each
/// time: 20.10 may keep one that ended at once from ever being enabled.
async fn refused(host: &Host, settings: &[&str], words: &str) {
    println!("== {settings:?}");
    create_anew(host).await;
    host.docker(&[&["plugin", "set", DRIVER], settings].concat()).await;
    let error = host.try_docker(&["plugin", "enable", DRIVER]).await.expect_err("a mistake");
    let told = error.contains(words) || host.last_words(RECENT).contains(words);
    assert!(told, "nobody said {words:?}: {error}\n{}", host.last_words(RECENT));
}

async fn subnet(host: &Host, network: &str) -> String {
    let format = "{{(index .IPAM.Config 0).Subnet}}";
    host.docker(&["network", "inspect", "--format", format, network]).await
}

async fn create(host: &Host, name: &str) -> Result<String, String> {
    host.try_docker(&["network", "create", "--ipam-driver", DRIVER, name]).await
}

/// A container on the network gets an address and its gateway answers.
async fn serves(host: &Host, network: &str) {
    let ping = "ping -c1 -W5 $(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p')";
    let run = ["run", "--rm", "--network", network, "busybox", "sh", "-c", ping];
    host.docker(&run).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_set_up_and_keeps_its_data() {
    let swarm = Swarm::hosts(1, OF_PLUGIN).await;
    let host = &swarm.hosts[0];

    println!("== without any setting");
    create_anew(host).await;
    host.docker(&["plugin", "enable", DRIVER]).await;
    create(host, "kept").await.unwrap();
    serves(host, "kept").await;
    let kept = subnet(host, "kept").await;
    host.shell("test -d /var/lib/berth/raft -a -S /var/lib/berth/api.sock").await;
    let untagged = ["network", "create", "--ipam-driver", "berth", "untagged"];
    let error = host.try_docker(&untagged).await.expect_err("the name lacks its tag");
    assert!(error.contains("berth"), "{error}");

    println!("== disabled and enabled");
    // The network uses the plugin.
    host.docker(&["plugin", "disable", "--force", DRIVER]).await;
    let error = create(host, "while-disabled").await.expect_err("no driver");
    println!("  without it: {error}");
    host.docker(&["plugin", "enable", DRIVER]).await;
    serves(host, "kept").await;

    println!("== the host loses power");
    host.kill().await;
    host.boot().await;
    serves(host, "kept").await;

    println!("== others take its place, with the same data and mistakes of their own");
    refused(host, &["BERTH_NAME=another"], "data").await;
    refused(host, &["BERTH_LISTEN=198.18.77.11:7100"], "cannot listen").await;
    let others = "BERTH_INITIAL_CLUSTER=h2=127.0.0.1:7100";
    refused(host, &[others], "--initial-cluster").await;
    refused(host, &["data.source=/nowhere"], "/nowhere").await;
    refused(host, &["BERTH_MODE=boss"], "BERTH_MODE").await;
    refused(host, &["BERTH_MODE=agent"], "--server").await;
    let server = "BERTH_SERVER=127.0.0.1:7100";
    refused(host, &["BERTH_MODE=agent", server], "berth server").await;
    let unknown = host.try_docker(&["plugin", "set", DRIVER, "BERTH_REALMS=a"]).await;
    let error = unknown.expect_err("no such setting");
    assert!(error.contains("BERTH_REALMS"), "{error}");

    println!("== set right, it goes on");
    create_anew(host).await;
    host.docker(&["plugin", "enable", DRIVER]).await;
    serves(host, "kept").await;
    assert_eq!(subnet(host, "kept").await, kept);
    // Until it has a leader, a plugin refuses only what is the cluster's.
    eventually_within(PATIENCE, "a new network", async || create(host, "new").await.ok()).await;
    assert_ne!(subnet(host, "new").await, kept);
    upgraded(host).await;
    assert_eq!(subnet(host, "kept").await, kept);
}
