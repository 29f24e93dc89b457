//! Readiness: the database answers, the bus is connected.

use std::time::Duration;

use maas_bus::SharedBus;
use maas_runtime::process::Process;
use maas_store::Database;

const EVERY: Duration = Duration::from_secs(2);

pub fn spawn(database: Database, bus: SharedBus, process: &Process) {
    let readiness = process.readiness.scoped("catalog");
    let (database_check, bus_check) = (readiness.register("database"), readiness.register("bus"));
    let soft_stop = process.lifecycle.soft_stop().clone();
    process.lifecycle.spawn("model-catalog health", async move {
        loop {
            database_check.set(database.ping().await.map_err(|error| error.to_string()));
            bus_check.set(if bus.is_connected() { Ok(()) } else { Err("not connected".to_owned()) });
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = soft_stop.cancelled() => return Ok(()),
            }
        }
    });
}
