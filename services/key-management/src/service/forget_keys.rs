//! Forgets ephemeral keys some time after their end. Other keys stay for ever, as what they used does.

use std::time::Duration;

use maas_store::{Database, StoreError, outbox};
use maas_types::{Clock, Timestamp};

use super::OutboxSignal;
use crate::{events, store};

const INTERVAL: Duration = Duration::from_secs(60);
const BATCH: u64 = 200;

/// What the task works with.
pub struct ForgetKeys {
    pub database: Database,
    pub clock: std::sync::Arc<dyn Clock>,
    pub signal: OutboxSignal,
    /// How long an ephemeral key stays after its end.
    pub retention: Duration,
}

impl ForgetKeys {
    pub async fn run(self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.forget_all().await {
                tracing::warn!(error = %error, "ended ephemeral keys could not be forgotten");
            }
        }
    }

    async fn forget_all(&self) -> Result<(), StoreError> {
        while self.forget_batch(self.clock.now()).await? > 0 {}
        Ok(())
    }

    /// How many there were. Another replica may take some of them; each key leaves once.
    async fn forget_batch(&self, now: Timestamp) -> Result<usize, StoreError> {
        let transaction = self.database.begin().await?;
        let ended = store::key_page::ended_ephemeral(&transaction, now.minus(self.retention), BATCH).await?;
        let mut tombstones = Vec::new();
        for key in &ended {
            if store::key::delete(&transaction, key).await? {
                tombstones.push(events::tombstone_delivery(key, now));
            }
        }
        let forgotten = tombstones.len();
        if forgotten > 0 {
            let record = events::forgotten_delivery(forgotten, now);
            outbox::append(&transaction, tombstones.into_iter().chain([record]), now).await?;
        }
        transaction.commit().await?;
        self.signal.wake();
        Ok(forgotten)
    }
}
