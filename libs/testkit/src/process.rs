//! Child processes that never outlive the process that started them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Run by the shell beside each child: blocks until our end of its standard input is closed, which the kernel does
/// however we die, then ends the child ($1) with its signal ($2), and with SIGKILL if that was not enough, and removes its
/// folder ($3). Destructors of statics never run and SIGKILL runs none at all, so nothing less would do.
const REAPER_SCRIPT: &str = r#"read -r _
kill -s "$2" "$1"
[ "$2" = KILL ] || { sleep 1; kill -s KILL "$1"; }
[ -z "$3" ] || rm -rf "$3""#;

/// How long a child may take to follow its end signal when it is dropped.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// What belongs to a child besides its command.
#[derive(Debug, Clone, Copy)]
pub struct Belongings<'a> {
    /// Gets standard output and error, appended.
    pub log_file: &'a Path,
    /// Removed if we die before the child does.
    pub folder: Option<&'a Path>,
    /// Sent when the child is dropped or we die. SIGKILL, unless the child must take children of its own along.
    pub end_signal: Signal,
}

/// What can be sent to a [`ChildProcess`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Terminate,
    Interrupt,
    Quit,
    HangUp,
    Kill,
    /// Freezes the process: its sockets stay open and nobody answers.
    Stop,
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Signal::Terminate => "TERM",
            Signal::Interrupt => "INT",
            Signal::Quit => "QUIT",
            Signal::HangUp => "HUP",
            Signal::Kill => "KILL",
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
        }
    }
}

/// A running child. Its output goes to a file, see [`ChildProcess::log`]. Dropping it kills it.
#[derive(Debug)]
pub struct ChildProcess {
    child: Child,
    reaper: Child,
    log_file: PathBuf,
    end_signal: Signal,
    _log_folder: Option<TempDir>,
}

impl ChildProcess {
    /// Starts `command` (with its arguments and environment) with its output in a temporary file.
    pub fn spawn(command: Command) -> anyhow::Result<Self> {
        let log_folder = tempfile::tempdir().context("no temporary folder")?;
        let log_file = log_folder.path().join("output.log");
        let belongings = Belongings { log_file: &log_file, folder: None, end_signal: Signal::Kill };
        let mut process = Self::spawn_with(command, belongings)?;
        process._log_folder = Some(log_folder);
        Ok(process)
    }

    /// Starts `command` (with its arguments and environment) with all that belongs to it.
    pub fn spawn_with(mut command: Command, belongings: Belongings<'_>) -> anyhow::Result<Self> {
        let Belongings { log_file, end_signal, .. } = belongings;
        let output = File::options().create(true).append(true).open(log_file);
        let output = output.with_context(|| format!("cannot write {}", log_file.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let reaper = match spawn_reaper(child.id(), belongings) {
            Ok(reaper) => reaper,
            Err(error) => {
                // Without its reaper the child could stay behind.
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        Ok(Self { child, reaper, log_file: log_file.to_owned(), end_signal, _log_folder: None })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal; does not wait for its effect.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("process {} has already ended: {status}", self.id());
        }
        // Not yet waited for, so the id cannot have gone to another process.
        let sent = Command::new("sh")
            .args(["-c", r#"kill -s "$1" "$2""#, "sh", signal.name(), &self.id().to_string()])
            .status()?;
        if !sent.success() {
            bail!("cannot send {} to process {}", signal.name(), self.id());
        }
        Ok(())
    }

    /// SIGKILL, and waits for the end. No error when it has already ended.
    pub fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.kill()?;
        let status = self.child.wait()?;
        self.dismiss_reaper();
        Ok(status)
    }

    /// SIGTERM, and waits up to `timeout` for the end.
    pub async fn terminate(&mut self, timeout: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::Terminate)?;
        self.wait(timeout).await
    }

    /// How it ended, `None` while it runs.
    pub fn try_wait(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.dismiss_reaper();
        }
        Ok(status)
    }

    /// Waits for the end; the error after `timeout` holds the output.
    pub async fn wait(&mut self, timeout: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            self.check_deadline(deadline, timeout)?;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// [`ChildProcess::wait`] for a thread that may block.
    pub fn wait_blocking(&mut self, timeout: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            self.check_deadline(deadline, timeout)?;
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// All it has written so far, standard output and error together.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log_file).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn check_deadline(&self, deadline: Instant, timeout: Duration) -> anyhow::Result<()> {
        if Instant::now() >= deadline {
            bail!("process {} still runs after {timeout:?}; its output:\n{}", self.id(), self.log());
        }
        Ok(())
    }

    /// Must happen once the child was waited for: its id may then belong to another process.
    fn dismiss_reaper(&mut self) {
        let _ = self.reaper.kill();
        let _ = self.reaper.wait();
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        if self.end_signal != Signal::Kill && self.signal(self.end_signal).is_ok() {
            let _ = self.wait_blocking(END_TIMEOUT);
        }
        let _ = self.kill();
    }
}

fn spawn_reaper(child: u32, belongings: Belongings<'_>) -> anyhow::Result<Child> {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("sh");
    command.args(["-c", REAPER_SCRIPT, "reaper", &child.to_string(), belongings.end_signal.name()]);
    command.arg(belongings.folder.unwrap_or(Path::new("")));
    // Its own process group: a Ctrl-C or a test runner's timeout is meant for us, not for it.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("cannot start the shell")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn output_and_exit_code_are_kept() {
        let mut process = ChildProcess::spawn(shell("echo out; echo err >&2; exit 3")).unwrap();
        assert_eq!(process.wait(PATIENCE).await.unwrap().code(), Some(3));
        assert_eq!(process.log(), "out\nerr\n");
    }

    #[tokio::test]
    async fn a_process_that_goes_on_is_reported_with_its_output() {
        let mut process = ChildProcess::spawn(shell("echo busy; exec sleep 60")).unwrap();
        crate::eventually(PATIENCE, || std::future::ready((process.log() == "busy\n").then_some(()))).await;
        let error = process.wait(Duration::from_millis(20)).await.unwrap_err();
        assert!(error.to_string().contains("busy"), "{error}");
    }

    #[tokio::test]
    async fn a_stopped_process_ends_only_after_it_continues() {
        let mut process = ChildProcess::spawn(shell("exec sleep 60")).unwrap();
        process.signal(Signal::Stop).unwrap();
        // Of two signals that wait, the kernel delivers the one with the lower number first: that would be the end.
        let stat = format!("/proc/{}/stat", process.id());
        let is_stopped = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T "));
        eventually(PATIENCE, || std::future::ready(is_stopped().then_some(()))).await;
        process.signal(Signal::Terminate).unwrap();
        assert!(process.wait(Duration::from_millis(50)).await.is_err());
        process.signal(Signal::Continue).unwrap();
        assert!(!process.wait(PATIENCE).await.unwrap().success());
        assert!(process.signal(Signal::Terminate).is_err());
    }

    #[tokio::test]
    async fn dropping_kills() {
        let process = ChildProcess::spawn(shell("exec sleep 60")).unwrap();
        let proc_folder = PathBuf::from(format!("/proc/{}", process.id()));
        assert!(proc_folder.exists());
        drop(process);
        assert!(!proc_folder.exists());
    }
}
