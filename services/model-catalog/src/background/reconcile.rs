//! Compares the bucket of models with the rows, and delivers again what is missing there or older. The bucket of an
//! in-process bus is empty after each start; a restored NATS store may be old.

use std::{collections::HashMap, sync::Arc, time::Duration};

use maas_bus::{SharedBus, StateChange};
use maas_events::{Bucket, state::ModelState};
use maas_runtime::process::Process;
use maas_types::ModelId;

use crate::{
    events::{state_delivery, state_key},
    service::Catalog,
};

const EVERY: Duration = Duration::from_secs(30);

pub fn spawn(catalog: Arc<Catalog>, bus: SharedBus, process: &Process) {
    let soft_stop = process.lifecycle.soft_stop().clone();
    process.lifecycle.spawn("model-catalog reconcile", async move {
        tokio::select! {
            () = follow(&catalog, &bus) => {}
            () = soft_stop.cancelled() => {}
        }
        Ok(())
    });
}

async fn follow(catalog: &Catalog, bus: &SharedBus) {
    let mut watch = bus.watch_state(Bucket::Models);
    let mut versions: HashMap<String, u64> = HashMap::new();
    let mut is_complete = false;
    let mut due = tokio::time::interval(EVERY);
    loop {
        let change = tokio::select! {
            change = watch.next() => change,
            _ = due.tick(), if is_complete => {
                compare(catalog, bus, &versions).await;
                continue;
            }
        };
        match change {
            None => return,
            Some(StateChange::Restarted) => {
                versions.clear();
                is_complete = false;
            }
            Some(StateChange::Value { key, version, .. }) => {
                versions.insert(key, version);
            }
            Some(StateChange::CaughtUp) => {
                is_complete = true;
                compare(catalog, bus, &versions).await;
            }
        }
    }
}

async fn compare(catalog: &Catalog, bus: &SharedBus, versions: &HashMap<String, u64>) {
    if let Err(error) = redeliver(catalog, bus, versions).await {
        tracing::warn!(error = format!("{error:#}"), "the state of models could not be compared; next try in a while");
    }
}

async fn redeliver(catalog: &Catalog, bus: &SharedBus, versions: &HashMap<String, u64>) -> anyhow::Result<()> {
    let mut after: Option<ModelId> = None;
    loop {
        let step = catalog.models_after(after).await?;
        let Some(last) = step.last() else { break };
        after = Some(last.model.id);
        for whole in &step {
            deliver_if_newer(bus, versions, &whole.to_state()).await?;
        }
    }
    for tombstone in catalog.tombstones().await? {
        deliver_if_newer(bus, versions, &tombstone.to_state()).await?;
    }
    Ok(())
}

async fn deliver_if_newer(
    bus: &SharedBus,
    versions: &HashMap<String, u64>,
    state: &ModelState,
) -> Result<(), maas_bus::BusError> {
    let is_known = versions.get(&state_key(&state.id)).is_some_and(|version| *version >= state.version);
    if is_known { Ok(()) } else { bus.deliver(state_delivery(state)).await }
}
