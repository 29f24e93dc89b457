//! Keeps the state up to date from the bus.
//!
//! A watch begins with everything there is and starts over after any interruption, so nothing is missed. What is known
//! stays known while the bus is away or its store was lost: values leave only by a newer value, a deletion too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use maas_bus::{SharedBus, StateChange, StateWatch};
use maas_events::{
    Bucket,
    state::{KeyState, ModelState, UserState},
};
use maas_runtime::{process::Process, readiness::CheckHandle};
use maas_types::Clock;

use super::{KeyGrant, ModelEntry, State, UserEntry, upstream::UpstreamSource};
use crate::metrics::ProxyMetrics;

/// Values that arrive together are taken over together.
const BATCH: usize = 2_048;

/// What takes changes over, for the watchers, the look-ups and the first load.
pub struct Applier {
    state: Arc<State>,
    metrics: Arc<ProxyMetrics>,
    upstreams: UpstreamSource,
    clock: Arc<dyn Clock>,
    confirmed: [Confirmed; 3],
}

/// When a bucket was last known to be complete.
#[derive(Default)]
struct Confirmed {
    caught_up: AtomicBool,
    at_ms: AtomicI64,
}

impl Applier {
    pub fn new(
        state: Arc<State>,
        metrics: Arc<ProxyMetrics>,
        upstreams: UpstreamSource,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { state, metrics, upstreams, clock, confirmed: Default::default() }
    }

    /// Takes over encoded values of one bucket. One that cannot be understood is logged and left out: the others count.
    pub fn apply(&self, bucket: Bucket, values: Vec<Bytes>) {
        match bucket {
            Bucket::Keys => self.apply_keys(values),
            Bucket::Users => {
                let users = decode_all::<UserState, _, _>(bucket, values, UserEntry::from_state);
                self.state.users.merge(users.map(|user| (user.id, user)), |_| {});
            }
            Bucket::Models => {
                let from_state = |state| ModelEntry::from_state(state, &self.upstreams, &self.metrics);
                let models: Vec<_> = decode_all::<ModelState, _, _>(bucket, values, from_state).collect();
                let table = self.state.models().with(models);
                self.state.replace_models(table);
            }
        }
    }

    fn apply_keys(&self, values: Vec<Bytes>) {
        let is_live = self.has_caught_up(Bucket::Keys);
        let now = self.clock.now();
        let keys = decode_all::<KeyState, _, _>(Bucket::Keys, values, KeyGrant::from_state);
        self.state.keys.merge(keys.map(|key| (key.public_id, key)), |key| {
            if is_live && key.is_revoked() {
                self.metrics.revocation_lag.observe(now.since(key.changed_at).as_secs_f64());
            }
        });
    }

    /// Whether the bucket was complete here at least once.
    pub fn has_caught_up(&self, bucket: Bucket) -> bool {
        self.confirmed(bucket).caught_up.load(Ordering::Acquire)
    }

    pub(super) fn note_complete(&self, bucket: Bucket) {
        let confirmed = self.confirmed(bucket);
        confirmed.at_ms.store(self.clock.now().unix_ms(), Ordering::Relaxed);
        confirmed.caught_up.store(true, Ordering::Release);
    }

    /// Sets the age gauges.
    pub fn report_ages(&self) {
        let now = self.clock.now().unix_ms();
        for bucket in [Bucket::Keys, Bucket::Models] {
            let at = self.confirmed(bucket).at_ms.load(Ordering::Relaxed);
            let age = Duration::from_millis(now.saturating_sub(at).max(0).unsigned_abs());
            self.metrics.set_snapshot_age(bucket.as_str(), age);
        }
    }

    fn confirmed(&self, bucket: Bucket) -> &Confirmed {
        match bucket {
            Bucket::Keys => &self.confirmed[0],
            Bucket::Users => &self.confirmed[1],
            Bucket::Models => &self.confirmed[2],
        }
    }
}

fn decode_all<M, T, E>(
    bucket: Bucket,
    values: Vec<Bytes>,
    convert: impl Fn(M) -> Result<T, E>,
) -> impl Iterator<Item = T>
where
    M: prost::Message + Default,
    E: std::fmt::Display,
{
    values.into_iter().filter_map(move |value| {
        let decoded = M::decode(value).map_err(|error| error.to_string());
        let converted = decoded.and_then(|message| convert(message).map_err(|error| error.to_string()));
        converted
            .inspect_err(|error| tracing::error!(bucket = bucket.as_str(), error, "a state value is left out"))
            .ok()
    })
}

/// A readiness check for each bucket, under its name.
pub fn register_checks(process: &Process) -> Vec<(Bucket, CheckHandle)> {
    let readiness = process.readiness.scoped("proxy");
    Bucket::ALL.map(|bucket| (bucket, readiness.register(bucket.as_str()))).into()
}

/// Spawns a watcher for each bucket.
pub fn spawn_watchers(bus: &SharedBus, applier: &Arc<Applier>, checks: &[(Bucket, CheckHandle)], process: &Process) {
    for (bucket, check) in checks {
        let (bucket, check) = (*bucket, check.clone());
        let (bus, applier) = (bus.clone(), applier.clone());
        let soft_stop = process.lifecycle.soft_stop().clone();
        process.lifecycle.spawn(format!("proxy {} watch", bucket.as_str()), async move {
            let mut watch = bus.watch_state(bucket);
            let mut heartbeat = tokio::time::interval(Duration::from_secs(5));
            loop {
                tokio::select! {
                    changes = next_changes(&mut watch) => {
                        let Some(changes) = changes else { return Ok(()) };
                        if take_over(&applier, bucket, changes) {
                            check.set_ok();
                        }
                    }
                    // While the connection lives, hearing nothing means that nothing changed.
                    _ = heartbeat.tick() => if bus.is_connected() && applier.has_caught_up(bucket) {
                        applier.note_complete(bucket);
                    },
                    () = soft_stop.cancelled() => return Ok(()),
                }
            }
        });
    }
}

/// The next change and those that have already arrived behind it.
async fn next_changes(watch: &mut StateWatch) -> Option<Vec<StateChange>> {
    let mut changes = vec![watch.next().await?];
    while changes.len() < BATCH {
        match watch.try_next() {
            Some(change) => changes.push(change),
            None => break,
        }
    }
    Some(changes)
}

/// True if the bucket is complete after these changes.
fn take_over(applier: &Applier, bucket: Bucket, changes: Vec<StateChange>) -> bool {
    let mut values = Vec::with_capacity(changes.len());
    let mut complete = false;
    for change in changes {
        match change {
            StateChange::Restarted => complete = false,
            StateChange::Value { value, .. } => values.push(value),
            StateChange::CaughtUp => complete = true,
        }
    }
    if !values.is_empty() {
        applier.apply(bucket, values);
    }
    if complete {
        applier.note_complete(bucket);
    }
    complete
}
