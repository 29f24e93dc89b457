//! What befalls a database server as a whole: all its processes stand still, or an older state of it comes back.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use maas_testkit::{Postgres, TestDatabase, eventually};
use maas_tests::PATIENCE;
use tempfile::TempDir;

/// The postmaster first: then nobody makes new processes. They go on when our end of the standard input is closed, which
/// the kernel does however we die.
const FREEZE_SCRIPT: &str = r#"
kill -s STOP "$1"
processes="$1 $(cat "/proc/$1/task/$1/children")"
# One that ends meanwhile is none that could go on.
kill -s STOP $processes 2>/dev/null
echo frozen
read -r _
kill -s CONT $processes 2>/dev/null
"#;

/// A server whose processes all stand still; its connections stay open. Dropped, they go on.
pub struct FrozenPostgres(Child);

impl FrozenPostgres {
    pub fn freeze(data_folder: &Path) -> anyhow::Result<Self> {
        let mut freezer = Command::new("sh");
        freezer
            .args(["-c", FREEZE_SCRIPT, "freezer", &postmaster(data_folder)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // Its own process group: what ends the tests from outside is not meant for it.
        let mut freezer = freezer.process_group(0).spawn().context("cannot start the shell")?;
        let mut said = String::new();
        BufReader::new(freezer.stdout.take().context("the shell's output")?).read_line(&mut said)?;
        let frozen = Self(freezer);
        ensure!(said == "frozen\n", "the server cannot be frozen");
        Ok(frozen)
    }
}

impl Drop for FrozenPostgres {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// All databases of a server as they were once: what a backup brings back.
pub struct LedgerCopy(TempDir);

impl LedgerCopy {
    /// Stops the server for the time of the copying.
    pub async fn take(postgres: &Postgres, data_folder: &Path) -> anyhow::Result<Self> {
        postgres.stop().await?;
        let copy = tempfile::Builder::new().prefix("maas-postgres-copy-").tempdir()?;
        copy_with_owners(data_folder, &copy.path().join("data"))?;
        postgres.restart().await?;
        Ok(Self(copy))
    }

    /// Whatever was committed since is gone.
    pub async fn put_back(self, postgres: &Postgres, data_folder: &Path) -> anyhow::Result<()> {
        postgres.stop().await?;
        std::fs::remove_dir_all(data_folder)?;
        copy_with_owners(&self.0.path().join("data"), data_folder)?;
        postgres.restart().await
    }
}

/// Where the server of this database keeps everything.
pub fn data_folder(database: &TestDatabase) -> anyhow::Result<PathBuf> {
    Ok(database.execute("SHOW data_directory")?.into())
}

/// The id of the process that all others of the server are children of.
fn postmaster(data_folder: &Path) -> anyhow::Result<String> {
    let file = data_folder.join("postmaster.pid");
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.lines().next().context("the file is empty")?.to_owned())
}

/// The server refuses files that belong to somebody else.
fn copy_with_owners(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copied = Command::new("cp").arg("-a").args([from, to]).output().context("cannot start cp")?;
    ensure!(copied.status.success(), "cp: {}", String::from_utf8_lossy(&copied.stderr).trim());
    Ok(())
}

#[tokio::test]
async fn a_frozen_server_stands_still_as_a_whole_until_it_is_let_go() {
    let postgres = Postgres::start().await.unwrap();
    let database = postgres.database().await.unwrap();
    let folder = data_folder(&database).unwrap();
    let frozen = FrozenPostgres::freeze(&folder).unwrap();
    let postmaster = postmaster(&folder).unwrap();
    let children = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap();
    let mut processes: Vec<_> = children.split_whitespace().map(str::to_owned).collect();
    assert!(!processes.is_empty(), "a server has processes of its own");
    processes.push(postmaster);
    // One that had ended before cannot be buried by a parent that stands still.
    let stands_still = |process: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        stat.contains(") T ") || stat.contains(") Z ")
    };
    eventually(PATIENCE, || async { processes.iter().all(stands_still).then_some(()) }).await;
    drop(frozen);
    assert_eq!(database.execute("SELECT 1").unwrap(), "1");
}
