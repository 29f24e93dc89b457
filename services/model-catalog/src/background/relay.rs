//! The outbox's way to the bus.

use std::sync::atomic::{AtomicI64, Ordering};

use maas_bus::SharedBus;
use maas_runtime::{
    metrics::{MetricsError, table},
    process::Process,
};
use maas_store::outbox::Relay;
use prometheus_client::metrics::gauge::Gauge;

pub fn spawn(relay: Relay, bus: SharedBus, process: &Process) -> Result<(), MetricsError> {
    let pending = process.metrics.register(&table::OUTBOX_PENDING, Gauge::<i64>::default())?;
    let soft_stop = process.lifecycle.soft_stop().clone();
    process.lifecycle.spawn("model-catalog outbox relay", async move {
        // The gauge is shared with the other services of this process, so each moves it by its own part.
        let shown = AtomicI64::new(0);
        let deliver = |delivery| {
            let bus = bus.clone();
            async move { bus.deliver(delivery).await }
        };
        let observe = |progress: maas_store::outbox::RelayProgress| {
            let now = i64::try_from(progress.pending).unwrap_or(i64::MAX);
            pending.inc_by(now.saturating_sub(shown.swap(now, Ordering::Relaxed)));
        };
        tokio::select! {
            () = relay.run(deliver, observe) => {}
            () = soft_stop.cancelled() => {}
        }
        Ok(())
    });
    Ok(())
}
