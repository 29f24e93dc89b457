//! What runs beside the requests; every task ends at the soft stop.

pub mod access;
pub mod gauges;
pub mod health;
pub mod reconcile;
pub mod relay;
pub mod sources;
pub mod upstream_health;
