//! auth as a process of its own, and the command that sets up the first admin.
#![forbid(unsafe_code)]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser as _;
use maas_host::{ControlService as _, block_on, connect_bus, connect_database, database_error, load};
use maas_runtime::{exit::StartError, process::Process};
use maas_web::SharedCallerResolver;
use secrecy::ExposeSecret as _;

maas_host::control_service! {
    name: "auth",
    library: maas_auth,
    service: Auth,
    settings: AuthSettings as auth,
    ports: 8081, 8181, 8281,
    prepare: |settings, host| settings.public_url = host.http.public_url(),
    also: {
        const SERVES_EXPLORER: bool = true;

        fn configure_internal(&self, services: &mut actix_web::web::ServiceConfig) {
            self.0.configure_internal(services);
        }

        fn resolver(&self) -> Option<SharedCallerResolver> {
            Some(self.0.resolver())
        }
    }
}

/// How long the token in the bootstrap file is valid.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3_600);

/// Create the first admin if there is none, and write how to act as an admin into a file.
#[derive(Debug, clap::Parser)]
#[command(name = "maas-auth bootstrap")]
struct Bootstrap {
    /// Written with mode 0600: {admin_user, admin_password, admin_token}; the password is null unless it was made now.
    #[arg(long)]
    file: PathBuf,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some("bootstrap") {
        return maas_host::run_control_service::<Service>();
    }
    match Bootstrap::try_parse_from(std::iter::once("maas-auth bootstrap".to_owned()).chain(arguments)) {
        Ok(bootstrap) => block_on(async move { write_bootstrap(&bootstrap.file).await }),
        Err(error) => {
            // Nobody is left to tell when printing fails.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { maas_runtime::exit::USAGE } else { 0 })
        }
    }
}

async fn write_bootstrap(file: &Path) -> Result<(), StartError> {
    let config: Config = load(|config: &Config| &config.host.telemetry)?;
    let database = connect_database(&config.database, maas_auth::SCHEMA).await?;
    Service::check_schema(&database).await.map_err(|error| database_error(&error))?;
    let bus = connect_bus(&config.host.nats, "auth-bootstrap").await?;
    let process = Process::new().map_err(anyhow::Error::from)?;
    let Service(auth) = Service::start(&config, database, bus, &process).await?;

    let admin = auth.ensure_first_admin().await.map_err(anyhow::Error::from)?;
    let token = auth.issue_control_token(admin.user_id, TOKEN_LIFETIME).await.map_err(anyhow::Error::from)?;
    let contents = serde_json::json!({
        "admin_user": admin.user_name,
        "admin_password": admin.one_time_password.as_ref().map(|password| password.expose_secret()),
        "admin_token": token.expose_secret(),
    });
    maas_host::write_private(file, contents.to_string().as_bytes())
        .with_context(|| format!("cannot write {}", file.display()))?;
    // What is still in the outbox is delivered by the service itself.
    process.lifecycle.stop();
    process.lifecycle.stopped(Duration::from_secs(5)).await?;
    Ok(())
}
