//! What runs in the background: relay, reconciler, watchers, uses, forgetting, checks. Everything ends at the soft stop.

use std::{future::Future, sync::Arc, time::Duration};

use maas_bus::SharedBus;
use maas_events::Bucket;
use maas_runtime::{
    process::Process,
    readiness::{CheckHandle, Readiness},
};
use maas_store::{Database, outbox::Relay};

use super::{
    KeyService, access,
    directory::{Directory, Entry},
    forget_keys::ForgetKeys,
    key_uses,
    reconcile::Reconciler,
    reconciled_rows::{KeyRows, PlanRows, SubscriptionRows},
};

pub use super::{lookup::respond, metrics::KeyMetrics};

const CHECK_INTERVAL: Duration = Duration::from_secs(2);

pub fn spawn(service: &Arc<KeyService>, bus: &SharedBus, process: &Process) {
    let readiness = process.readiness.scoped("keys");
    spawn_relay(service, bus, process);
    let database = || service.database.clone();
    spawn_until_stop(process, "keys.reconcile", Reconciler::<KeyRows>::new(database(), bus.clone()).run());
    spawn_until_stop(process, "plans.reconcile", Reconciler::<PlanRows>::new(database(), bus.clone()).run());
    let subscriptions = Reconciler::<SubscriptionRows>::new(database(), bus.clone());
    spawn_until_stop(process, "subscriptions.reconcile", subscriptions.run());
    spawn_watcher(process, "models", Bucket::Models, &service.models, bus, &readiness);
    spawn_watcher(process, "users", Bucket::Users, &service.users, bus, &readiness);
    spawn_watcher(process, "teams", Bucket::Teams, &service.teams, bus, &readiness);
    access::spawn(service, bus, process);
    spawn_key_uses(service, bus, process);
    spawn_until_stop(process, "keys.forget", forget_keys(service).run());
    let (database, bus) = (readiness.register("database"), CheckedBus(bus.clone(), readiness.register("bus")));
    spawn_until_stop(process, "keys.checks", keep_checking(service.database.clone(), database, bus));
}

struct CheckedBus(SharedBus, CheckHandle);

fn spawn_relay(service: &KeyService, bus: &SharedBus, process: &Process) {
    let relay = Relay::new(service.database.clone(), service.signal.clone());
    let (bus, metrics) = (bus.clone(), service.metrics.clone());
    let deliver = move |delivery| {
        let bus = bus.clone();
        async move { bus.deliver(delivery).await }
    };
    let observe = move |progress: maas_store::outbox::RelayProgress| metrics.set_outbox_pending(progress.pending);
    spawn_until_stop(process, "keys.outbox", relay.run(deliver, observe));
}

fn spawn_key_uses(service: &KeyService, bus: &SharedBus, process: &Process) {
    let uses = key_uses::follow(bus.clone(), service.database.clone(), service.clock.clone());
    let stop = process.lifecycle.soft_stop().clone();
    process.lifecycle.spawn("keys.uses", async move {
        tokio::select! {
            ended = uses => ended,
            () = stop.cancelled() => Ok(()),
        }
    });
}

fn forget_keys(service: &KeyService) -> ForgetKeys {
    ForgetKeys {
        database: service.database.clone(),
        clock: service.clock.clone(),
        signal: service.signal.clone(),
        retention: service.ephemeral_retention,
    }
}

fn spawn_watcher<T: Entry>(
    process: &Process,
    name: &str,
    bucket: Bucket,
    directory: &Arc<Directory<T>>,
    bus: &SharedBus,
    readiness: &Readiness,
) {
    let check = readiness.register(name);
    let mut watch = bus.watch_state(bucket);
    let directory = directory.clone();
    let follow = async move {
        while let Some(change) = watch.next().await {
            directory.apply(change);
            if directory.is_caught_up() {
                check.set_ok();
            }
        }
    };
    spawn_until_stop(process, &format!("keys.{name}"), follow);
}

async fn keep_checking(database: Database, database_check: CheckHandle, bus: CheckedBus) {
    let mut ticks = tokio::time::interval(CHECK_INTERVAL);
    loop {
        ticks.tick().await;
        let CheckedBus(bus, bus_check) = &bus;
        bus_check.set(if bus.is_connected() { Ok(()) } else { Err("the bus is not reachable".to_owned()) });
        match tokio::time::timeout(CHECK_INTERVAL, database.ping()).await {
            Ok(Ok(())) => database_check.set_ok(),
            Ok(Err(error)) => database_check.set_failed(error.to_string()),
            Err(_) => database_check.set_failed("the database does not answer"),
        }
    }
}

pub(super) fn spawn_until_stop(process: &Process, name: &str, task: impl Future<Output = ()> + Send + 'static) {
    let stop = process.lifecycle.soft_stop().clone();
    process.lifecycle.spawn(name, async move {
        tokio::select! {
            () = task => {}
            () = stop.cancelled() => {}
        }
        Ok(())
    });
}
