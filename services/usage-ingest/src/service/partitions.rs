//! Keeps the days of raw events: makes partitions ahead, drops what is older than the retention.
//!
//! Guarantee: no event is dropped that is younger than `usage.raw_retention`; ingest neither waits for this task nor
//! depends on it. Sums and corrections stay for ever.
//!
//! What happens at each failure:
//! - the task is late, or dead: ingest makes the partition that it needs, in its own transaction;
//! - several replicas do the same: making is under the partition lock; of two that drop, one finds the work done;
//! - a reader holds on to an old day: its partition is dropped in a later round, ingest does not notice;
//! - the process dies half-way: the next round goes on from there;
//! - the clock jumps ahead: a few days go per round, so that somebody can notice.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use maas_store::{Database, StoreError};
use maas_types::{Clock, Timestamp};
use sea_orm::DatabaseBackend;
use tokio_util::sync::CancellationToken;

use crate::{
    domain::event::day_of,
    store::{
        lock::{PARTITION, hold_partition},
        partition::{self, Dropper},
        retention::raise_raw_floor,
    },
};

const ROUND: Duration = Duration::from_secs(600);
const DAYS_AHEAD: i32 = 3;
/// Days dropped in one round; one a day is what is needed.
const MOST_DROPPED: usize = 3;
/// How long a statement may wait for a lock, and others behind it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Rows deleted in one statement on SQLite, which has one writer at a time.
const SLICE: u32 = 1_000;
const MOST_SLICES: usize = 500;

pub struct PartitionKeeper {
    pub database: Database,
    pub clock: Arc<dyn Clock>,
    pub retention: Duration,
}

impl PartitionKeeper {
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            let now = self.clock.now();
            report("partitions were not made ahead", make_ahead(&self.database, now).await.map(|()| 0));
            report("old usage events were not dropped", drop_expired(&self.database, self.retention, now).await);
            tokio::select! {
                () = tokio::time::sleep(ROUND) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }
}

fn report(failed: &'static str, outcome: Result<u64, StoreError>) {
    match outcome {
        Ok(0) => {}
        Ok(dropped) => tracing::info!(dropped, "dropped old usage events"),
        Err(error) if partition::gave_up_waiting(&error) => {
            tracing::info!("somebody uses what should be dropped; it is tried again in the next round");
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::warn!(error.message = %error, error.cause = cause, "{failed}; it is tried again");
        }
    }
}

/// The partitions of today and of the next three days.
pub async fn make_ahead(database: &Database, now: Timestamp) -> Result<(), StoreError> {
    let today = day_of(now);
    let days: BTreeSet<i32> = (today..=today.saturating_add(DAYS_AHEAD)).collect();
    if partition::missing_days(database.reader(), &days).await?.is_empty() {
        return Ok(());
    }
    let transaction = database.begin().await?;
    // Ingest waits for the partition as long as this does.
    partition::give_up_waiting_after(&transaction, PATIENCE).await?;
    hold_partition(&transaction, PARTITION).await?;
    partition::ensure_days(&transaction, &days).await?;
    transaction.commit().await?;
    Ok(())
}

/// Drops days that are wholly older than the retention; answers how many partitions (on SQLite: events) went. What did
/// not go in this round goes in a later one.
pub async fn drop_expired(database: &Database, retention: Duration, now: Timestamp) -> Result<u64, StoreError> {
    let first_kept = day_of(now.minus(retention));
    if database.backend() != DatabaseBackend::Postgres {
        return delete_slices(database, first_kept).await;
    }
    let expired = partition::expired(database.reader(), first_kept).await?;
    if expired.is_empty() {
        return Ok(0);
    }
    let mut dropper = Dropper::open(database, PATIENCE).await?;
    let mut dropped = 0;
    for expired in expired.into_iter().take(MOST_DROPPED) {
        raise_raw_floor(database.writer(), expired.day.saturating_add(1)).await?;
        dropper.drop_day(expired).await?;
        dropped += 1;
    }
    Ok(dropped)
}

/// Ingest gets its turn between the slices: it waits for the same connection.
async fn delete_slices(database: &Database, first_kept: i32) -> Result<u64, StoreError> {
    raise_raw_floor(database.writer(), first_kept).await?;
    let mut deleted = 0;
    for _ in 0..MOST_SLICES {
        let slice = partition::delete_slice(database.writer(), first_kept, SLICE).await?;
        deleted += slice;
        if slice < u64::from(SLICE) {
            break;
        }
    }
    Ok(deleted)
}
