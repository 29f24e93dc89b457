//! The ledger's behaviour on SQLite and on Postgres, through the bus and through HTTP.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod analytics;
mod analytics_properties;
mod api;
mod arrival;
mod asking;
mod batches;
mod chargeback;
mod corrections;
mod corrections_api;
mod exactly_once;
mod export;
mod export_snapshot;
mod http;
mod latencies_of_people;
mod migrations;
mod nats;
mod partitions;
mod producer;
mod quarantine;
mod reconciliation;
mod refusals;
mod repair_quarantine;
mod replicas;
mod scopes;
mod sequences;
mod sums;
mod world;
