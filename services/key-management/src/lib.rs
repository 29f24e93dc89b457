//! API keys and access to models: who owns which key, what each may call, when it ends, who may use restricted models,
//! and how everybody hears of a change.
//!
//! It owns the rows of keys, subscriptions and plans, and their buckets on the bus. It never keeps a secret (only a MAC
//! under a pepper), never
//! decides on a request of the data plane (proxies do, from the values published here), and never reads another
//! service's tables: what it must know of models and users it hears on the bus.
//!
//! To add an operation: the rule in `domain/`, the use case in `service/`, one file in `http/`, one line in [`app`].
#![forbid(unsafe_code)]

mod access_events;
pub mod app;
mod domain;
mod events;
mod http;
mod migration;
mod service;
mod settings;
mod store;

use std::sync::Arc;

use anyhow::Context as _;
use maas_bus::SharedBus;
use maas_keys::PlainKey;
use maas_revocation::{OwnerName, owner::RevocationOwner};
use maas_runtime::{exit::StartError, process::Process};
use maas_store::{
    Database, StoreError,
    outbox::{Outbox, OutboxSignal},
};
use maas_types::UserId;

pub use migration::Migrator;
pub use service::KeyError;
pub use settings::{KeyManagementSettings, NoRandomBytes, PepperSettingsError, generate_pepper};

use service::{KeyService, directory::Directory, report_leak, revoked_keys::RevokedKeys, tasks};

/// The Postgres schema; also the stem of the SQLite file.
pub const SCHEMA: &str = "key_management";

pub async fn migrate(database: &Database) -> Result<(), StoreError> {
    maas_store::migrate::<Migrator>(database, SCHEMA).await
}

pub async fn check_schema(database: &Database) -> Result<(), StoreError> {
    maas_store::check_schema::<Migrator>(database).await
}

/// The service; clones share it.
#[derive(Clone)]
pub struct KeyManagement(Arc<KeyService>);

impl KeyManagement {
    /// Registers metrics and readiness checks and spawns the background tasks. The schema must be up to date.
    pub async fn start(
        settings: KeyManagementSettings,
        database: Database,
        bus: SharedBus,
        process: &Process,
    ) -> Result<Self, StartError> {
        let revoked = RevokedKeys(database.clone());
        let revocations = RevocationOwner::new(OwnerName::Keys, database.clone(), process.clock.clone(), revoked);
        let service = Arc::new(KeyService {
            revocations,
            clock: process.clock.clone(),
            signal: OutboxSignal::default(),
            models: Arc::new(Directory::default()),
            users: Arc::new(Directory::default()),
            teams: Arc::new(Directory::default()),
            peppers: settings.peppers().context("the peppers cannot be used")?,
            expiry: settings.expiry_policy(),
            expiry_presets: settings.expiry_presets(),
            max_rotation_overlap: settings.max_rotation_overlap.get(),
            ephemeral_retention: settings.ephemeral_retention.get(),
            leak_reports: report_leak::limiter(),
            metrics: tasks::KeyMetrics::register(&process.metrics).context("the metrics cannot be registered")?,
            database,
        });
        let default_plan = service.ensure_default_plan().await;
        default_plan.map_err(|error| {
            StartError::unavailable("making the default plan", error, "check the service's database")
        })?;
        let responding = tasks::respond(&bus, service.database.clone()).await;
        responding.map_err(|error| StartError::unavailable("answering key look-ups on the bus", error, ""))?;
        let told = service.revocations.start(&bus, process).await;
        told.map_err(|error| StartError::unavailable("answering proxies on the bus", error, ""))?;
        tasks::spawn(&service, &bus, process);
        Ok(Self(service))
    }

    /// State and routes of the public listener.
    pub fn configure(&self, services: &mut utoipa_actix_web::service_config::ServiceConfig<'_>) {
        services.app_data(actix_web::web::Data::from(self.0.clone()));
        app::routes(services);
    }

    /// State and routes of the internal listener.
    pub fn configure_internal(&self, services: &mut actix_web::web::ServiceConfig) {
        services.app_data(actix_web::web::Data::from(self.0.clone()));
        app::internal_routes(services);
    }

    /// Where records of refused calls go.
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.0.database.clone(), self.0.signal.clone())
    }

    /// Makes a key with all models for `owner` when there is no key at all, else `None`.
    pub async fn create_first_key(&self, owner: UserId, name: &str) -> Result<Option<PlainKey>, KeyError> {
        self.0.create_first_key(owner, name).await
    }
}

/// The OpenAPI document of the public listener.
pub fn openapi() -> utoipa::openapi::OpenApi {
    maas_web::openapi::document("key-management", app::routes)
}
