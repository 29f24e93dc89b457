//! Clocks that are wrong on command, each for one process: Debian's libfaketime is loaded into it and answers for the
//! time of day, from a file that is read at each question.
//!
//! Guarantee: only the time of day is wrong, and it jumps the moment it is told to. What a process waits for and measures
//! (`CLOCK_MONOTONIC`) stays true, and so do the times of files.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// Below `/usr/lib/<machine>`; the variant for processes with threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
/// Where the library keeps two small files for each process, which stay behind when it is killed.
const SHARED_MEMORY: &str = "/dev/shm";
const LEFTOVERS: [&str; 2] = ["faketime_shm_", "sem.faketime_sem_"];

/// A process whose clock can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockOf {
    FirstProxy,
    SecondProxy,
    FirstIngest,
    SecondIngest,
}

impl ClockOf {
    pub const ALL: [Self; 4] = [Self::FirstProxy, Self::SecondProxy, Self::FirstIngest, Self::SecondIngest];
}

/// Right at first.
#[derive(Debug)]
pub struct Clocks {
    library: PathBuf,
    folder: PathBuf,
}

impl Clocks {
    /// In a folder of the caller's. The error says what to install.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        remove_leftovers();
        let clocks = Self { library: find_library()?, folder: folder.to_owned() };
        for clock in ClockOf::ALL {
            clocks.set(clock, 0)?;
        }
        Ok(clocks)
    }

    /// From now on the clock is ahead of the true time by so much, or behind it if that is negative.
    pub fn set(&self, clock: ClockOf, ahead_ms: i64) -> anyhow::Result<()> {
        let sign = if ahead_ms < 0 { '-' } else { '+' };
        let (seconds, ms) = (ahead_ms.unsigned_abs() / 1_000, ahead_ms.unsigned_abs() % 1_000);
        let (file, new) = (self.file(clock), self.file(clock).with_extension("new"));
        std::fs::write(&new, format!("{sign}{seconds}.{ms:03}\n"))?;
        // In one step: half a file would be another time.
        std::fs::rename(&new, &file).with_context(|| format!("cannot write {}", file.display()))
    }

    /// What a program has to be started with.
    pub(crate) fn environment(&self, clock: ClockOf) -> [(&'static str, String); 5] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file(clock).display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
    }

    fn file(&self, clock: ClockOf) -> PathBuf {
        self.folder.join(format!("clock-{clock:?}"))
    }
}

impl Drop for Clocks {
    fn drop(&mut self) {
        remove_leftovers();
    }
}

fn find_library() -> anyhow::Result<PathBuf> {
    let machines = std::fs::read_dir("/usr/lib").context("cannot read /usr/lib")?;
    let library = machines.flatten().map(|machine| machine.path().join(LIBRARY)).find(|path| path.is_file());
    library.context(
        "clocks cannot be set without libfaketime: apt-get install --no-install-recommends libfaketime, \
         or run scripts/setup-test.sh as root",
    )
}

/// Of processes that are gone. One that gets the number of such a process would refuse to start.
fn remove_leftovers() {
    let Ok(files) = std::fs::read_dir(SHARED_MEMORY) else { return };
    for file in files.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let process = LEFTOVERS.iter().find_map(|prefix| name.strip_prefix(prefix));
        if process.is_some_and(|id| id.parse::<u32>().is_ok() && !Path::new("/proc").join(id).exists()) {
            // Another test may have been faster.
            let _ = std::fs::remove_file(file.path());
        }
    }
}
