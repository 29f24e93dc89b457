//! Pure rules and types of the ledger; knows neither actix nor sea-orm, and reads no clock.

pub mod analytics;
pub mod booked;
pub mod completeness;
pub mod correction;
pub mod dimensions;
pub mod event;
pub mod filter;
pub mod focus;
pub mod latency;
pub mod measures;
pub mod period;
pub mod quarantine;
pub mod received;
pub mod reconciliation;
pub mod sequence;
pub mod source;
pub mod summary;
pub mod totals;
pub mod window;
pub mod zone;
