//! One usage event for each admitted request, whatever happens to it.
//!
//! Order: `ADMIT` is in the journal's file before the upstream is called; `SETTLE` is in the file before the terminal
//! bytes go to the client ([`on_disk`] holds them back); shipping happens afterwards and may be repeated. A crash
//! between any two of these leaves a record from which the next start makes the event.

mod account;
mod announce;
mod batch;
mod clock_offset;
mod delivery;
pub mod on_disk;
pub mod open_request;
mod progress;
pub mod recovery;
mod resend;
pub mod shipping;
#[cfg(test)]
mod shipping_tests;
mod tidying;
pub mod watermark;

pub use account::Account;
pub use open_request::{Admission, OpenRequest, Settlement};
