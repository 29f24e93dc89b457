//! Rows and queries. Every function takes the connection, so that the caller decides what commits together.

mod access_entity;
pub mod access_request;
mod convert;
mod entity;
mod filter;
pub mod idempotency;
pub mod key;
pub mod key_page;
pub mod key_use;
pub mod lock;
mod order;
pub mod plan;
#[cfg(test)]
mod plan_tests;
pub mod seen_model;
pub mod subscription;
pub mod subscription_page;

pub use filter::{EphemeralFilter, KeyFilter, ModelFilter};
pub use order::{KeyOrder, KeyPosition, KeySort};
pub use subscription_page::{SubscriptionFilter, SubscriptionPosition};
