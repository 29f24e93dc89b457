//! The background tasks of the service; all of them end at the soft stop.

use std::{sync::Arc, time::Duration};

use maas_bus::SharedBus;
use maas_runtime::{process::Process, readiness::CheckHandle};
use maas_store::outbox::Relay;
use tokio_util::sync::CancellationToken;

use super::{Core, audit_book, audit_retention, reconcile, signing_keys, told::Told};
use crate::store;

const CHECK_EVERY: Duration = Duration::from_secs(2);
const CLEAN_UP_EVERY: Duration = Duration::from_secs(600);

pub fn spawn(core: &Arc<Core>, bus: &SharedBus, process: &Process) {
    let stop = process.lifecycle.soft_stop().clone();
    let readiness = process.readiness.scoped("auth");
    let (database, reachable) = (readiness.register("database"), readiness.register("bus"));
    let consumer = readiness.register("audit_consumer");
    let lifecycle = &process.lifecycle;
    // The consumer before the relay: an in-process delivery of an audit record waits for it.
    lifecycle.spawn("auth audit consumer", audit_book::keep(core.clone(), bus.clone(), consumer, stop.clone()));
    lifecycle.spawn("auth audit retention", audit_retention::keep(core.clone(), stop.clone()));
    lifecycle.spawn("auth outbox relay", relay(core.clone(), bus.clone(), stop.clone()));
    lifecycle.spawn("auth user state", reconcile::run(core.clone(), bus.clone(), Told::Users, stop.clone()));
    lifecycle.spawn("auth team state", reconcile::run(core.clone(), bus.clone(), Told::Teams, stop.clone()));
    lifecycle.spawn("auth signing keys", signing_keys::keep(core.clone(), stop.clone()));
    lifecycle.spawn("auth checks", check(core.clone(), bus.clone(), (database, reachable), stop.clone()));
    lifecycle.spawn("auth session clean-up", clean_up(core.clone(), stop));
}

async fn relay(core: Arc<Core>, bus: SharedBus, stop: CancellationToken) -> anyhow::Result<()> {
    let relay = Relay::new(core.database.clone(), core.outbox.clone());
    let deliver = |delivery| {
        let bus = bus.clone();
        async move { bus.deliver(delivery).await }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = relay.run(deliver, |progress| core.metrics.outbox_pending(progress.pending)) => {}
    }
    Ok(())
}

async fn check(
    core: Arc<Core>,
    bus: SharedBus,
    (database, reachable): (CheckHandle, CheckHandle),
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        database.set(core.database.ping().await.map_err(|_| "the database does not answer".to_owned()));
        reachable.set(if bus.is_connected() { Ok(()) } else { Err("the bus is not connected".to_owned()) });
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(CHECK_EVERY) => {}
        }
    }
}

/// Ended sessions are refused anyway; this keeps the table small. Several replicas may do it at once.
async fn clean_up(core: Arc<Core>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        let ended =
            store::session::delete_ended(core.database.writer(), core.settings.session_lifetimes(), core.now()).await;
        match ended {
            Ok(count) => tracing::debug!(sessions.removed = count, "ended sessions were removed"),
            Err(error) => tracing::warn!(error = %error, "ended sessions could not be removed"),
        }
        match store::sign_in_attempt::delete_expired(core.database.writer(), core.now()).await {
            Ok(count) => tracing::debug!(attempts.removed = count, "abandoned sign-ins were removed"),
            Err(error) => tracing::warn!(error = %error, "abandoned sign-ins could not be removed"),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(CLEAN_UP_EVERY) => {}
        }
    }
}
