//! CNI's host-local, run as a container runtime runs it: a process for each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result};
use berth_node::bench::{Refused, Target};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Where Debian, and where CNI itself, keeps plugins.
const PLACES: [&str; 2] = ["/usr/lib/cni/host-local", "/opt/cni/bin/host-local"];
/// Room for more addresses than any run takes.
const SUBNET: &str = "10.0.0.0/8";

/// Containers on one network, on which nobody has an address yet. The directory is the network's.
pub(crate) fn clients(clients: usize) -> Result<(TempDir, Vec<Containers>)> {
    let plugin = PLACES.iter().map(Path::new).find(|path| path.exists());
    let plugin = plugin.context("host-local is missing: scripts/setup bench")?;
    let dir = tempfile::Builder::new().prefix("host-local-").tempdir()?;
    let network = json!({
        "cniVersion": "0.4.0",
        "name": "bench",
        "type": "bridge",
        "ipam": { "type": "host-local", "dataDir": dir.path(), "ranges": [[{ "subnet": SUBNET }]] },
    });
    let network: Arc<[u8]> = network.to_string().into_bytes().into();
    let containers = |number| Containers {
        plugin: plugin.to_owned(),
        network: Arc::clone(&network),
        number,
        count: 0,
        addresses: HashMap::new(),
    };
    Ok((dir, (0..clients).map(containers).collect()))
}

/// A client: containers that are made one after another.
pub(crate) struct Containers {
    plugin: PathBuf,
    network: Arc<[u8]>,
    number: usize,
    count: u64,
    addresses: HashMap<IpAddr, String>,
}

impl Containers {
    async fn run(&self, command: &str, container: &str) -> Result<Output> {
        let mut plugin = Command::new(&self.plugin);
        plugin
            .env_clear()
            .env("CNI_COMMAND", command)
            .env("CNI_CONTAINERID", container)
            .env("CNI_NETNS", format!("/var/run/netns/{container}"))
            .env("CNI_IFNAME", "eth0")
            .env("CNI_PATH", self.plugin.parent().unwrap_or(&self.plugin))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut running = plugin.spawn()?;
        let mut stdin = running.stdin.take().context("it is piped")?;
        stdin.write_all(&self.network).await?;
        drop(stdin);
        let output = running.wait_with_output().await?;
        let said = String::from_utf8_lossy(&output.stdout);
        anyhow::ensure!(output.status.success(), "host-local: {said}");
        Ok(output)
    }

    async fn add(&self, container: &str) -> Result<IpAddr> {
        let output = self.run("ADD", container).await?;
        let result: Value = serde_json::from_slice(&output.stdout)?;
        let address = result["ips"][0]["address"].as_str().context("no address in the result")?;
        let (address, _) = address.split_once('/').context("an address without its length")?;
        Ok(address.parse()?)
    }
}

impl Target for Containers {
    async fn request(&mut self) -> Result<IpAddr, Refused> {
        self.count += 1;
        let container = format!("bench-{}-{}", self.number, self.count);
        let address = self.add(&container).await.map_err(Refused::because)?;
        self.addresses.insert(address, container);
        Ok(address)
    }

    async fn release(&mut self, address: IpAddr) -> Result<(), Refused> {
        let container = self.addresses.remove(&address);
        let container = container.ok_or_else(|| Refused::because("not given here"))?;
        self.run("DEL", &container).await.map(|_| ()).map_err(Refused::because)
    }
}
