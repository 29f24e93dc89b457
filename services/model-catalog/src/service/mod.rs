//! Use cases: each opens its transaction, applies the rule, writes what it has to tell, commits, wakes the relay.

pub mod access;
pub mod change;
pub mod health;
pub mod metrics;
pub mod model;
pub mod price;
pub mod read;
pub mod source;
pub mod upstream;

use maas_types::input::InputFault;
use std::{collections::HashMap, sync::Arc};

use maas_http::AddressGuard;
use maas_keys::{SealingError, SealingKeys};
use maas_store::{Database, StoreError, outbox::OutboxSignal};
use maas_types::{Clock, Currency, SourceId};
use tokio::sync::{Mutex, Notify};

use self::{access::AccessDirectory, health::HealthMemory, metrics::CatalogMetrics};
use crate::domain::source::SourcePrice;

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("the input has faults: {}", crate::domain::fault::join(.0))]
    Invalid(Vec<InputFault>),
    #[error("no such {0}")]
    NotFound(&'static str),
    #[error("the name {0} is taken")]
    NameTaken(String),
    /// The row is at another version than the caller saw.
    #[error("somebody changed it meanwhile")]
    Outdated,
    #[error("{0}")]
    Conflict(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the secret cannot be sealed")]
    Sealing(#[from] SealingError),
}

/// What this process remembers of a source's runs.
#[derive(Debug, Default)]
pub struct RunState {
    pub has_run: bool,
    /// The hash of the file that the last run read; `None` when there was nothing to read.
    pub content: Option<u64>,
}

/// Everything the use cases share.
pub struct Catalog {
    pub database: Database,
    pub signal: OutboxSignal,
    pub clock: Arc<dyn Clock>,
    pub currency: Currency,
    pub public_url: String,
    pub default_price: Option<SourcePrice>,
    pub sealing: Option<SealingKeys>,
    pub guard: AddressGuard,
    pub client: reqwest::Client,
    pub metrics: CatalogMetrics,
    /// What the proxies say about upstreams.
    pub health: HealthMemory,
    /// Who may call what, for what is shown to people.
    pub access: AccessDirectory,
    /// Told after each change, so that gauges follow.
    pub changed: Notify,
    /// Runs of one source follow each other.
    pub runs: Mutex<HashMap<SourceId, Arc<Mutex<RunState>>>>,
}

impl Catalog {
    /// To be called after each commit.
    fn announce(&self) {
        self.signal.wake();
        self.changed.notify_one();
    }
}

fn refuse(faults: Vec<InputFault>) -> Result<(), CatalogError> {
    if faults.is_empty() { Ok(()) } else { Err(CatalogError::Invalid(faults)) }
}
