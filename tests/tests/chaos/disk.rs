//! A small disk that can be filled: a tmpfs, which only root may mount; and what becomes of a proxy on it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::arena::Arena;
use crate::books::Books;
use crate::plan::{Blow, Victim};
use crate::seed::Seed;
use crate::traffic::Traffic;
use crate::wishes::any_wish;

/// The journal's ballast, as much that has to be left beside it (`proxy.journal_low_water_bytes` each), and room for what a
/// history writes.
const SIZE_BYTES: u64 = (64 + 64 + 48) * 1024 * 1024;
const STEP_BYTES: usize = 1024 * 1024;

/// Beside the mount: blocks until our end of its standard input is closed, which the kernel does however we die, and takes
/// the disk away.
const GUARD_SCRIPT: &str = r#"read -r _; umount -l "$1"; rmdir "$1""#;

/// Unmounted when it is dropped, or when this process dies.
pub struct SmallDisk {
    guard: Child,
    folder: TempDir,
}

impl SmallDisk {
    /// The error says what is missing, usually the right to mount.
    pub fn mount() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("maas-disk-").tempdir()?;
        let size = format!("size={SIZE_BYTES}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output()?;
        ensure!(mount.status.success(), "mount: {}", String::from_utf8_lossy(&mount.stderr).trim());
        let mut guard = Command::new("sh");
        // Its own process group: what ends the tests from outside is not meant for it.
        guard.args(["-c", GUARD_SCRIPT, "guard"]).arg(folder.path()).stdin(Stdio::piped()).process_group(0);
        let guard = guard.spawn().context("cannot start the shell")?;
        Ok(Self { guard, folder })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves about so much free space; none at all if it is 0.
    pub fn fill(&self, free_bytes: u64) -> anyhow::Result<()> {
        use std::io::Write as _;
        let mut filler = std::fs::File::create(self.filler())?;
        let zeros = vec![0; STEP_BYTES];
        let steps = self.free_bytes()?.saturating_sub(free_bytes).div_ceil(STEP_BYTES as u64);
        for _ in 0..steps {
            // Others write meanwhile, and the last step is rounded up.
            if filler.write_all(&zeros).is_err() {
                break;
            }
        }
        Ok(())
    }

    pub fn make_room(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn free_bytes(&self) -> anyhow::Result<u64> {
        let df = Command::new("df").args(["--output=avail", "--block-size=1"]).arg(self.path()).output()?;
        let text = String::from_utf8(df.stdout)?;
        let free = text.lines().last().context("df says nothing")?;
        free.trim().parse().with_context(|| format!("df says {free:?}"))
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// More settlements than fit in what is left of a page of the disk.
const CLIENTS_PER_PROXY: usize = 16;
const SOME_REQUESTS: Duration = Duration::from_secs(2);
/// Longer than a client waits for the disk: what it gets afterwards it gets without a record.
const BEYOND_PATIENCE: Duration = Duration::from_millis(10_500);
const RECONCILED_WITHIN: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_killed_on_a_full_disk_has_booked_what_it_gave() {
    let seed = Seed::from_environment();
    let mut arena = Arena::open().await.unwrap();
    let traffic = Traffic::start("full-disk", seed.0, &arena.proxies(), CLIENTS_PER_PROXY, any_wish);
    let (full, kill) = (Blow::FillDisk { free_bytes: 0 }, Blow::Kill(Victim::SecondProxy));
    sleep(SOME_REQUESTS).await;
    arena.begin(full).await.unwrap();
    sleep(BEYOND_PATIENCE).await;
    arena.begin(kill).await.unwrap();
    for blow in [full, kill] {
        arena.mend(blow).await.unwrap();
    }
    sleep(SOME_REQUESTS).await;
    let told = traffic.stop().await;
    Books::of(&arena.cluster, &arena.key_id, &told).must_be_right(RECONCILED_WITHIN).await;
}
