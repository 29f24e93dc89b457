//! proxy as a process of its own.
#![forbid(unsafe_code)]

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use maas_bus::SharedBus;
use maas_host::{block_on, bus_error, connect_bus, connect_bus_later, load, serve_operations};
use maas_proxy::{Proxy, ProxySettings, journal_command};
use maas_runtime::{
    command::{self, ServiceCommand},
    config::{
        Faults, Validate,
        sections::{HttpSection, NatsSection, OpsSection, TelemetrySection},
    },
    exit::StartError,
    process::Process,
};
use maas_web::server;
use serde::{Deserialize, Serialize};

/// The allocator that costs the least on the request path; measured against the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How soon a bus that comes after the proxy is looked at.
const LOOK_FOR_BUS: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize, Deserialize)]
struct Config {
    http: HttpSection,
    operations: OpsSection,
    nats: NatsSection,
    telemetry: TelemetrySection,
    proxy: ProxySettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: HttpSection::with_port(8085),
            operations: OpsSection::with_port(8285),
            nats: NatsSection::default(),
            telemetry: TelemetrySection::default(),
            proxy: ProxySettings::default(),
        }
    }
}

impl Validate for Config {
    fn validate(&self, faults: &mut Faults) {
        faults.section("http", &self.http);
        faults.section("operations", &self.operations);
        faults.section("nats", &self.nats);
        faults.section("telemetry", &self.telemetry);
        faults.section("proxy", &self.proxy);
    }
}

/// The data plane of the Models-as-a-Service platform.
#[derive(Debug, Parser)]
#[command(version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    #[command(flatten)]
    Service(ServiceCommand),
    /// Look at, or ship, the usage journal of a proxy that does not run any more.
    #[command(subcommand)]
    Journal(JournalCommand),
}

#[derive(Debug, clap::Subcommand)]
enum JournalCommand {
    /// Print what a journal folder holds; changes nothing.
    Show { folder: PathBuf },
    /// Ship a journal folder over the bus of this configuration; ends when all of it is committed.
    Replay { folder: PathBuf },
}

fn main() -> ExitCode {
    let command = match command::parse_as::<CommandLine>() {
        Ok(line) => line.command,
        Err(code) => return code,
    };
    match command {
        Command::Service(command) => block_on(run_service(command)),
        Command::Journal(JournalCommand::Show { folder }) => {
            block_on(async move { journal_command::show(&folder, &mut std::io::stdout().lock()) })
        }
        Command::Journal(JournalCommand::Replay { folder }) => block_on(replay(folder)),
    }
}

async fn run_service(command: ServiceCommand) -> Result<(), StartError> {
    if command == ServiceCommand::Openapi {
        return print_document();
    }
    let mut config: Config = load(|config: &Config| &config.telemetry)?;
    config.proxy.trusted_proxies.clone_from(&config.http.trusted_proxies);
    match command {
        ServiceCommand::CheckConfig | ServiceCommand::Openapi => Ok(()),
        ServiceCommand::Migrate => {
            let bus = connect_bus(&config.nats, "proxy-migrate").await?;
            bus.provision().await.map_err(|error| bus_error(&error))
        }
        ServiceCommand::Serve => serve(config).await,
    }
}

/// With the configuration of a proxy, of which only the bus matters.
async fn replay(folder: PathBuf) -> Result<(), StartError> {
    let config: Config = load(|config: &Config| &config.telemetry)?;
    let bus = connect_bus(&config.nats, "journal-replay").await?;
    bus.check_provisioned().await.map_err(|error| bus_error(&error))?;
    let process = Process::new().map_err(anyhow::Error::from)?;
    process.lifecycle.on_signal().map_err(anyhow::Error::from)?;
    let give_up_after = journal_command::GIVE_UP_AFTER;
    journal_command::replay(&folder, bus, &process, give_up_after, &mut std::io::stdout()).await
}

fn print_document() -> Result<(), StartError> {
    use std::io::Write as _;
    let text = maas_web::openapi::to_text(&maas_proxy::openapi()).map_err(anyhow::Error::from)?;
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| StartError::Internal(error.into()))
}

/// Clients who come meanwhile wait in the listener's queue, instead of being told that nothing is known of their keys.
/// Whoever is still missing then may come late: what is known is served.
async fn wait_until_ready(process: &Process) {
    const LOOK_EVERY: Duration = Duration::from_millis(2);
    const AT_MOST: Duration = Duration::from_secs(2);
    let ready = async {
        while !process.readiness.is_ready() && !process.lifecycle.soft_stop().is_cancelled() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // Late is no fault: readiness says what is missing.
    let _ = tokio::time::timeout(AT_MOST, ready).await;
}

/// A bus that cannot be reached stops only a proxy that has nothing to start from.
async fn bus_for(config: &Config, process: &Process) -> Result<SharedBus, StartError> {
    match connect_bus(&config.nats, "proxy").await {
        Ok(bus) => {
            bus.check_provisioned().await.map_err(|error| bus_error(&error))?;
            Ok(bus)
        }
        Err(error) if maas_proxy::can_start_alone(&config.proxy) => {
            tracing::warn!(error = %error, "starting from the copy of the state, without the bus");
            let bus = connect_bus_later(&config.nats, "proxy").await?;
            process.lifecycle.spawn("proxy bus check", check_when_connected(bus.clone(), process.clone()));
            Ok(bus)
        }
        Err(error) => Err(error),
    }
}

async fn check_when_connected(bus: SharedBus, process: Process) -> anyhow::Result<()> {
    let checked = async {
        while !bus.is_connected() {
            tokio::time::sleep(LOOK_FOR_BUS).await;
        }
        bus.check_provisioned().await
    };
    let checked = tokio::select! {
        checked = checked => checked,
        () = process.lifecycle.soft_stop().cancelled() => Ok(()),
    };
    // It serves meanwhile, and usage waits in the journal: a reason to act, not to stop.
    if let Err(error) = checked {
        tracing::error!(error = %error, "the bus is not as this version needs it");
    }
    Ok(())
}

async fn serve(config: Config) -> Result<(), StartError> {
    let public = server::bind(config.http.address(), "http.port")?;
    let operations = server::bind(config.operations.address(), "operations.port")?;
    let process = Process::new().map_err(anyhow::Error::from)?;
    process.lifecycle.on_signal().map_err(anyhow::Error::from)?;
    let bus = bus_for(&config, &process).await?;
    let proxy = Proxy::start(config.proxy, bus, &process).await?;
    let gauges = proxy.clone();
    serve_operations(&process, operations, move || gauges.refresh_metrics()).map_err(anyhow::Error::from)?;
    let drain = proxy.drain_timeout();
    wait_until_ready(&process).await;
    proxy.serve(&process.lifecycle, public, config.http.workers)?;
    tracing::info!(service.name = "proxy", http.address = %config.http.address(), "serving");
    process.lifecycle.stopped(drain).await?;
    tracing::info!(service.name = "proxy", "stopped");
    Ok(())
}
