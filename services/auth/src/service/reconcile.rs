//! Makes the state bucket true again: the owner watches its own bucket and publishes what is missing there or older
//! than its row, e.g. after the bus came back with an older store, or at the start of an in-process bus that keeps
//! nothing.

use std::{collections::HashMap, sync::Arc, time::Duration};

use maas_bus::{BusError, SharedBus, StateChange};
use maas_events::Bucket;
use maas_store::StoreError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Core;
use crate::{events, store};

const EVERY: Duration = Duration::from_secs(30);
const BATCH: u64 = 500;

#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// Runs until the soft stop.
pub async fn run(core: Arc<Core>, bus: SharedBus, stop: CancellationToken) -> anyhow::Result<()> {
    let mut watch = bus.watch_state(Bucket::Users);
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
                if let Err(error) = publish_missing(&core, &bus, &seen).await {
                    tracing::warn!(error = %error, "the users on the bus could not be brought up to date");
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

async fn publish_missing(core: &Core, bus: &SharedBus, seen: &Seen) -> Result<(), ReconcileError> {
    let mut last = None;
    loop {
        let users = store::user::batch_after(core.database.reader(), last, BATCH).await?;
        let Some(user) = users.last() else { return Ok(()) };
        last = Some(user.id);
        for user in &users {
            if seen.versions.get(&events::user_key(user)).is_none_or(|version| *version < user.version) {
                bus.deliver(events::user_state(user)).await?;
            }
        }
    }
}
