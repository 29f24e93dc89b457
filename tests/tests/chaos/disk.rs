//! A small disk that can be filled: a tmpfs, which only root may mount.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

const SIZE_BYTES: u64 = 112 * 1024 * 1024;
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

    /// Leaves about so much free space.
    pub fn fill(&self, free_bytes: u64) -> anyhow::Result<()> {
        use std::io::Write as _;
        let mut filler = std::fs::File::create(self.filler())?;
        let zeros = vec![0; STEP_BYTES];
        let most = SIZE_BYTES.saturating_sub(free_bytes) / STEP_BYTES as u64;
        for _ in 0..most {
            // Full before that: what else is on the disk counts, too.
            if filler.write_all(&zeros).is_err() {
                break;
            }
        }
        Ok(())
    }

    pub fn make_room(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
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
