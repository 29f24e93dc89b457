//! Pure rules and types of the ledger; knows neither actix nor sea-orm, and reads no clock.

pub mod completeness;
pub mod event;
pub mod period;
pub mod received;
pub mod sequence;
pub mod source;
pub mod summary;
pub mod totals;
pub mod window;
