//! The ledger: every usage event once, what is summed from it, and how complete it is.
//!
//! Owns the events, their signed corrections, the sums over both (quarter hours, days, overviews, the monthly ledger), the
//! last use of keys, the committed sequences of all producers and the quarantine. It never works out a price or which
//! limits apply (events carry both, fixed at admission), never sees a prompt, and never edits an event that it has stored;
//! it drops raw events only when their retention is over.
//!
//! The way of an event: [`service::consumer`] gathers messages, [`events`] checks and converts them, [`service::writer`]
//! sees to it that all of them are committed, [`service::commit`] is the transaction. Each of these files opens with its
//! guarantee and with what happens at each failure.
//!
//! To add an operation: a file in `http/` with request, answer and handler, a line in [`app::routes`], a use case in
//! [`service::questions`], its query in `store/`.
#![forbid(unsafe_code)]

pub mod app;
mod audit;
pub mod domain;
pub mod events;
mod held_events;
mod http;
pub mod metrics;
mod migration;
mod pipeline_metrics;
pub mod service;
pub mod settings;
pub mod store;

use std::sync::Arc;

use actix_web::web;
use maas_bus::{BusError, SharedBus};
use maas_events::topic::{KEY_USAGE_SUBJECT, WATERMARK_QUERY_SUBJECT};
use maas_runtime::{metrics::MetricsError, process::Process};
use maas_store::{
    Database, StoreError,
    outbox::{Outbox, OutboxSignal, Relay},
};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    app::UsageState,
    http::repair::RepairState,
    metrics::UsageMetrics,
    pipeline_metrics::PipelineMetrics,
    service::{
        consumer::UsageConsumer,
        export::{ExportLimits, Exports},
        key_usage,
        monitor::Monitor,
        partitions::PartitionKeeper,
        repair::Repair,
        supervise::Supervisor,
        watermarks,
        writer::Writer,
    },
};
pub use crate::{migration::Migrator, settings::UsageIngestSettings};

/// The Postgres schema, and the stem of the SQLite file.
pub const SCHEMA: &str = "usage_ingest";

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("usage metrics cannot be registered")]
    Metrics(#[from] MetricsError),
    #[error("questions on the bus cannot be answered")]
    Bus(#[from] BusError),
}

/// The running service; clones share it.
#[derive(Clone)]
pub struct UsageIngest {
    state: UsageState,
    repair: RepairState,
}

pub async fn migrate(database: &Database) -> Result<(), StoreError> {
    maas_store::migrate::<Migrator>(database, SCHEMA).await
}

pub async fn check_schema(database: &Database) -> Result<(), StoreError> {
    maas_store::check_schema::<Migrator>(database).await
}

/// The document of the public operations.
pub fn openapi() -> utoipa::openapi::OpenApi {
    maas_web::openapi::document("usage-ingest", app::routes)
}

impl UsageIngest {
    /// Starts consuming, answering and watching. Every task ends at the soft stop; what was not acknowledged by then
    /// comes again.
    pub async fn start(
        settings: UsageIngestSettings,
        database: Database,
        bus: SharedBus,
        process: &Process,
    ) -> Result<Self, StartError> {
        let metrics = UsageMetrics::register(&process.metrics)?;
        let readiness = process.readiness.scoped("usage");
        let clock = process.clock.clone();
        bus.respond(WATERMARK_QUERY_SUBJECT, watermarks::responder(database.clone(), clock.clone())).await?;
        let key_usage = key_usage::responder(database.clone(), clock.clone(), settings.currency);
        bus.respond(KEY_USAGE_SUBJECT, key_usage).await?;

        let stop = process.lifecycle.soft_stop();
        let monitor = Monitor {
            database: database.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            database_check: readiness.register("database"),
            bus_check: readiness.register("bus"),
        };
        process.lifecycle.spawn("usage monitor", monitor.run(stop.clone()));

        let keeper = PartitionKeeper {
            database: database.clone(),
            clock: clock.clone(),
            retention: settings.raw_retention.get(),
        };
        process.lifecycle.spawn("usage partitions", keeper.run(stop.clone()));

        let repair = Repair {
            database: database.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
            settings: settings.clone(),
            signal: OutboxSignal::default(),
            proving: Arc::default(),
        };
        let supervisor = Supervisor { repair: repair.clone(), metrics: PipelineMetrics::register(&process.metrics)? };
        process.lifecycle.spawn("usage supervision", supervisor.clone().watch(stop.clone()));
        process.lifecycle.spawn("usage proofs", supervisor.prove(stop.clone()));
        audit::spawn_relay(Relay::new(database.clone(), repair.signal.clone()), bus.clone(), process)?;

        let check = readiness.register("consumer");
        let closing = settings.month_closing();
        let writer = Writer { database: database.clone(), clock: clock.clone(), metrics, check, closing };
        let currency = settings.currency;
        let exports = Exports::new(&database, ExportLimits::default());
        let state = UsageState { database, clock, currency, exports };
        let consumer = UsageConsumer { bus, writer, settings };
        process.lifecycle.spawn("usage consumer", consumer.run(stop.clone()));
        Ok(Self { state, repair: RepairState(repair) })
    }

    /// Where records of refused calls go.
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.repair.0.database.clone(), self.repair.0.signal.clone())
    }

    /// The public operations and their state, for one worker.
    pub fn configure(&self, services: &mut ServiceConfig<'_>) {
        services.app_data(web::Data::new(self.state.clone()));
        services.app_data(web::Data::new(self.repair.clone()));
        app::routes(services);
    }
}
