//! Counters of this service.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use maas_runtime::metrics::{MetricsError, MetricsRegistry, table};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use super::error::KeyError;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone)]
pub struct KeyMetrics {
    operations: Family<OperationLabels, Counter>,
    outbox_pending: Gauge,
    /// Our part of the gauge, which services of one process share.
    reported_pending: Arc<AtomicI64>,
}

impl KeyMetrics {
    pub fn register(registry: &MetricsRegistry) -> Result<Self, MetricsError> {
        Ok(Self {
            operations: registry.register(&table::KEYS_OPERATIONS, Family::default())?,
            outbox_pending: registry.register(&table::OUTBOX_PENDING, Gauge::default())?,
            reported_pending: Arc::default(),
        })
    }

    pub fn count<T>(&self, operation: &'static str, result: &Result<T, KeyError>) {
        let outcome = match result {
            Ok(_) => "success",
            Err(error) if error.is_our_fault() => "failed",
            Err(_) => "refused",
        };
        self.operations.get_or_create(&OperationLabels { operation, outcome }).inc();
    }

    pub fn set_outbox_pending(&self, pending: u64) {
        let pending = i64::try_from(pending).unwrap_or(i64::MAX);
        let before = self.reported_pending.swap(pending, Ordering::Relaxed);
        self.outbox_pending.inc_by(pending - before);
    }
}
