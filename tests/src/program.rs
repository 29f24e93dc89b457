//! One of our programs as a process: started with its settings, ready by its own word, killed and started again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use maas_testkit::{Belongings, ChildProcess, Signal, free_port};
use tokio::time::{Instant, sleep};

use crate::http;

const START_TIMEOUT: Duration = Duration::from_secs(30);
const START_ATTEMPTS: u32 = 3;
const POLL_INTERVAL: Duration = Duration::from_millis(15);
/// EX_UNAVAILABLE of sysexits.h; at a start it may mean that somebody took the port since we looked.
const UNAVAILABLE: i32 = 69;

/// The ports of one service.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub http: u16,
    pub operations: u16,
    pub internal: u16,
}

/// What a program is started with. The environment starts empty but for what any program needs, so that settings of the
/// person who runs the tests cannot leak in.
#[derive(Debug, Clone, Default)]
pub struct ProgramSpec {
    pub program: String,
    pub arguments: Vec<String>,
    pub environment: BTreeMap<String, String>,
    /// Checks of `/readyz` that may fail while the program counts as started.
    pub forgiven_checks: Vec<String>,
}

impl ProgramSpec {
    pub fn new(program: &str) -> Self {
        Self { program: program.to_owned(), ..Self::default() }
    }

    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    pub fn forgive(mut self, check: &str) -> Self {
        self.forgiven_checks.push(check.to_owned());
        self
    }

    /// Whether nothing fails but what is forgiven. A line of `/readyz` is `check: ok` or `check: failed: why`.
    fn forgives(&self, readiness: &str) -> bool {
        let states: Vec<_> = readiness.lines().filter_map(|line| line.split_once(": ")).collect();
        let is_fine = |(check, state): &(&str, &str)| *state == "ok" || self.forgiven_checks.iter().any(|f| f == check);
        !states.is_empty() && states.iter().all(is_fine)
    }

    fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(program_path(&self.program)?);
        command.env_clear().args(&self.arguments);
        for name in ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("RUST_BACKTRACE", "1").envs(&self.environment);
        Ok(command)
    }
}

/// A running program. Dropped in a failing test it prints what it has logged; dropping kills it.
pub struct Program {
    pub name: String,
    spec: ProgramSpec,
    process: ChildProcess,
    log_file: PathBuf,
    ports: Ports,
}

impl Program {
    /// Starts and waits for `/readyz`. Busy ports at the first start are replaced by others.
    pub async fn start(name: &str, folder: &Path, spec: impl Fn(Ports) -> ProgramSpec) -> anyhow::Result<Self> {
        let mut attempt = 1;
        loop {
            let ports = free_ports()?;
            let mut program = Self::spawn(name, folder, spec(ports), ports)?;
            match program.wait_ready().await {
                Ok(()) => return Ok(program),
                Err(_) if program.exit_code()? == Some(UNAVAILABLE) && attempt < START_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.context(format!("{name} did not start"))),
            }
        }
    }

    fn spawn(name: &str, folder: &Path, spec: ProgramSpec, ports: Ports) -> anyhow::Result<Self> {
        let log_file = folder.join(format!("{name}.log"));
        let process = spawn(&spec, &log_file)?;
        Ok(Self { name: name.to_owned(), spec, process, log_file, ports })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.http)
    }

    pub fn operations_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.operations)
    }

    pub fn ports(&self) -> Ports {
        self.ports
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    pub fn log_file(&self) -> &Path {
        &self.log_file
    }

    /// SIGKILL: nothing in the process gets another turn.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().map(drop)
    }

    /// Waits for the end. The exit code; none when a signal ended it.
    pub async fn wait(&mut self, timeout: Duration) -> anyhow::Result<Option<i32>> {
        Ok(self.process.wait(timeout).await?.code())
    }

    /// SIGTERM, and waits for the end. The exit code.
    pub async fn stop(&mut self, timeout: Duration) -> anyhow::Result<Option<i32>> {
        self.signal(Signal::Terminate)?;
        self.wait(timeout).await
    }

    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.process.signal(signal)
    }

    /// Starts the ended program again, same settings, same ports, and waits until it is ready.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = spawn(&self.spec, &self.log_file)?;
        self.wait_ready().await.with_context(|| format!("{} did not start again", self.name))
    }

    /// The exit code once it has ended.
    pub fn exit_code(&mut self) -> anyhow::Result<Option<i32>> {
        Ok(self.process.try_wait()?.and_then(|status| status.code()))
    }

    /// Waits for 200 on `/readyz`, or for nothing failing there but what is forgiven; an end before that is an error with
    /// the log.
    pub async fn wait_ready(&mut self) -> anyhow::Result<()> {
        let url = format!("{}/readyz", self.operations_url());
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("it ended: {status}\n{}", self.log());
            }
            let last = match http::client().get(&url).send().await {
                Ok(answer) if answer.status() == 200 => return Ok(()),
                Ok(answer) => match answer.text().await.unwrap_or_default() {
                    readiness if self.spec.forgives(&readiness) => return Ok(()),
                    readiness => readiness,
                },
                Err(error) => error.to_string(),
            };
            if Instant::now() >= deadline {
                bail!("not ready within {START_TIMEOUT:?}: {last}\n{}", self.log());
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of {} ---\n{}", self.name, tail(&self.log()));
        }
    }
}

/// How a program that was expected to end has ended.
#[derive(Debug)]
pub struct Finished {
    pub exit_code: Option<i32>,
    /// Standard output and error together.
    pub output: String,
}

/// Runs a program to its end.
pub async fn run_to_end(spec: &ProgramSpec, timeout: Duration) -> anyhow::Result<Finished> {
    let mut process = ChildProcess::spawn(spec.command()?)?;
    let status = process.wait(timeout).await.with_context(|| format!("{} goes on", spec.program))?;
    Ok(Finished { exit_code: status.code(), output: process.log() })
}

/// Where a program of this build is.
pub fn program_path(name: &str) -> anyhow::Result<PathBuf> {
    let folder = match std::env::var_os("MAAS_TEST_PROGRAMS") {
        Some(folder) => PathBuf::from(folder),
        // target/<profile>/deps/<test>
        None => {
            let test = std::env::current_exe()?;
            test.ancestors().nth(2).context("the test binary is in no target folder")?.to_owned()
        }
    };
    let path = folder.join(name);
    if !path.is_file() {
        bail!("{} is not there: run `cargo build` first", path.display());
    }
    Ok(path)
}

/// Three loopback ports that were free a moment ago.
pub fn free_ports() -> anyhow::Result<Ports> {
    Ok(Ports { http: free_port()?, operations: free_port()?, internal: free_port()? })
}

fn spawn(spec: &ProgramSpec, log_file: &Path) -> anyhow::Result<ChildProcess> {
    let belongings = Belongings { log_file, folder: None, end_signal: Signal::Kill };
    ChildProcess::spawn_with(spec.command()?, belongings)
}

fn tail(log: &str) -> &str {
    const SHOWN: usize = 16 * 1024;
    let mut start = log.len().saturating_sub(SHOWN);
    while !log.is_char_boundary(start) {
        start += 1;
    }
    &log[start..]
}
