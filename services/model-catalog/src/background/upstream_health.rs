//! Hears what the proxies report about upstreams.

use std::{sync::Arc, time::Duration};

use maas_bus::SharedBus;
use maas_events::topic::UPSTREAM_HEALTH_SUBJECT;
use maas_runtime::process::Process;

use crate::service::Catalog;

/// Only frees memory: whoever reads looks at the age himself.
const FORGET_EVERY: Duration = Duration::from_secs(10);

pub fn spawn(catalog: Arc<Catalog>, bus: SharedBus, process: &Process) {
    let soft_stop = process.lifecycle.soft_stop().clone();
    process.lifecycle.spawn("model-catalog upstream health", async move {
        let mut reports = bus.listen(UPSTREAM_HEALTH_SUBJECT).await?;
        let mut forget = tokio::time::interval(FORGET_EVERY);
        loop {
            tokio::select! {
                heard = reports.recv() => match heard {
                    Some(payload) => catalog.hear(&payload),
                    None => return Ok(()),
                },
                _ = forget.tick() => catalog.health.forget_stale(catalog.clock.now()),
                () = soft_stop.cancelled() => return Ok(()),
            }
        }
    });
}
