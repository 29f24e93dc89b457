//! Connecting to the bus, with one clear message when it is not there.

use std::sync::Arc;

use maas_bus::{BusError, NatsAuth, NatsBus, NatsConfig, SharedBus};
use maas_runtime::{config::sections::NatsSection, exit::StartError};
use secrecy::SecretString;

/// The bus; whether its streams are provisioned is another question.
pub async fn connect_bus(section: &NatsSection, client_name: &str) -> Result<SharedBus, StartError> {
    connect(config(section, client_name)?).await
}

/// The bus, also when no server is there yet: it is tried for ever. For those who can work without it meanwhile.
pub async fn connect_bus_later(section: &NatsSection, client_name: &str) -> Result<SharedBus, StartError> {
    connect(NatsConfig { connect_later: true, ..config(section, client_name)? }).await
}

async fn connect(config: NatsConfig) -> Result<SharedBus, StartError> {
    let bus = NatsBus::connect(config).await.map_err(|error| bus_error(&error))?;
    Ok(Arc::new(bus))
}

fn config(section: &NatsSection, client_name: &str) -> Result<NatsConfig, StartError> {
    let auth = match &section.credentials_file {
        Some(path) => {
            let credentials = std::fs::read_to_string(path).map_err(|error| {
                let what = format!("the NATS credentials {} cannot be read", path.display());
                StartError::unavailable(what, error, "see nats.credentials_file")
            })?;
            NatsAuth::Credentials(SecretString::from(credentials))
        }
        None if section.user.is_empty() => NatsAuth::None,
        None => NatsAuth::Password {
            user: section.user.clone(),
            password: SecretString::from(section.password.expose().to_owned()),
        },
    };
    Ok(NatsConfig {
        urls: section.url.split(',').map(|url| url.trim().to_owned()).collect(),
        auth,
        ca_file: section.ca_file.clone(),
        allow_plaintext: section.allow_plaintext,
        ..NatsConfig::new(String::new(), client_name)
    })
}

/// What a failure of the bus means for a start.
pub fn bus_error(error: &BusError) -> StartError {
    let hint = match error {
        BusError::NotProvisioned { .. } => "run a service with `migrate` first",
        _ => "check nats.url, and that the server runs with JetStream",
    };
    StartError::unavailable("the bus cannot be used", error, hint)
}
