//! PostgreSQL on one host: a row for each address, the lowest free one taken in one statement that waits
//! for no other.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, net};

use anyhow::{Context, Result, ensure};
use berth_node::bench::{Refused, Target};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, NoTls, Statement};

/// Whom the server runs as where this runs as root, which it refuses.
const USER: &str = "postgres";
/// Where Debian and others keep its programs, by version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections, at most. Of 1, 4, 16, 64 and 256 it gave most with 16 to 64.
const CONNECTIONS_MAX: usize = 32;
/// 10.0.0.0, and how many addresses there are from there: more than any run takes.
const FIRST: i64 = 10 << 24;
const ADDRESSES: i64 = 1 << 18;

const SETTINGS: [&str; 9] = [
    "listen_addresses=",
    "fsync=on",
    "synchronous_commit=on",
    "wal_sync_method=fdatasync",
    "shared_buffers=256MB",
    "max_connections=300",
    "max_wal_size=8GB",
    "checkpoint_timeout=1h",
    "autovacuum_naptime=5s",
];
const SCHEMA: &str = "
    DROP TABLE IF EXISTS address;
    CREATE TABLE address (number bigint PRIMARY KEY, owner text);
    CREATE INDEX free ON address (number) WHERE owner IS NULL;";
const TAKE: &str = "
    UPDATE address SET owner = $1 WHERE number = (
        SELECT number FROM address WHERE owner IS NULL
        ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED
    ) RETURNING number";
const GIVE_BACK: &str = "UPDATE address SET owner = NULL WHERE number = $1";

/// A server that runs until this is dropped.
pub(crate) struct Postgres {
    pub(crate) socket_dir: PathBuf,
    process: Child,
    _dir: TempDir,
}

impl Postgres {
    /// Makes a database cluster, and starts its server. All that keeps data from getting lost is on.
    pub(crate) async fn start() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("postgres-").tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let home = dir.path().join("home");
        fs::create_dir(&home)?;
        let user = if geteuid().is_root() {
            let user = uzers::get_user_by_name(USER).context("there is no user postgres")?;
            std::os::unix::fs::chown(&home, Some(user.uid()), Some(user.primary_group_id()))?;
            Some((user.uid(), user.primary_group_id()))
        } else {
            None
        };
        let programs = programs()?;
        let command = |name: &str| {
            let mut command = Command::new(programs.join(name));
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command.current_dir(&home).env_clear().stdin(Stdio::null());
            command
        };
        let data = home.join("data");
        let mut initdb = command("initdb");
        initdb.args(["--username", "bench", "--auth", "trust", "--encoding", "UTF8"]);
        let made = initdb.args(["--locale", "C", "--pgdata"]).arg(&data).output().await;
        let made = made.context("cannot run initdb")?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = command("postgres");
        server.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        let server = server.arg("-k").arg(&home).arg("-D").arg(&data);
        server.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let process = server.spawn().context("cannot start postgres")?;
        let postgres = Self { socket_dir: home, process, _dir: dir };
        let began = Instant::now();
        while let Err(error) = connect(&postgres.socket_dir).await {
            ensure!(began.elapsed() < PATIENCE, "postgres did not start: {error}");
            sleep(Duration::from_millis(100)).await;
        }
        Ok(postgres)
    }
}

impl Postgres {
    /// Leaves nothing to be tidied up in the background.
    pub(crate) async fn clear(&self) -> Result<()> {
        let client = connect(&self.socket_dir).await?;
        for statement in ["DROP TABLE IF EXISTS address", "CHECKPOINT"] {
            client.batch_execute(statement).await?;
        }
        Ok(())
    }
}

async fn connect(socket_dir: &Path) -> Result<Client, tokio_postgres::Error> {
    let config = format!("host={} user=bench dbname=postgres", socket_dir.display());
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await?;
    // It ends with the client; errors show there.
    tokio::spawn(connection);
    Ok(client)
}

/// Clients of a fresh table, which share connections where they are many.
pub(crate) async fn clients(socket_dir: &Path, clients: usize) -> Result<Vec<Row>> {
    let first = connect(socket_dir).await?;
    first.batch_execute(SCHEMA).await?;
    let all =
        format!("INSERT INTO address SELECT generate_series({FIRST}, {FIRST} + {ADDRESSES} - 1)");
    first.batch_execute(&all).await?;
    // Not in one transaction, as several statements at once would be.
    for statement in ["VACUUM ANALYZE address", "CHECKPOINT"] {
        first.batch_execute(statement).await?;
    }
    let mut connections = Vec::new();
    for _ in 0..clients.min(CONNECTIONS_MAX) {
        let client = connect(socket_dir).await?;
        let take = client.prepare(TAKE).await?;
        let give_back = client.prepare(GIVE_BACK).await?;
        connections.push((Arc::new(client), take, give_back));
    }
    let connections = connections.iter().cycle().take(clients).enumerate();
    let row = |(number, (client, take, give_back)): (usize, &(Arc<Client>, _, _))| Row {
        client: Arc::clone(client),
        take: Statement::clone(take),
        give_back: Statement::clone(give_back),
        owner: format!("client {number}"),
    };
    Ok(connections.map(row).collect())
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its own processes end with it only if it is asked to end.
        let pid = self.process.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::QUIT);
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// Where the newest version's programs are.
fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir(PROGRAMS).context("PostgreSQL is missing: scripts/setup bench")?;
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let paths = versions.filter_map(|entry| Some(entry.ok()?.path()));
    let newest =
        paths.filter(|path| path.join("bin/postgres").exists()).max_by_key(|path| version(path));
    Ok(newest.context("PostgreSQL is missing: scripts/setup bench")?.join("bin"))
}

/// A client.
pub(crate) struct Row {
    client: Arc<Client>,
    take: Statement,
    give_back: Statement,
    owner: String,
}

impl Target for Row {
    async fn request(&mut self) -> Result<net::IpAddr, Refused> {
        let taken = self.client.query_opt(&self.take, &[&self.owner]).await;
        let taken = taken.map_err(Refused::because)?;
        let row = taken.ok_or_else(|| Refused::because("no row was free, or not locked"))?;
        let number: i64 = row.try_get(0).map_err(Refused::because)?;
        let bits = u32::try_from(number).map_err(Refused::because)?;
        Ok(net::Ipv4Addr::from_bits(bits).into())
    }

    async fn release(&mut self, address: net::IpAddr) -> Result<(), Refused> {
        let net::IpAddr::V4(address) = address else {
            return Err(Refused::because("not of the pool"));
        };
        let number = i64::from(address.to_bits());
        let given_back = self.client.execute(&self.give_back, &[&number]).await;
        given_back.map(|_| ()).map_err(Refused::because)
    }
}
