//! proxy as a process of its own.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use maas_host::{HostConfig, block_on, bus_error, connect_bus, load, serve_operations};
use maas_proxy::{Proxy, ProxySettings};
use maas_runtime::{
    command::{self, ServiceCommand},
    config::{Faults, Validate},
    exit::StartError,
    process::Process,
};
use maas_web::server;
use serde::{Deserialize, Serialize};

/// The allocator that costs the least on the request path; measured against the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Serialize, Deserialize)]
struct Config {
    #[serde(flatten)]
    host: HostConfig,
    proxy: ProxySettings,
}

impl Default for Config {
    fn default() -> Self {
        Self { host: HostConfig::with_ports(8085, 8185, 8285), proxy: ProxySettings::default() }
    }
}

impl Validate for Config {
    fn validate(&self, faults: &mut Faults) {
        self.host.validate(faults);
        faults.section("proxy", &self.proxy);
    }
}

fn main() -> ExitCode {
    let command = match command::parse() {
        Ok(command) => command,
        Err(code) => return code,
    };
    block_on(async move {
        if command == ServiceCommand::Openapi {
            return print_document();
        }
        let config: Config = load(|config: &Config| &config.host.telemetry)?;
        match command {
            ServiceCommand::CheckConfig | ServiceCommand::Openapi => Ok(()),
            ServiceCommand::Migrate => {
                let bus = connect_bus(&config.host.nats, "proxy-migrate").await?;
                bus.provision().await.map_err(|error| bus_error(&error))
            }
            ServiceCommand::Serve => serve(config).await,
        }
    })
}

fn print_document() -> Result<(), StartError> {
    use std::io::Write as _;
    let text = maas_web::openapi::to_text(&maas_proxy::openapi()).map_err(anyhow::Error::from)?;
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| StartError::Internal(error.into()))
}

async fn serve(config: Config) -> Result<(), StartError> {
    let host = config.host;
    let public = server::bind(host.http.address(), "http.port")?;
    let operations = server::bind(host.operations.address(), "operations.port")?;
    let bus = connect_bus(&host.nats, "proxy").await?;
    bus.check_provisioned().await.map_err(|error| bus_error(&error))?;

    let process = Process::new().map_err(anyhow::Error::from)?;
    process.lifecycle.on_signal().map_err(anyhow::Error::from)?;
    let proxy = Proxy::start(config.proxy, bus, &process).await?;
    let gauges = proxy.clone();
    serve_operations(&process, operations, move || gauges.refresh_metrics()).map_err(anyhow::Error::from)?;
    let drain = proxy.drain_timeout();
    proxy.serve(&process.lifecycle, public, host.http.workers)?;
    tracing::info!(service.name = "proxy", http.address = %host.http.address(), "serving");
    process.lifecycle.stopped(drain).await?;
    tracing::info!(service.name = "proxy", "stopped");
    Ok(())
}
