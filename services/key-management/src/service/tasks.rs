//! What runs in the background: relay, reconciler, watchers, checks. Everything ends at the soft stop.

use std::{future::Future, sync::Arc, time::Duration};

use maas_bus::SharedBus;
use maas_events::Bucket;
use maas_runtime::{
    process::Process,
    readiness::{CheckHandle, Readiness},
};
use maas_store::{Database, outbox::Relay};

use super::{
    KeyService,
    directory::{Directory, Entry},
    reconcile::Reconciler,
};

pub use super::{lookup::respond, metrics::KeyMetrics};

const CHECK_INTERVAL: Duration = Duration::from_secs(2);

pub fn spawn(service: &KeyService, bus: &SharedBus, process: &Process) {
    let readiness = process.readiness.scoped("keys");
    spawn_relay(service, bus, process);
    let reconciler = Reconciler::new(service.database.clone(), bus.clone());
    spawn_until_stop(process, "keys.reconcile", reconciler.run());
    spawn_watcher(process, "models", Bucket::Models, &service.models, bus, &readiness);
    spawn_watcher(process, "users", Bucket::Users, &service.users, bus, &readiness);
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

fn spawn_until_stop(process: &Process, name: &str, task: impl Future<Output = ()> + Send + 'static) {
    let stop = process.lifecycle.soft_stop().clone();
    process.lifecycle.spawn(name, async move {
        tokio::select! {
            () = task => {}
            () = stop.cancelled() => {}
        }
        Ok(())
    });
}
