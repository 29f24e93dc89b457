//! Runs a service as a process of its own: configuration, database, bus, listeners, start and stop.
//!
//! It knows what services have in common and none of them by name; a `main` names its service and its settings. In a
//! standalone process the services are composed differently, see the `maas` binary; nothing of this crate is in them.
#![forbid(unsafe_code)]

#[cfg(feature = "control")]
mod caller_news;
mod connect;
#[cfg(feature = "control")]
mod control;
#[cfg(feature = "control")]
mod database;
mod host_config;
#[cfg(feature = "control")]
mod macros;
mod operations;
mod private_file;

pub use connect::{bus_error, connect_bus, connect_bus_later};
#[cfg(feature = "control")]
pub use control::{ControlConfig, ControlService, run_control_service};
#[cfg(feature = "control")]
pub use database::{connect_database, database_error};
pub use host_config::{HostConfig, ServiceAddresses};
pub use operations::serve_operations;
pub use private_file::write_private;

use std::process::ExitCode;

use maas_runtime::{config, exit::StartError};

/// The configuration of this process, checked, with telemetry running.
pub fn load<C>(telemetry: impl Fn(&C) -> &config::sections::TelemetrySection) -> Result<C, StartError>
where
    C: serde::Serialize + serde::de::DeserializeOwned + Default + config::Validate,
{
    maas_runtime::tls::install_crypto_provider();
    let config: C = config::load(&config::Sources::from_process())?;
    maas_runtime::telemetry::init(telemetry(&config)).map_err(anyhow::Error::from)?;
    Ok(config)
}

/// What a service's own error at its start means for the process.
pub fn start_error(error: impl Into<anyhow::Error>) -> StartError {
    error.into().downcast::<StartError>().unwrap_or_else(StartError::Internal)
}

/// Runs the future of a `main` on a new runtime and turns its end into an exit code.
pub fn block_on(main: impl Future<Output = Result<(), StartError>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let ended = runtime.map_err(|error| StartError::Internal(error.into())).and_then(|runtime| runtime.block_on(main));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => maas_runtime::exit::report(&error),
    }
}
