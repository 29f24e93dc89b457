//! Audit records of what people change here, and their way to the bus.

use std::sync::atomic::{AtomicI64, Ordering};

use maas_bus::SharedBus;
use maas_events::{
    Delivery,
    audit_entry::{Actor, AuditEntry, AuditOutcome},
};
use maas_runtime::{
    metrics::{MetricsError, table},
    process::Process,
};
use maas_store::outbox::{Relay, RelayProgress};
use maas_types::Timestamp;
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;

const SERVICE: &str = "usage-ingest";

/// A change that worked, on its way to the audit book. `after` is what people may see of it.
pub fn done(
    actor: &Actor,
    action: &'static str,
    (resource_kind, resource_id): (&'static str, String),
    after: &impl Serialize,
    now: Timestamp,
) -> Delivery {
    // Structs of texts and numbers always have a JSON form.
    let after = serde_json::to_value(after).ok();
    let outcome = AuditOutcome::Success;
    let entry =
        AuditEntry { service: SERVICE, actor, action, resource_kind, resource_id, outcome, before: None, after };
    entry.to_delivery(now)
}

/// Carries audit records from the outbox to the bus until the soft stop.
pub fn spawn_relay(relay: Relay, bus: SharedBus, process: &Process) -> Result<(), MetricsError> {
    let pending = process.metrics.register(&table::OUTBOX_PENDING, Gauge::<i64>::default())?;
    let soft_stop = process.lifecycle.soft_stop().clone();
    process.lifecycle.spawn("usage-ingest outbox relay", async move {
        // The gauge is shared with the other services of this process, so each moves it by its own part.
        let shown = AtomicI64::new(0);
        let deliver = |delivery| {
            let bus = bus.clone();
            async move { bus.deliver(delivery).await }
        };
        let observe = |progress: RelayProgress| {
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
