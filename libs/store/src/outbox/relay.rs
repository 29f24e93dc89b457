//! Takes rows out of the outbox and hands them to a closure that delivers.

use std::{future::Future, time::Duration};

use maas_events::Delivery;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{LockBehavior, LockType},
};
use uuid::Uuid;

use super::{OutboxSignal, entity};
use crate::{
    connection::Database,
    error::{StoreError, classify},
};

const BATCH: u64 = 100;
/// Rows of other replicas, and those whose wake-up was lost, wait at most this long.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs for the life of a service; any number of replicas may run one each.
pub struct Relay {
    database: Database,
    signal: OutboxSignal,
}

/// What one round did, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayProgress {
    pub delivered: usize,
    pub pending: u64,
}

impl Relay {
    pub fn new(database: Database, signal: OutboxSignal) -> Self {
        Self { database, signal }
    }

    /// Delivers until the future is dropped. `deliver` says whether a row may be deleted; `observe` hears of each
    /// round that found something or failed to.
    pub async fn run<F, Fut, E>(self, deliver: F, observe: impl Fn(RelayProgress))
    where
        F: Fn(Delivery) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let mut pause = LOOK_AGAIN;
        loop {
            match self.drain_once(&deliver).await {
                Ok(delivered) => {
                    pause = LOOK_AGAIN;
                    if delivered > 0 {
                        observe(RelayProgress { delivered, pending: self.pending().await.unwrap_or(0) });
                        continue;
                    }
                }
                Err(error) => {
                    let chain = error_chain(&*error);
                    tracing::warn!(error = %chain, retry_in_ms = pause.as_millis(), "the outbox could not be delivered");
                    observe(RelayProgress { delivered: 0, pending: self.pending().await.unwrap_or(0) });
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    tokio::time::sleep(pause).await;
                    continue;
                }
            }
            tokio::select! {
                () = self.signal.woken() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    /// Delivers up to one batch; the number of rows that are done.
    pub async fn drain_once<F, Fut, E>(&self, deliver: &F) -> Result<usize, Box<dyn std::error::Error + Send + Sync>>
    where
        F: Fn(Delivery) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: std::error::Error + Send + Sync + 'static,
    {
        if self.database.backend() == DatabaseBackend::Postgres {
            // The row locks keep other relays away until the rows are gone.
            let transaction = self.database.begin().await?;
            let result = deliver_and_delete(&transaction, &transaction, true, deliver).await;
            transaction.commit().await.map_err(classify)?;
            return result;
        }
        // SQLite has one process and so one relay. No transaction may stay open here: a delivery may wait for a
        // consumer that writes to this very database.
        deliver_and_delete(self.database.reader(), self.database.writer(), false, deliver).await
    }

    async fn pending(&self) -> Result<u64, StoreError> {
        entity::Entity::find().count(self.database.reader()).await.map_err(classify)
    }
}

async fn deliver_and_delete<F, Fut, E>(
    reader: &impl ConnectionTrait,
    writer: &impl ConnectionTrait,
    lock: bool,
    deliver: &F,
) -> Result<usize, Box<dyn std::error::Error + Send + Sync>>
where
    F: Fn(Delivery) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    let mut query = entity::Entity::find().order_by_asc(entity::Column::Id).limit(BATCH);
    if lock {
        query = query.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
    }
    let rows = query.all(reader).await.map_err(classify)?;
    let mut done: Vec<Uuid> = Vec::with_capacity(rows.len());
    let mut failure = None;
    for row in rows {
        let id = row.id;
        match deliver(row.into_delivery()?).await {
            Ok(()) => done.push(id),
            // One that fails must not hold up what can be delivered; it stays and is tried again.
            Err(error) => failure = Some(error),
        }
    }
    let count = done.len();
    if count > 0 {
        let delete = entity::Entity::delete_many().filter(entity::Column::Id.is_in(done));
        delete.exec(writer).await.map_err(classify)?;
    }
    match failure {
        Some(error) => Err(Box::new(error)),
        None => Ok(count),
    }
}

/// An error with its causes on one line.
fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
