//! The catalogue: which models there are, where they are served, what they cost.
//!
//! Owns models, upstreams with their credentials, price versions, and the sources that models come from by themselves.
//! Publishes each model as a whole to the proxies, through the outbox, and remembers for a while how they find the
//! upstreams. Never calls a model, never decides who may use one (key-management grants, the proxy enforces), never
//! counts usage, never opens a sealed secret.
//!
//! To add an operation: a file in `http/`, a line in [`app::routes`], its rule in `domain/`, its transaction in
//! `service/`. To add a kind of source: see `service/source`.
#![forbid(unsafe_code)]

mod app;
mod background;
mod domain;
mod events;
mod health_report;
mod http;
mod migration;
mod service;
mod settings;
mod store;

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix_web::web;
use maas_bus::SharedBus;
use maas_http::{ControlOptions, control_client};
use maas_runtime::{exit::StartError, process::Process};
use maas_store::{
    Database, StoreError,
    outbox::{Outbox, OutboxSignal, Relay},
};
use tokio::sync::{Mutex, Notify};
use utoipa_actix_web::service_config::ServiceConfig;

pub use app::routes;
pub use domain::source::{
    NewModels, SourceKind, SourcePrice, SourceReport, SyncAction, SyncChange, SyncCounts, SyncOutcome,
};
pub use migration::Migrator;
pub use settings::{FILE_SOURCE, ListUpstream, ModelCatalogSettings};

use app::CatalogState;
use service::{Catalog, access::AccessDirectory, health::HealthMemory, metrics::CatalogMetrics};

/// The Postgres schema, and the stem of the SQLite file.
pub const SCHEMA: &str = "model_catalog";

/// For reading one list.
const LIST_TIMEOUT: Duration = Duration::from_secs(15);

pub async fn migrate(database: &Database) -> Result<(), StoreError> {
    maas_store::migrate::<Migrator>(database, SCHEMA).await
}

pub async fn check_schema(database: &Database) -> Result<(), StoreError> {
    maas_store::check_schema::<Migrator>(database).await
}

/// The service's OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    maas_web::openapi::document("model-catalog", app::routes)
}

/// The running service; clones share it.
#[derive(Clone)]
pub struct ModelCatalog {
    catalog: Arc<Catalog>,
}

impl ModelCatalog {
    /// Registers metrics and readiness checks, brings the table of sources in line with the settings, starts the
    /// background tasks. Every task ends at the soft stop.
    pub async fn start(
        settings: ModelCatalogSettings,
        database: Database,
        bus: SharedBus,
        process: &Process,
    ) -> Result<Self, StartError> {
        let catalog = Arc::new(build(&settings, database.clone(), process)?);
        let sources = catalog.register_sources(&settings).await.map_err(|error| {
            StartError::unavailable("the sources of models cannot be stored", error, "check the service's database")
        })?;
        let relay = Relay::new(database.clone(), catalog.signal.clone());
        background::relay::spawn(relay, bus.clone(), process).map_err(anyhow::Error::from)?;
        background::reconcile::spawn(catalog.clone(), bus.clone(), process);
        background::upstream_health::spawn(catalog.clone(), bus.clone(), process);
        background::access::spawn(&catalog, &bus, process);
        background::health::spawn(database, bus, process);
        background::gauges::spawn(catalog.clone(), process);
        background::sources::spawn(&catalog, sources, settings.sync_interval.get(), process);
        Ok(Self { catalog })
    }

    /// The routes and their state. Called once per worker.
    pub fn configure(&self, services: &mut ServiceConfig<'_>) {
        services.app_data(web::Data::new(CatalogState(self.catalog.clone())));
        app::routes(services);
    }

    /// What the proxies ask on the internal listener.
    pub fn configure_internal(&self, services: &mut web::ServiceConfig) {
        services
            .app_data(web::Data::new(CatalogState(self.catalog.clone())))
            .route(http::internal_models::PATH, web::get().to(http::internal_models::internal_models));
    }

    /// Where records of refused calls go.
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.catalog.database.clone(), self.catalog.signal.clone())
    }

    /// Runs every configured source once, one after the other. A source that cannot be read or stored says so in its
    /// report; it is tried again in the background.
    pub async fn sync_all(&self) -> Vec<SourceReport> {
        let sources = match self.catalog.sources().await {
            Ok(sources) => sources,
            Err(error) => {
                tracing::error!(%error, "the sources of models cannot be read");
                return Vec::new();
            }
        };
        let mut reports = Vec::new();
        for source in sources.into_iter().filter(|source| source.configured) {
            let report = self.catalog.sync(source.id, false).await;
            reports.push(report.unwrap_or_else(|error| SourceReport {
                id: source.id,
                name: source.name,
                kind: source.kind,
                dry_run: false,
                error: Some(error.to_string()),
                outcome: SyncOutcome::default(),
            }));
        }
        reports
    }
}

fn build(settings: &ModelCatalogSettings, database: Database, process: &Process) -> Result<Catalog, StartError> {
    let wrong = |what: &str, why: String| StartError::unavailable(what.to_owned(), why, "check the section catalog");
    let guard = settings.guard();
    let options = ControlOptions { guard: guard.clone(), timeout: LIST_TIMEOUT, ..ControlOptions::default() };
    Ok(Catalog {
        database,
        signal: OutboxSignal::default(),
        clock: process.clock.clone(),
        currency: settings.parsed_currency().ok_or_else(|| wrong("catalog.currency", "not a currency".to_owned()))?,
        public_url: settings.public_url.clone(),
        default_price: settings.default_price,
        sealing: settings.sealing_keys().map_err(|error| wrong("catalog.encryption_key", error.to_string()))?,
        client: control_client(&options).map_err(anyhow::Error::from)?,
        guard,
        metrics: CatalogMetrics::register(&process.metrics).map_err(anyhow::Error::from)?,
        health: HealthMemory::default(),
        access: AccessDirectory::default(),
        changed: Notify::new(),
        runs: Mutex::new(HashMap::new()),
    })
}
