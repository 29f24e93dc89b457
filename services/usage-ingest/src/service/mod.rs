//! Use cases: from the stream into the ledger, and from the ledger into answers.

pub mod analytics;
pub mod commit;
pub mod consumer;
pub mod correct;
pub mod export;
pub mod key_usage;
pub mod monitor;
pub mod partitions;
pub mod quarantine;
pub mod questions;
pub mod reconciliation;
pub mod record_correction;
pub mod repair;
mod repeated;
pub mod replay;
pub mod supervise;
pub mod watermarks;
pub mod writer;
