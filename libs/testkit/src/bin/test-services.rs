#![forbid(unsafe_code)]
//! `test-services [--nats] -- COMMAND…`: runs a test command with one PostgreSQL cluster for all its processes.
//!
//! Prints and sets `MAAS_TEST_POSTGRES` (with `--nats` also `MAAS_TEST_NATS`), passes on the command's exit code, and
//! stops everything at the end, on Ctrl-C and on SIGTERM.

use std::io::Write;
use std::process::{ExitCode, ExitStatus};

use anyhow::{Context, bail};
use maas_testkit::{NatsServer, Postgres};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

const NATS_VARIABLE: &str = "MAAS_TEST_NATS";
const EXIT_ON_SIGNAL: u8 = 130;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    // Taken over before anything starts, so that a signal at any time lets the servers' guards run.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        code = run(arguments) => code,
        _ = interrupt.recv() => Ok(ExitCode::from(EXIT_ON_SIGNAL)),
        _ = terminate.recv() => Ok(ExitCode::from(EXIT_ON_SIGNAL)),
    }
}

struct Arguments {
    nats: bool,
    program: String,
    program_arguments: Vec<String>,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut nats = false;
        loop {
            match arguments.next().as_deref() {
                Some("--nats") => nats = true,
                Some("--") => break,
                _ => bail!("usage: test-services [--nats] -- COMMAND [ARGUMENT…]"),
            }
        }
        let program = arguments.next().context("no command after --")?;
        Ok(Self { nats, program, program_arguments: arguments.collect() })
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let postgres = Postgres::start().await?;
    let nats = if arguments.nats { Some(NatsServer::start().await?) } else { None };
    let mut variables = vec![(maas_testkit::postgres::ADDRESS_VARIABLE, postgres.address().to_owned())];
    variables.extend(nats.iter().map(|server| (NATS_VARIABLE, server.url())));
    announce(&variables)?;

    let mut command = Command::new(&arguments.program);
    command.args(&arguments.program_arguments).envs(variables).kill_on_drop(true);
    let status = command.status().await.with_context(|| format!("cannot run {}", arguments.program))?;
    postgres.stop().await?;
    Ok(exit_code(status))
}

fn announce(variables: &[(&str, String)]) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    for (name, value) in variables {
        writeln!(output, "{name}={value}")?;
    }
    Ok(output.flush()?)
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
