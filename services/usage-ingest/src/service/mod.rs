//! Use cases: from the stream into the ledger, and from the ledger into answers.

pub mod commit;
pub mod consumer;
pub mod key_usage;
pub mod monitor;
pub mod questions;
pub mod watermarks;
pub mod writer;
