//! What people do about usage that could not be booked, or was booked wrongly, and how they see what is missing.
//!
//! Guarantee: whatever is changed here, its decision with who and why, and its audit record commit together or not at
//! all. Each change holds the partition lock, so that none meets a batch of ingest half-way.

use std::sync::Arc;

use maas_bus::SharedBus;
use maas_store::{Database, StoreError, outbox::OutboxSignal};
use maas_types::{Clock, input::InputFault};

use super::correct::CorrectError;
use crate::{
    domain::{period::MonthClosing, quarantine::DecidedOtherwise},
    settings::UsageIngestSettings,
};

/// Clones share it.
#[derive(Clone)]
pub struct Repair {
    pub database: Database,
    pub bus: SharedBus,
    pub clock: Arc<dyn Clock>,
    pub settings: UsageIngestSettings,
    /// Wakes the relay that delivers audit records.
    pub signal: OutboxSignal,
    /// Held while a day is checked for somebody who waits.
    pub proving: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    #[error("no such {0}")]
    NotFound(&'static str),
    #[error("the input has faults")]
    Invalid(Vec<InputFault>),
    #[error(transparent)]
    DecidedOtherwise(#[from] DecidedOtherwise),
    /// It cannot be booked; the text says why, and what else could be done.
    #[error("{0}")]
    NotBooked(String),
    #[error(transparent)]
    Correct(CorrectError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CorrectError> for RepairError {
    fn from(error: CorrectError) -> Self {
        match error {
            CorrectError::Store(error) => Self::Store(error),
            other => Self::Correct(other),
        }
    }
}

impl Repair {
    pub(super) fn closing(&self) -> MonthClosing {
        self.settings.month_closing()
    }
}
