//! Makes a state bucket true again: the owner watches its own bucket and publishes what is missing there or older
//! than its row, e.g. after the bus came back with an older store, or at the start of an in-process bus that keeps
//! nothing.

use std::{collections::HashMap, sync::Arc, time::Duration};

use maas_bus::{BusError, SharedBus, StateChange};
use maas_events::Delivery;
use maas_store::StoreError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{
    Core,
    told::{Told, ToldValue},
};

const EVERY: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// Runs until the soft stop.
pub async fn run(core: Arc<Core>, bus: SharedBus, told: Told, stop: CancellationToken) -> anyhow::Result<()> {
    let mut watch = bus.watch_state(told.bucket());
    let mut seen = Seen::default();
    let mut rounds = tokio::time::interval(EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            change = watch.next() => match change {
                None => return Ok(()),
                Some(StateChange::Restarted) => seen = Seen::default(),
                Some(StateChange::Value { key, version, .. }) => { seen.versions.insert(key, version); }
                Some(StateChange::CaughtUp) => {
                    seen.is_complete = true;
                    rounds.reset_immediately();
                }
            },
            // Before the whole bucket is known, everything would look missing.
            _ = rounds.tick(), if seen.is_complete => {
                if let Err(error) = publish_missing(&core, &bus, told, &seen).await {
                    let bucket = told.bucket().as_str();
                    tracing::warn!(error = %error, bucket, "the values on the bus could not be brought up to date");
                }
            }
        }
    }
}

/// What the bucket holds.
#[derive(Default)]
struct Seen {
    versions: HashMap<String, u64>,
    is_complete: bool,
}

async fn publish_missing(core: &Core, bus: &SharedBus, told: Told, seen: &Seen) -> Result<(), ReconcileError> {
    let mut last = None;
    loop {
        let page = told.page(&core.database, last).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = Some(end.id);
        for ToldValue { key, version, value, .. } in page {
            if seen.versions.get(&key).is_none_or(|seen| *seen < version) {
                bus.deliver(Delivery::State { bucket: told.bucket(), key, version, value: value.into() }).await?;
            }
        }
    }
}
