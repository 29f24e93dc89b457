//! Hears what subscriptions depend on, and looks after them from time to time. What fails is tried again.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use maas_bus::{SharedBus, StateChange, StateWatch};
use maas_events::{
    Bucket,
    state::{ModelState, TeamState, UserState},
    validate::required_uuid,
};
use maas_runtime::process::Process;
use maas_store::StoreError;
use maas_types::ModelId;
use prost::Message as _;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::{
    service::{KeyService, tasks::spawn_until_stop},
    store::seen_model::HeardModel,
};

/// How soon an end shows in lists, and how soon something that failed is tried again.
const EVERY: Duration = Duration::from_secs(2);
/// Changes that are looked at together.
const BATCH: usize = 2_048;
/// Ids in one question to the database.
const IDS: usize = 500;

pub fn spawn(service: &Arc<KeyService>, bus: &SharedBus, process: &Process) {
    let (models, users, teams) = (service.clone(), service.clone(), service.clone());
    spawn_until_stop(process, "subscriptions.models", follow_models(models, bus.watch_state(Bucket::Models)));
    let user_ends = follow_deleted(users, bus.watch_state(Bucket::Users), deleted_user);
    spawn_until_stop(process, "subscriptions.users", user_ends);
    let team_ends = follow_deleted(teams, bus.watch_state(Bucket::Teams), deleted_team);
    spawn_until_stop(process, "subscriptions.teams", team_ends);
    spawn_until_stop(process, "subscriptions.expiry", keep_expiring(service.clone()));
}

async fn keep_expiring(service: Arc<KeyService>) {
    let mut ticks = ticks();
    loop {
        ticks.tick().await;
        report(service.expire_subscriptions().await, "the subscriptions that have expired could not be written");
    }
}

async fn follow_models(service: Arc<KeyService>, mut watch: StateWatch) {
    let mut latest: HashMap<Uuid, HeardModel> = HashMap::new();
    let mut ticks = ticks();
    loop {
        tokio::select! {
            values = next_values(&mut watch) => match values {
                None => return,
                Some(values) => {
                    for heard in values.into_iter().filter_map(heard_model) {
                        let known = latest.entry(heard.id.uuid()).or_insert(heard);
                        if known.version < heard.version {
                            *known = heard;
                        }
                    }
                }
            },
            _ = ticks.tick() => {}
        }
        let noted = service.note_models(|id| latest.get(&id).copied()).await;
        report(noted, "what became of models could not be noted");
    }
}

async fn follow_deleted(service: Arc<KeyService>, mut watch: StateWatch, deleted: fn(Bytes) -> Option<Uuid>) {
    let mut waiting: HashSet<Uuid> = HashSet::new();
    let mut ticks = ticks();
    loop {
        tokio::select! {
            values = next_values(&mut watch) => match values {
                None => return,
                Some(values) => waiting.extend(values.into_iter().filter_map(deleted)),
            },
            _ = ticks.tick() => {}
        }
        let ids: Vec<Uuid> = waiting.iter().copied().collect();
        for ids in ids.chunks(IDS) {
            let ended = service.end_subscriptions(ids).await;
            if ended.is_ok() {
                waiting.retain(|id| !ids.contains(id));
            }
            report(ended, "the subscriptions of deleted users or teams could not be ended");
        }
    }
}

/// The next values and those that have already arrived behind them; `None`: the bus is closed.
async fn next_values(watch: &mut StateWatch) -> Option<Vec<Bytes>> {
    let mut changes = vec![watch.next().await?];
    while changes.len() < BATCH {
        match watch.try_next() {
            Some(change) => changes.push(change),
            None => break,
        }
    }
    let value = |change| match change {
        StateChange::Value { value, .. } => Some(value),
        StateChange::Restarted | StateChange::CaughtUp => None,
    };
    Some(changes.into_iter().filter_map(value).collect())
}

/// A model that was removed keeps its subscriptions, and tells nothing.
fn heard_model(value: Bytes) -> Option<HeardModel> {
    let state = ModelState::decode(value).ok().filter(|state| !state.deleted)?;
    let id = ModelId::from_uuid(required_uuid("id", &state.id).ok()?);
    Some(HeardModel { id, version: state.version, restricted: state.restricted })
}

fn deleted_user(value: Bytes) -> Option<Uuid> {
    let state = UserState::decode(value).ok().filter(|state| state.deleted)?;
    required_uuid("id", &state.id).ok()
}

fn deleted_team(value: Bytes) -> Option<Uuid> {
    let state = TeamState::decode(value).ok().filter(|state| state.deleted)?;
    required_uuid("id", &state.id).ok()
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn report(result: Result<(), StoreError>, what: &'static str) {
    if let Err(error) = result {
        tracing::warn!(error = %error, "{what}");
    }
}
