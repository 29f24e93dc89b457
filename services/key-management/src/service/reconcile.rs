//! The owner watches its own bucket and publishes again what is missing there or older than its row.
//!
//! In normal times the outbox delivers everything and nothing is found here. A bus that lost or rolled back its state
//! is brought up to date by this, without anybody noticing.

use std::{collections::HashMap, time::Duration};

use maas_bus::{BusError, SharedBus, StateChange, StateWatch};
use maas_events::Bucket;
use maas_store::{Database, StoreError};
use maas_types::KeyId;
use tokio::time::{Interval, MissedTickBehavior};

use crate::{events, store};

const INTERVAL: Duration = Duration::from_secs(30);
const PAGE: u64 = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

pub struct Reconciler {
    database: Database,
    bus: SharedBus,
    watch: StateWatch,
    /// The versions in the bucket, as far as heard.
    published: HashMap<KeyId, u64>,
    caught_up: bool,
}

impl Reconciler {
    pub fn new(database: Database, bus: SharedBus) -> Self {
        let watch = bus.watch_state(Bucket::Keys);
        Self { database, bus, watch, published: HashMap::new(), caught_up: false }
    }

    /// Runs until the bus is closed or the future is dropped.
    pub async fn run(mut self) {
        let mut ticks = ticks();
        loop {
            tokio::select! {
                change = self.watch.next() => match change {
                    Some(change) => self.note(change).await,
                    None => return,
                },
                _ = ticks.tick() => self.publish_outdated().await,
            }
        }
    }

    async fn note(&mut self, change: StateChange) {
        match change {
            StateChange::Restarted => {
                self.published.clear();
                self.caught_up = false;
            }
            StateChange::Value { key, version, .. } => {
                if let Some(id) = events::key_of_bucket_key(&key) {
                    self.published.insert(id, version);
                }
            }
            StateChange::CaughtUp => {
                self.caught_up = true;
                self.publish_outdated().await;
            }
        }
    }

    async fn publish_outdated(&self) {
        if !self.caught_up {
            return;
        }
        match self.try_publish_outdated().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(keys.count = count, "published keys that the bus did not have"),
            Err(error) => tracing::warn!(error = %error, "the keys on the bus could not be compared with the rows"),
        }
    }

    async fn try_publish_outdated(&self) -> Result<usize, ReconcileError> {
        let (mut published, mut after) = (0, None);
        loop {
            let page = store::key_page::walk_versions(self.database.reader(), after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(published) };
            after = Some(*last);
            let is_outdated = |(id, version): &(KeyId, u64)| self.published.get(id).is_none_or(|held| held < version);
            let outdated = page.into_iter().filter(is_outdated).map(|(id, _)| id);
            for key in store::key_page::find_many(self.database.reader(), outdated).await? {
                self.bus.deliver(events::state_delivery(&key)).await?;
                published += 1;
            }
        }
    }
}

fn ticks() -> Interval {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
