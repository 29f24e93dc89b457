//! Starting and stopping a private PostgreSQL cluster.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use super::database::{maintenance_url, psql};
use crate::ports::free_port;
use crate::process::{Belongings, ChildProcess, Signal};
use crate::programs::find_program;

const START_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const SUPERUSER: &str = "postgres";

/// Durability costs time and a test's data is worth none. Many test processes share the cluster, so many connections.
const SETTINGS: [&str; 5] =
    ["fsync=off", "max_connections=400", "shared_buffers=64MB", "full_page_writes=off", "log_min_messages=warning"];

#[derive(Debug)]
pub(super) struct Cluster {
    port: u16,
    server: Mutex<ChildProcess>,
    // After the server: the fields are dropped in this order.
    folder: TempDir,
}

impl Cluster {
    pub(super) fn start() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("maas-postgres-").tempdir()?;
        let account = Account::current()?;
        account.own(folder.path())?;
        let initdb = account
            .command(&find_server_program("initdb")?, folder.path())
            .args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "-U", SUPERUSER, "-D"])
            .arg(data_folder(folder.path()))
            .output()
            .context("cannot run initdb")?;
        ensure!(initdb.status.success(), "initdb failed: {}", String::from_utf8_lossy(&initdb.stderr).trim());
        let port = free_port()?;
        let server = spawn_ready(&account, folder.path(), port)?;
        Ok(Self { port, server: Mutex::new(server), folder })
    }

    pub(super) fn address(&self) -> String {
        address(self.port)
    }

    pub(super) fn kill(&self) -> anyhow::Result<()> {
        self.lock().kill().map(drop)
    }

    pub(super) fn stop(&self) -> anyhow::Result<()> {
        stop_server(&mut self.lock())
    }

    pub(super) fn restart(&self) -> anyhow::Result<()> {
        let mut server = self.lock();
        stop_server(&mut server)?;
        let account = Account::current()?;
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match spawn_ready(&account, self.folder.path(), self.port) {
                Ok(started) => {
                    *server = started;
                    return Ok(());
                }
                // After SIGKILL the orphaned backends hold the shared memory for a moment, and a new server refuses it.
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ChildProcess> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where Debian keeps the server's programs, the newest version first.
pub(super) fn binary_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    folders.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    folders.into_iter().map(|(_, folder)| folder).collect()
}

fn find_server_program(name: &str) -> anyhow::Result<PathBuf> {
    find_program(name, &binary_folders(), "postgresql")
}

fn address(port: u16) -> String {
    format!("postgres://{SUPERUSER}@127.0.0.1:{port}")
}

fn data_folder(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn stop_server(server: &mut ChildProcess) -> anyhow::Result<()> {
    if server.try_wait()?.is_none() {
        // The fast shutdown; SIGTERM would wait for every client to leave.
        server.signal(Signal::Interrupt)?;
        server.wait_blocking(STOP_TIMEOUT)?;
    }
    Ok(())
}

fn spawn_ready(account: &Account, folder: &Path, port: u16) -> anyhow::Result<ChildProcess> {
    let mut command = account.command(&find_server_program("postgres")?, folder);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"]).arg(folder).arg("-D").arg(data_folder(folder));
    command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
    let log_file = folder.join("postgres.log");
    // The immediate shutdown: nothing is saved, but unlike SIGKILL it takes the backends along.
    let belongings = Belongings { log_file: &log_file, folder: Some(folder), end_signal: Signal::Quit };
    let mut server = ChildProcess::spawn_with(command, belongings)?;
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if let Some(status) = server.try_wait()? {
            bail!("postgres ended at its start: {status}\n{}", server.log());
        }
        let Err(error) = psql(&maintenance_url(&address(port)), "SELECT 1") else {
            return Ok(server);
        };
        if Instant::now() >= deadline {
            bail!("postgres was not ready within {START_TIMEOUT:?}: {error}\n{}", server.log());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Who the server runs as. It refuses to run as root, so root hands over to the account of the Debian package.
struct Account {
    switch_to: Option<(u32, u32)>,
}

impl Account {
    fn current() -> anyhow::Result<Self> {
        if id(&["-u"])? != 0 {
            return Ok(Self { switch_to: None });
        }
        let user = id(&["-u", SUPERUSER]).context("as root, PostgreSQL needs the account of the postgresql package")?;
        Ok(Self { switch_to: Some((user, id(&["-g", SUPERUSER])?)) })
    }

    fn own(&self, folder: &Path) -> anyhow::Result<()> {
        if let Some((user, group)) = self.switch_to {
            std::os::unix::fs::chown(folder, Some(user), Some(group))?;
        }
        Ok(())
    }

    /// Changes the account in the child itself: with a wrapper such as runuser the process we signal would be the
    /// wrapper, not the server.
    fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder);
        if let Some((user, group)) = self.switch_to {
            command.uid(user).gid(group);
        }
        command
    }
}

fn id(arguments: &[&str]) -> anyhow::Result<u32> {
    let output = Command::new("id").args(arguments).output().context("cannot run id")?;
    ensure!(output.status.success(), "id {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
