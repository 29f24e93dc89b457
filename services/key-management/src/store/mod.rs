//! Rows and queries. Every function takes the connection, so that the caller decides what commits together.

mod convert;
mod entity;
mod filter;
pub mod idempotency;
pub mod key;
pub mod key_page;

pub use filter::KeyFilter;
