//! The life of a control-plane service process, from its command line to its last task.

use std::{process::ExitCode, sync::Arc, time::Duration};

use actix_web::web;
use maas_bus::SharedBus;
use maas_http::{AddressGuard, ControlOptions, control_client};
use maas_runtime::{
    command::{self, ServiceCommand},
    config::{Validate, sections::DatabaseSection},
    exit::StartError,
    process::Process,
};
use maas_store::{Database, StoreError, outbox::Outbox};
use maas_web::{
    SharedCallerResolver, WebSettings, explorer,
    internal::InternalTokens,
    operations::HttpMetrics,
    refusals::{RefusalBook, RefusalBooks},
    remote_caller::RemoteCallerResolver,
    server,
};
use secrecy::SecretString;
use serde::{Serialize, de::DeserializeOwned};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    HostConfig, block_on, bus_error, caller_news, connect_bus, connect_database, database_error, load, serve_operations,
};

/// How long requests and tasks may take to end once the process is told to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// The configuration file of a service: the common sections, its database, and its own.
pub trait ControlConfig: Serialize + DeserializeOwned + Default + Validate + Send + Sync + 'static {
    fn host(&self) -> &HostConfig;
    fn database(&self) -> &DatabaseSection;
}

/// What a control-plane service gives to the process that runs it.
pub trait ControlService: Clone + Send + Sync + 'static {
    type Config: ControlConfig;
    const NAME: &'static str;
    const SCHEMA: &'static str;

    fn openapi() -> utoipa::openapi::OpenApi;
    fn migrate(database: &Database) -> impl Future<Output = Result<(), StoreError>>;
    fn check_schema(database: &Database) -> impl Future<Output = Result<(), StoreError>>;
    fn start(
        config: &Self::Config,
        database: Database,
        bus: SharedBus,
        process: &Process,
    ) -> impl Future<Output = Result<Self, StartError>>;
    fn configure(&self, services: &mut ServiceConfig<'_>);
    /// Where records of refused calls go.
    fn outbox(&self) -> Outbox;

    /// The resources of the internal listener; most services have none.
    fn configure_internal(&self, _services: &mut web::ServiceConfig) {}

    /// Resolves callers itself; the others ask auth.
    fn resolver(&self) -> Option<SharedCallerResolver> {
        None
    }

    /// Serves the API explorer for the whole platform.
    const SERVES_EXPLORER: bool = false;
}

/// The `main` of a control-plane service.
pub fn run_control_service<S: ControlService>() -> ExitCode {
    let command = match command::parse() {
        Ok(command) => command,
        Err(code) => return code,
    };
    block_on(async move {
        if command == ServiceCommand::Openapi {
            return print_document::<S>();
        }
        let config: S::Config = load(|config: &S::Config| &config.host().telemetry)?;
        match command {
            ServiceCommand::CheckConfig | ServiceCommand::Openapi => Ok(()),
            ServiceCommand::Migrate => migrate::<S>(&config).await,
            ServiceCommand::Serve => serve::<S>(&config).await,
        }
    })
}

fn print_document<S: ControlService>() -> Result<(), StartError> {
    use std::io::Write as _;
    let text = maas_web::openapi::to_text(&S::openapi()).map_err(anyhow::Error::from)?;
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| StartError::Internal(error.into()))
}

async fn migrate<S: ControlService>(config: &S::Config) -> Result<(), StartError> {
    let database = connect_database(config.database(), S::SCHEMA).await?;
    S::migrate(&database).await.map_err(|error| database_error(&error))?;
    let bus = connect_bus(&config.host().nats, &format!("{}-migrate", S::NAME)).await?;
    bus.provision().await.map_err(|error| bus_error(&error))?;
    tracing::info!(service.name = S::NAME, "database and bus are up to date");
    Ok(())
}

async fn serve<S: ControlService>(config: &S::Config) -> Result<(), StartError> {
    let host = config.host();
    // Ports first: whoever starts a second copy learns it at once, before anything is touched.
    let public = server::bind(host.http.address(), "http.port")?;
    let internal = server::bind(host.internal.address(), "internal.port")?;
    let operations = server::bind(host.operations.address(), "operations.port")?;

    let database = connect_database(config.database(), S::SCHEMA).await?;
    S::check_schema(&database).await.map_err(|error| database_error(&error))?;
    let bus = connect_bus(&host.nats, S::NAME).await?;
    bus.check_provisioned().await.map_err(|error| bus_error(&error))?;

    let process = Process::new().map_err(anyhow::Error::from)?;
    process.lifecycle.on_signal().map_err(anyhow::Error::from)?;
    let service = S::start(config, database, bus.clone(), &process).await?;
    let shared = SharedData::new(&service, host, bus, &process)?;

    serve_operations(&process, operations, || {}).map_err(anyhow::Error::from)?;
    let document = maas_web::openapi::to_text(&S::openapi()).map_err(anyhow::Error::from)?;
    let (public_service, public_shared) = (service.clone(), shared.clone());
    let workers = if host.http.workers == 0 { server::default_workers() } else { host.http.workers };
    server::serve_control_plane(&process.lifecycle, "public", public, workers, move |services| {
        public_shared.install(services);
        let mut described = ServiceConfig::new(services);
        public_service.configure(&mut described);
        explorer::serve_document(services, S::NAME, document.clone());
        if S::SERVES_EXPLORER {
            explorer::configure(services);
        }
    })
    .map_err(anyhow::Error::from)?;
    server::serve_control_plane(&process.lifecycle, "internal", internal, 1, move |services| {
        shared.install(services);
        service.configure_internal(services);
    })
    .map_err(anyhow::Error::from)?;

    tracing::info!(service.name = S::NAME, http.address = %host.http.address(), "serving");
    process.lifecycle.stopped(DRAIN).await?;
    tracing::info!(service.name = S::NAME, "stopped");
    Ok(())
}

/// What every handler may ask for.
#[derive(Clone)]
struct SharedData {
    settings: web::Data<WebSettings>,
    resolver: web::Data<SharedCallerResolver>,
    metrics: web::Data<HttpMetrics>,
    tokens: web::Data<InternalTokens>,
    refusals: web::Data<RefusalBooks>,
}

impl SharedData {
    fn new<S: ControlService>(
        service: &S,
        host: &HostConfig,
        bus: SharedBus,
        process: &Process,
    ) -> Result<Self, StartError> {
        let secret = |text: &str| SecretString::from(text.to_owned());
        let mut tokens = vec![secret(host.internal.token.expose())];
        if host.internal.second_token.is_set() {
            tokens.push(secret(host.internal.second_token.expose()));
        }
        let resolver = match service.resolver() {
            Some(resolver) => resolver,
            None => remote_resolver(host, bus, process)?,
        };
        let settings = WebSettings {
            public_origin: host.http.public_url(),
            allowed_origins: host.http.cors.allowed_origins.clone(),
            trusted_proxies: host.http.trusted_proxies.clone(),
        };
        Ok(Self {
            settings: web::Data::new(settings),
            resolver: web::Data::new(resolver),
            metrics: web::Data::new(HttpMetrics::register(&process.metrics).map_err(anyhow::Error::from)?),
            tokens: web::Data::new(InternalTokens(tokens)),
            refusals: web::Data::new(RefusalBooks::of(refusal_book(S::NAME, service.outbox(), process))),
        })
    }

    fn install(&self, services: &mut web::ServiceConfig) {
        services
            .app_data(self.settings.clone())
            .app_data(self.resolver.clone())
            .app_data(self.metrics.clone())
            .app_data(self.tokens.clone())
            .app_data(self.refusals.clone());
    }
}

fn refusal_book(service: &'static str, outbox: Outbox, process: &Process) -> RefusalBook {
    RefusalBook::start(service, process, move |deliveries, now| {
        let outbox = outbox.clone();
        async move { outbox.tell(deliveries, now).await }
    })
}

/// Asks auth, remembers its answers for a moment, and hears of changes.
fn remote_resolver(host: &HostConfig, bus: SharedBus, process: &Process) -> Result<SharedCallerResolver, StartError> {
    if host.services.auth_internal_url.is_empty() {
        let hint = "set services.auth_internal_url to auth's internal listener";
        return Err(StartError::unavailable("callers cannot be resolved", "auth's address is not set", hint));
    }
    // Our own services may be on this machine.
    let options = ControlOptions { guard: AddressGuard::with_loopback(), ..ControlOptions::default() };
    let client = control_client(&options).map_err(anyhow::Error::from)?;
    let token = SecretString::from(host.internal.token.expose().to_owned());
    let resolver = Arc::new(RemoteCallerResolver::new(client, &host.services.auth_internal_url, token));
    let stop = process.lifecycle.soft_stop().clone();
    process.lifecycle.spawn("news of callers", caller_news::hear(resolver.clone(), bus, stop));
    Ok(resolver)
}
