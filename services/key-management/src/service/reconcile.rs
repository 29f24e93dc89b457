//! The owner watches its own buckets and publishes again what is missing there or older than its row.
//!
//! In normal times the outbox delivers everything and nothing is found here. A bus that lost or rolled back its state
//! is brought up to date by this, without anybody noticing.

use std::{collections::HashMap, future::Future, marker::PhantomData, time::Duration};

use maas_bus::{BusError, SharedBus, StateChange, StateWatch};
use maas_events::{Bucket, Delivery};
use maas_store::{Database, StoreError};
use sea_orm::DatabaseConnection;
use tokio::time::{Interval, MissedTickBehavior};
use uuid::Uuid;

const INTERVAL: Duration = Duration::from_secs(30);
const PAGE: u64 = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// The rows behind a bucket.
pub trait Rows: Send + 'static {
    const BUCKET: Bucket;

    /// The id that a value of the bucket is about; `None` for a name that is not ours.
    fn id_of(name: &str) -> Option<Uuid>;

    /// Up to `limit` versions of all rows, by id, after `after`.
    fn versions(
        database: &DatabaseConnection,
        after: Option<Uuid>,
        limit: u64,
    ) -> impl Future<Output = Result<Vec<(Uuid, u64)>, StoreError>> + Send;

    /// The values of these rows, at most a page of them.
    fn deliveries(
        database: &DatabaseConnection,
        ids: Vec<Uuid>,
    ) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;
}

pub struct Reconciler<R> {
    database: Database,
    bus: SharedBus,
    watch: StateWatch,
    /// The versions in the bucket, as far as heard.
    published: HashMap<Uuid, u64>,
    caught_up: bool,
    rows: PhantomData<fn() -> R>,
}

impl<R: Rows> Reconciler<R> {
    pub fn new(database: Database, bus: SharedBus) -> Self {
        let watch = bus.watch_state(R::BUCKET);
        Self { database, bus, watch, published: HashMap::new(), caught_up: false, rows: PhantomData }
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
                if let Some(id) = R::id_of(&key) {
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
        let bucket = R::BUCKET.as_str();
        match self.try_publish_outdated().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(bucket, values.count = count, "published values that the bus did not have"),
            Err(error) => tracing::warn!(bucket, error = %error, "the bus could not be compared with the rows"),
        }
    }

    async fn try_publish_outdated(&self) -> Result<usize, ReconcileError> {
        let (mut published, mut after) = (0, None);
        loop {
            let page = R::versions(self.database.reader(), after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(published) };
            after = Some(*last);
            let is_outdated = |(id, version): &(Uuid, u64)| self.published.get(id).is_none_or(|held| held < version);
            let outdated: Vec<Uuid> = page.into_iter().filter(is_outdated).map(|(id, _)| id).collect();
            if outdated.is_empty() {
                continue;
            }
            for delivery in R::deliveries(self.database.reader(), outdated).await? {
                self.bus.deliver(delivery).await?;
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
