//! Hears who may call what.

use std::sync::Arc;

use maas_bus::{SharedBus, StateChange};
use maas_runtime::process::Process;

use crate::service::{Catalog, access::BUCKETS};

pub fn spawn(catalog: &Arc<Catalog>, bus: &SharedBus, process: &Process) {
    let readiness = process.readiness.scoped("catalog");
    for bucket in BUCKETS {
        let check = readiness.register(bucket.as_str());
        let (catalog, mut watch) = (catalog.clone(), bus.watch_state(bucket));
        let soft_stop = process.lifecycle.soft_stop().clone();
        process.lifecycle.spawn(format!("model-catalog {}", bucket.as_str()), async move {
            loop {
                let change = tokio::select! {
                    change = watch.next() => change,
                    () = soft_stop.cancelled() => return Ok(()),
                };
                match change {
                    None => return Ok(()),
                    Some(StateChange::Restarted) => {}
                    Some(StateChange::Value { value, .. }) => catalog.access.apply(bucket, &value),
                    Some(StateChange::CaughtUp) => {
                        catalog.access.note_complete(bucket);
                        check.set_ok();
                    }
                }
            }
        });
    }
}
