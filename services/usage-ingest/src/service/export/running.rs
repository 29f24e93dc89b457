//! Exports that run: a task for each reads pages from its snapshot and waits until the client has taken them.

use std::time::Duration;

use maas_store::{Database, StoreError};
use maas_types::{Currency, Timestamp, UserId};
use maas_web::export::{ExportSlots, NoSlot, Slot};
use sea_orm::{DatabaseConnection, DatabaseTransaction};
use tokio::{sync::mpsc, time::timeout};

use super::{ExportRow, Rows};
use crate::{
    service::analytics::{Ledger, Scope, Usage},
    store,
};

/// Exports of this process at once: each has a connection to the database.
const IN_ALL: u32 = 8;

/// How long an export may hold its snapshot, which keeps the database from cleaning up.
#[derive(Debug, Clone, Copy)]
pub struct ExportLimits {
    /// Without the client taking a page.
    pub pause: Duration,
    pub whole: Duration,
}

impl Default for ExportLimits {
    fn default() -> Self {
        Self { pause: Duration::from_secs(5 * 60), whole: Duration::from_secs(30 * 60) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    NoSlot(#[from] NoSlot),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the rows ended before their end.
#[derive(Debug, thiserror::Error)]
pub enum BrokenOff {
    #[error("the client did not take the file in time")]
    NotTaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Clones share slots and connections.
#[derive(Debug, Clone)]
pub struct Exports {
    database: Database,
    connections: DatabaseConnection,
    slots: ExportSlots,
    limits: ExportLimits,
}

impl Exports {
    /// Needs a Tokio runtime.
    pub fn new(database: &Database, limits: ExportLimits) -> Self {
        let connections = store::export::connections(database, IN_ALL);
        Self { database: database.clone(), connections, slots: ExportSlots::new(IN_ALL as usize), limits }
    }

    /// Begins one for a caller, with the ledger as it is now. Nothing is read yet.
    pub async fn begin(&self, user: UserId, currency: Currency, now: Timestamp) -> Result<ExportSnapshot, ExportError> {
        let slot = self.slots.take(user)?;
        let snapshot = store::snapshot::begin_export(&self.connections).await?;
        let ledger = Ledger::open_in(&snapshot, &self.database, currency, now).await?;
        Ok(ExportSnapshot { ledger, snapshot, _slot: slot, limits: self.limits })
    }
}

/// The moment that an export is about.
#[derive(Debug)]
pub struct ExportSnapshot {
    pub ledger: Ledger,
    snapshot: DatabaseTransaction,
    /// An export counts as running for as long as it holds a snapshot.
    _slot: Slot,
    limits: ExportLimits,
}

impl ExportSnapshot {
    pub async fn scope_of(&self, usage: &Usage) -> Result<Scope, StoreError> {
        self.ledger.scope_in(&self.snapshot, usage).await
    }

    /// Begins to read. Needs a Tokio runtime.
    pub fn read(self, rows: Rows) -> Pages {
        // One page waits, so that the next is read while the client takes it.
        let (sender, pages) = mpsc::channel(1);
        // Untracked: it ends when its client has everything or has left, and within its limits anyway.
        tokio::spawn(self.send(rows, sender));
        Pages(pages)
    }

    async fn send(self, mut rows: Rows, pages: mpsc::Sender<Result<Vec<ExportRow>, StoreError>>) {
        let sending = async {
            loop {
                let page = rows.next(&self.snapshot).await;
                let is_last = page.as_ref().map_or(true, Vec::is_empty);
                let taken = timeout(self.limits.pause, pages.send(page)).await;
                if is_last || !matches!(taken, Ok(Ok(()))) {
                    return;
                }
            }
        };
        // Whoever waits for a page that does not come finds that the sender is gone.
        let _too_long = timeout(self.limits.whole, sending).await;
    }
}

/// The pages of a running export. Dropping them ends it.
#[derive(Debug)]
pub struct Pages(mpsc::Receiver<Result<Vec<ExportRow>, StoreError>>);

impl Pages {
    /// The next rows; none: that was all. After an error there is nothing more.
    pub async fn next(&mut self) -> Result<Vec<ExportRow>, BrokenOff> {
        match self.0.recv().await {
            Some(page) => Ok(page?),
            None => Err(BrokenOff::NotTaken),
        }
    }
}
