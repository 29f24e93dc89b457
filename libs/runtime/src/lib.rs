//! What every process needs before it does anything of its own: configuration, telemetry, metrics, start and stop.
//!
//! It never knows a service, a database or a bus: services compose the pieces in their `main`.
//!
//! - A new setting: a field in a section (shared ones are in [`config::sections`]), with a default and, where values
//!   can be wrong, a line in `validate`. Its environment name follows from the field.
//! - A new metric: a row in [`metrics::table`], then `registry.register(&table::ROW, …)` where it is counted.
//! - A new background task: [`lifecycle::Lifecycle::spawn`], so that its death is noticed and its end awaited.
#![forbid(unsafe_code)]

pub mod command;
pub mod config;
pub mod exit;
pub mod lifecycle;
pub mod metrics;
pub mod process;
pub mod readiness;
pub mod telemetry;
pub mod tls;
