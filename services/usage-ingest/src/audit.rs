//! Audit records of what people change here, and their way to the bus.

use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use maas_bus::SharedBus;
use maas_events::{Delivery, audit::AuditRecord, topic::AUDIT_SUBJECT};
use maas_runtime::{
    metrics::{MetricsError, table},
    process::Process,
};
use maas_store::outbox::{Relay, RelayProgress};
use maas_types::{AuditId, Timestamp};
use prometheus_client::metrics::gauge::Gauge;
use prost::Message as _;
use serde::Serialize;

use crate::domain::actor::Actor;

const SERVICE: &str = "usage-ingest";

/// A change as a past fact.
#[derive(Debug)]
pub struct AuditEntry<'a, T> {
    pub actor: &'a Actor,
    pub action: &'static str,
    pub resource_kind: &'static str,
    pub resource_id: String,
    pub after: &'a T,
}

impl<T: Serialize> AuditEntry<'_, T> {
    pub fn to_delivery(&self, now: Timestamp) -> Delivery {
        let id = AuditId::new_at(now);
        let record = AuditRecord {
            id: Bytes::copy_from_slice(id.uuid().as_bytes()),
            time_ms: now.unix_ms(),
            service: SERVICE.to_owned(),
            actor_kind: "user".to_owned(),
            actor_id: Bytes::copy_from_slice(self.actor.id.uuid().as_bytes()),
            actor_name: self.actor.name.clone(),
            action: self.action.to_owned(),
            resource_kind: self.resource_kind.to_owned(),
            resource_id: self.resource_id.clone(),
            outcome: "success".to_owned(),
            before_json: String::new(),
            // Structs of texts and numbers always have a JSON form.
            after_json: serde_json::to_string(self.after).unwrap_or_default(),
            request_id: self.actor.request_id.clone(),
            address: self.actor.address.clone(),
        };
        Delivery::Message {
            subject: AUDIT_SUBJECT.to_owned(),
            id: id.to_string(),
            headers: Vec::new(),
            payload: record.encode_to_vec().into(),
        }
    }
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
