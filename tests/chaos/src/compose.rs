//! The cluster as docker-compose runs it, on small disks.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use berth_chaos::hosts::Host;
use rustix::fs::{Gid, Uid, chown};

use crate::containers::{container, dirs, disk};
use crate::shell::{run, said};

/// The user of the image.
const BERTH: u32 = 10_001;
/// Room for a node's files and an hour's work.
const DISK: &str = "size=400m";

/// The running cluster; its containers and disks go with [`Self::down`].
pub(crate) struct Compose {
    root: PathBuf,
    dir: PathBuf,
    hosts: Vec<Host>,
    /// Docker's newer client has Compose built in.
    built_in: bool,
}

impl Compose {
    /// For the checkout at `root`, with the hosts' files in `dir`.
    pub(crate) async fn new(root: &Path, dir: &Path, hosts: &[Host]) -> Self {
        let built_in = run("docker", &["compose", "version"]).await.is_ok();
        Self { root: root.to_owned(), dir: dir.to_owned(), hosts: hosts.to_vec(), built_in }
    }

    /// Starts everything from nothing.
    pub(crate) async fn up(&self) -> Result<()> {
        self.down().await?;
        for host in &self.hosts {
            let mounted = disk(host);
            std::fs::create_dir_all(&mounted)?;
            run("mount", &["-t", "tmpfs", "-o", DISK, "tmpfs", text(&mounted)?]).await?;
            for dir in dirs(host) {
                std::fs::create_dir_all(&dir)?;
                chown(&dir, Some(Uid::from_raw(BERTH)), Some(Gid::from_raw(BERTH)))?;
            }
        }
        self.compose(&["up", "--detach"]).await.map(|_| ())
    }

    /// Removes containers, network, volumes and disks.
    pub(crate) async fn down(&self) -> Result<()> {
        self.compose(&["down", "--volumes", "--timeout", "10"]).await?;
        for host in &self.hosts {
            let mounted = disk(host);
            let mounts = std::fs::read_to_string("/proc/self/mounts")?;
            if mounts.contains(&format!(" {} ", mounted.display())) {
                run("umount", &["--lazy", text(&mounted)?]).await?;
            }
            let dir = self.dir.join(&host.name);
            if dir.exists() {
                std::fs::remove_dir_all(&dir).with_context(|| dir.display().to_string())?;
            }
        }
        Ok(())
    }

    /// All that a host has logged.
    pub(crate) async fn log(&self, host: &Host) -> Result<String> {
        said("docker", &["logs", &container(host)]).await
    }

    async fn compose(&self, command: &[&str]) -> Result<String> {
        let base = self.root.join("docker-compose.yml");
        let overlay = self.root.join("tests/chaos/docker-compose.chaos.yml");
        let dir = format!("CHAOS_DIR={}", self.dir.display());
        let program: &[&str] =
            if self.built_in { &["docker", "compose"] } else { &["docker-compose"] };
        let files = ["-p", "berth-chaos", "-f", text(&base)?, "-f", text(&overlay)?];
        run("env", &[&[dir.as_str()], program, &files, command].concat()).await
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is no text", path.display()))
}
