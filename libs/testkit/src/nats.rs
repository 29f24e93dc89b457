//! A private NATS server with JetStream.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::ports::free_port;
use crate::process::{Belongings, ChildProcess, Signal};
use crate::programs::find_program;

const START_TIMEOUT: Duration = Duration::from_secs(10);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const START_ATTEMPTS: u32 = 3;

/// A nats-server of its own: JetStream on, loopback only, store in a temporary folder. Dropping it kills it and removes
/// the store.
#[derive(Debug)]
pub struct NatsServer {
    port: u16,
    // The process goes before its folder.
    process: Arc<Mutex<ChildProcess>>,
    folder: Arc<TempDir>,
}

impl NatsServer {
    /// Ready in about 50 ms. Fails, naming the Debian package, when nats-server is not installed.
    pub async fn start() -> anyhow::Result<Self> {
        tokio::task::spawn_blocking(Self::start_blocking).await?
    }

    fn start_blocking() -> anyhow::Result<Self> {
        let folder = Arc::new(tempfile::Builder::new().prefix("maas-nats-").tempdir()?);
        let mut attempt = 1;
        loop {
            let port = free_port()?;
            match spawn_ready(folder.path(), port) {
                Ok(process) => return Ok(Self { port, process: Arc::new(Mutex::new(process)), folder }),
                // Another process may have taken the port between our look and the server's bind.
                Err(_) if attempt < START_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// `nats://127.0.0.1:port`, the same after a restart.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// JetStream's folder, for tests that copy, damage or put back the store.
    pub fn store_dir(&self) -> PathBuf {
        store_dir(self.folder.path())
    }

    /// SIGKILL: whatever the server had not written is lost.
    pub fn kill(&self) -> anyhow::Result<()> {
        self.lock().kill().map(drop)
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(&self) -> anyhow::Result<()> {
        let process = self.process.clone();
        tokio::task::spawn_blocking(move || stop_blocking(&mut lock(&process))).await?
    }

    /// SIGSTOP and SIGCONT: connections stay open and nobody answers.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.lock().signal(signal)
    }

    /// Starts again on the same port and store; stops the server first if it runs.
    pub async fn restart(&self) -> anyhow::Result<()> {
        let (process, folder, port) = (self.process.clone(), self.folder.clone(), self.port);
        tokio::task::spawn_blocking(move || {
            let mut process = lock(&process);
            stop_blocking(&mut process)?;
            *process = spawn_ready(folder.path(), port)?;
            Ok(())
        })
        .await?
    }

    /// The server's own log.
    pub fn log(&self) -> String {
        self.lock().log()
    }

    fn lock(&self) -> MutexGuard<'_, ChildProcess> {
        lock(&self.process)
    }
}

fn lock(process: &Mutex<ChildProcess>) -> MutexGuard<'_, ChildProcess> {
    process.lock().unwrap_or_else(PoisonError::into_inner)
}

fn store_dir(folder: &Path) -> PathBuf {
    folder.join("store")
}

fn stop_blocking(process: &mut ChildProcess) -> anyhow::Result<()> {
    if process.try_wait()?.is_none() {
        process.signal(Signal::Terminate)?;
        process.wait_blocking(STOP_TIMEOUT)?;
    }
    Ok(())
}

fn spawn_ready(folder: &Path, port: u16) -> anyhow::Result<ChildProcess> {
    let folders = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/bin")];
    let mut command = Command::new(find_program("nats-server", &folders, "nats-server")?);
    command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(store_dir(folder));
    let log_file = folder.join("nats-server.log");
    let belongings = Belongings { log_file: &log_file, folder: Some(folder), end_signal: Signal::Kill };
    let mut process = ChildProcess::spawn_with(command, belongings)?;
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if let Some(status) = process.try_wait()? {
            bail!("nats-server ended at its start: {status}\n{}", process.log());
        }
        if answers(port) {
            return Ok(process);
        }
        if Instant::now() >= deadline {
            bail!("nats-server was not ready within {START_TIMEOUT:?}\n{}", process.log());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The server greets with `INFO` only when it serves clients, which is after JetStream has recovered its store.
fn answers(port: u16) -> bool {
    let greeting = || -> anyhow::Result<[u8; 5]> {
        use std::io::Read;
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("not listening yet")?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut start = [0; 5];
        stream.read_exact(&mut start)?;
        Ok(start)
    };
    greeting().is_ok_and(|start| &start == b"INFO ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn starts_is_killed_and_comes_back_on_the_same_port_and_store() {
        let server = NatsServer::start().await.unwrap();
        assert!(answers(server.port()));
        assert!(server.store_dir().exists());

        server.kill().unwrap();
        assert!(!answers(server.port()));
        server.restart().await.unwrap();
        assert!(answers(server.port()));

        server.stop().await.unwrap();
        assert!(!answers(server.port()));
        assert!(server.log().contains("Server is ready"));
        let folder = server.store_dir();
        drop(server);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn two_servers_do_not_meet() {
        let (first, second) = tokio::join!(NatsServer::start(), NatsServer::start());
        assert_ne!(first.unwrap().url(), second.unwrap().url());
    }
}
