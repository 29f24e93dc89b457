//! Keeps the state up to date from the bus.
//!
//! A watch begins with everything there is and starts over after any interruption, so nothing is missed. What is known
//! stays known while the bus is away or its store was lost: values leave only by a newer value, a deletion too.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use maas_bus::{SharedBus, StateChange, StateWatch};
use maas_events::{
    Bucket,
    plans::PlanEntry,
    state::{KeyState, ModelState, PlanState, SubscriptionState, TeamState, UserState},
};
use maas_revocation::{Mark, OwnerName};
use maas_runtime::{process::Process, readiness::CheckHandle};
use maas_types::{Clock, Timestamp};
use tokio::sync::Notify;

use super::{
    KeyGrant, KeyStanding, ModelEntry, State, SubscriptionEntry, TeamEntry, UserEntry, upstream::UpstreamSource,
    versions::Versions,
};
use crate::{
    metrics::ProxyMetrics,
    revocation::{
        Reached,
        cutting::{Cutter, Touched},
    },
    snapshot::Recorder,
};

/// Values that arrive together are taken over together.
const BATCH: usize = 2_048;

/// What takes changes over, for the watchers, the look-ups, the loads and what was revoked.
pub struct Applier {
    state: Arc<State>,
    metrics: Arc<ProxyMetrics>,
    upstreams: UpstreamSource,
    clock: Arc<dyn Clock>,
    cutter: Arc<Cutter>,
    checks: Vec<(Bucket, CheckHandle)>,
    confirmed: [Confirmed; Bucket::ALL.len()],
    completed: Notify,
    /// Where what is taken over is copied to disk, once what was there is taken over.
    recorder: OnceLock<Recorder>,
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
        cutter: Arc<Cutter>,
        process: &Process,
    ) -> Self {
        let readiness = process.readiness.scoped("proxy");
        let checks = Bucket::ALL.map(|bucket| (bucket, readiness.register(bucket.as_str()))).into();
        Self {
            state,
            metrics,
            upstreams,
            clock: process.clock.clone(),
            cutter,
            checks,
            confirmed: Default::default(),
            completed: Notify::new(),
            recorder: OnceLock::new(),
        }
    }

    /// Copies what is taken over from now on; once.
    pub fn record_into(&self, recorder: Recorder) {
        let _ = self.recorder.set(recorder);
    }

    /// Returns when the copy on disk has caught up, for those that are in no hurry.
    pub async fn room(&self) {
        if let Some(recorder) = self.recorder.get() {
            recorder.room().await;
        }
    }

    /// Whether the value counts, or is about to.
    pub fn is_wanted(&self, bucket: Bucket, value: &Bytes) -> bool {
        self.state.versions(bucket, value).is_some_and(|versions| !versions.is_outdated())
    }

    /// Takes over encoded values of several buckets.
    pub fn apply_all(&self, values: impl IntoIterator<Item = (Bucket, Bytes)>) {
        let mut by_bucket: BTreeMap<Bucket, Vec<Bytes>> = BTreeMap::new();
        for (bucket, value) in values {
            by_bucket.entry(bucket).or_default().push(value);
        }
        for (bucket, values) in by_bucket {
            self.apply(bucket, values);
        }
    }

    /// Takes over encoded values of one bucket. One that cannot be understood is logged and left out: the others count.
    /// Streams of callers that may no longer call are told to end before this returns.
    pub fn apply(&self, bucket: Bucket, values: Vec<Bytes>) {
        // First of all: whoever finds a value in force may claim that it is in the copy too.
        if let Some(recorder) = self.recorder.get() {
            let is_news = |value: &&Bytes| self.state.versions(bucket, value).is_some_and(Versions::is_news);
            recorder.record(bucket, values.iter().filter(is_news).cloned().collect());
        }
        self.put_in_force(bucket, values);
    }

    fn put_in_force(&self, bucket: Bucket, values: Vec<Bytes>) {
        match bucket {
            Bucket::Keys => self.apply_keys(values),
            Bucket::Users => self.apply_users(values),
            Bucket::Teams => {
                let teams = decode_all::<TeamState, _, _>(bucket, values, TeamEntry::from_state);
                self.state.teams.merge(teams.map(|team| (team.id, team)), |_| {});
            }
            Bucket::Plans => {
                let plans = decode_all::<PlanState, _, _>(bucket, values, PlanEntry::from_state);
                let table = self.state.plans().with(plans);
                self.state.replace_plans(table);
            }
            Bucket::Subscriptions => {
                let entries = decode_all::<SubscriptionState, _, _>(bucket, values, SubscriptionEntry::from_state);
                self.state.subscriptions.merge(entries.map(|entry| (entry.key, entry)), |_| {});
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
        // Decoded before the map is locked: others decode at the same time.
        let keys: Vec<_> = decode_all::<KeyState, _, _>(Bucket::Keys, values, KeyGrant::from_state).collect();
        let mut touched = Touched::default();
        self.state.keys.merge(keys.into_iter().map(|key| (key.public_id, key)), |key| {
            if is_live && key.is_revoked() {
                self.metrics.revocation_lag.observe(now.since(key.changed_at).as_secs_f64());
            }
            if key.standing(now) != KeyStanding::Active {
                touched.keys.insert(key.public_id);
            }
        });
        self.cutter.judge(touched);
    }

    fn apply_users(&self, values: Vec<Bytes>) {
        let users: Vec<_> = decode_all::<UserState, _, _>(Bucket::Users, values, UserEntry::from_state).collect();
        let mut touched = Touched::default();
        self.state.users.merge(users.into_iter().map(|user| (user.id, user)), |user| {
            touched.users.insert(user.id);
        });
        self.cutter.judge(touched);
    }

    /// Whether the bucket was complete here at least once.
    pub fn has_caught_up(&self, bucket: Bucket) -> bool {
        self.confirmed(bucket).caught_up.load(Ordering::Acquire)
    }

    /// Returns once the bucket was complete.
    pub async fn caught_up(&self, bucket: Bucket) {
        loop {
            let completed = self.completed.notified();
            if self.has_caught_up(bucket) {
                return;
            }
            completed.await;
        }
    }

    /// Everything of the bucket is here.
    pub fn note_complete(&self, bucket: Bucket) {
        let confirmed = self.confirmed(bucket);
        confirmed.at_ms.store(self.clock.now().unix_ms(), Ordering::Relaxed);
        confirmed.caught_up.store(true, Ordering::Release);
        if let Some((_, check)) = self.checks.iter().find(|(checked, _)| *checked == bucket) {
            check.set_ok();
        }
        self.completed.notify_waiters();
    }

    /// Everything that the owner has revoked before `at` is in force here.
    pub fn note_confirmed(&self, owner: OwnerName, applied: Option<Mark>, at: Timestamp) {
        if owner == OwnerName::Keys {
            self.confirmed(Bucket::Keys).at_ms.store(at.unix_ms(), Ordering::Relaxed);
        }
        if let (Some(recorder), Some(mark)) = (self.recorder.get(), applied) {
            recorder.note_reached(Reached { owner, mark, confirmed_at: at });
        }
    }

    pub fn complete_buckets(&self) -> Vec<Bucket> {
        Bucket::ALL.into_iter().filter(|bucket| self.has_caught_up(*bucket)).collect()
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
            Bucket::Teams => &self.confirmed[3],
            Bucket::Plans => &self.confirmed[4],
            Bucket::Subscriptions => &self.confirmed[5],
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

/// Spawns a watcher for each bucket.
pub fn spawn_watchers(bus: &SharedBus, applier: &Arc<Applier>, process: &Process) {
    for bucket in Bucket::ALL {
        let (bus, applier) = (bus.clone(), applier.clone());
        let soft_stop = process.lifecycle.soft_stop().clone();
        process.lifecycle.spawn(format!("proxy {} watch", bucket.as_str()), async move {
            let mut watch = bus.watch_state(bucket);
            let mut heartbeat = tokio::time::interval(Duration::from_secs(5));
            loop {
                tokio::select! {
                    changes = next_changes(&mut watch) => {
                        let Some(changes) = changes else { return Ok(()) };
                        take_over(&applier, bucket, changes);
                    }
                    // While the connection lives, hearing nothing means that nothing changed. Of keys more is known.
                    _ = heartbeat.tick(), if bucket != Bucket::Keys => {
                        if bus.is_connected() && applier.has_caught_up(bucket) {
                            applier.note_complete(bucket);
                        }
                    }
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

fn take_over(applier: &Applier, bucket: Bucket, changes: Vec<StateChange>) {
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
}
