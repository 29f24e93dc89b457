//! The tasks of an owner: tell each revocation at once and the counter each second, hear the proxies, tidy up.

use std::time::Duration;

use bytes::Bytes;
use maas_bus::SharedBus;
use maas_events::{
    revocation::{ProxyHeartbeat, Revocations},
    topic::{PROXIES_SUBJECT, REVOCATION_SUBJECT},
};
use maas_runtime::process::Process;
use prost::Message as _;
use tokio::time::{Interval, MissedTickBehavior};
use uuid::Uuid;

use super::service::RevocationOwner;
use crate::wire::Mark;

/// A proxy that hears nothing for some of these asks, and believes nothing for long.
const BEAT: Duration = Duration::from_secs(1);
const TIDY_EVERY: Duration = Duration::from_secs(60);
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

pub fn spawn(owner: &RevocationOwner, bus: &SharedBus, process: &Process) {
    let name = owner.name().as_str();
    spawn_until_stop(process, format!("{name} revocations"), announce(owner.clone(), bus.clone()));
    spawn_until_stop(process, format!("{name} proxies"), hear_proxies(owner.clone(), bus.clone()));
    spawn_until_stop(process, format!("{name} revocation tidying"), tidy(owner.clone()));
}

/// Each beat says the counter, also when nothing changed: that confirms what the proxies have. Revocations of other
/// replicas are told here too, at the next beat; twice is harmless.
async fn announce(owner: RevocationOwner, bus: SharedBus) {
    let mut beats = every(BEAT);
    let mut announced: Option<Mark> = None;
    loop {
        tokio::select! {
            _ = beats.tick() => {}
            () = owner.fleet().revoked() => {}
        }
        loop {
            let told = owner.since(announced).await;
            if bus.broadcast(REVOCATION_SUBJECT, told.encode_to_vec().into()).await.is_err() {
                // Told again from here once the bus is back.
                break;
            }
            if told.database_unreachable_since_ms == 0 {
                announced = mark_of(&told);
            }
            if told.through >= told.latest {
                break;
            }
        }
    }
}

fn mark_of(told: &Revocations) -> Option<Mark> {
    Some(Mark { epoch: Uuid::from_slice(&told.epoch).ok()?, counter: told.through })
}

async fn hear_proxies(owner: RevocationOwner, bus: SharedBus) {
    loop {
        match bus.listen(PROXIES_SUBJECT).await {
            Ok(mut heard) => {
                while let Some(payload) = heard.recv().await {
                    hear(&owner, payload).await;
                }
            }
            Err(error) => tracing::debug!(error = %error, "the proxies cannot be heard"),
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

async fn hear(owner: &RevocationOwner, payload: Bytes) {
    match ProxyHeartbeat::decode(payload) {
        Ok(heartbeat) => owner.fleet().hear(&heartbeat).await,
        Err(error) => tracing::warn!(error = %error, "a proxy's heartbeat cannot be read"),
    }
}

async fn tidy(owner: RevocationOwner) {
    let mut rounds = every(TIDY_EVERY);
    loop {
        rounds.tick().await;
        if let Err(error) = owner.tidy().await {
            tracing::debug!(error = %error, "old revocations could not be removed");
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn spawn_until_stop(process: &Process, name: String, task: impl Future<Output = ()> + Send + 'static) {
    let stop = process.lifecycle.soft_stop().clone();
    process.lifecycle.spawn(name, async move {
        tokio::select! {
            () = task => {}
            () = stop.cancelled() => {}
        }
        Ok(())
    });
}
