//! What Prometheus sees of what waits, of what was kept aside, and of whether the sums are right.

use std::{collections::BTreeSet, sync::atomic::AtomicU64, time::Duration};

use maas_bus::ConsumerStatus;
use maas_runtime::metrics::{MetricsError, MetricsRegistry, table};
use maas_types::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};

use crate::{
    domain::{measures::MEASURE_COLUMNS, received::RefusalKind, reconciliation::Proof},
    metrics::{CONSUMER_LABELS, ConsumerLabels},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DifferenceLabels {
    table: String,
    measure: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RollupLabels {
    rollup: String,
}

/// Clones share the metrics.
#[derive(Debug, Clone)]
pub struct PipelineMetrics {
    pending: Family<ConsumerLabels, Gauge>,
    unacknowledged: Family<ConsumerLabels, Gauge>,
    quarantine: Family<KindLabels, Gauge>,
    differences: Family<DifferenceLabels, Gauge>,
    last_success: Family<RollupLabels, Gauge<f64, AtomicU64>>,
}

impl PipelineMetrics {
    pub fn register(registry: &MetricsRegistry) -> Result<Self, MetricsError> {
        Ok(Self {
            pending: registry.register(&table::USAGE_CONSUMER_PENDING, Family::default())?,
            unacknowledged: registry.register(&table::USAGE_CONSUMER_ACK_PENDING, Family::default())?,
            quarantine: registry.register(&table::USAGE_QUARANTINE_ENTRIES, Family::default())?,
            differences: registry.register(&table::USAGE_RECONCILIATION_DIFFERENCE, Family::default())?,
            last_success: registry.register(&table::USAGE_ROLLUP_LAST_SUCCESS, Family::default())?,
        })
    }

    pub fn waiting(&self, status: ConsumerStatus) {
        self.pending.get_or_create(&CONSUMER_LABELS).set(gauge(status.pending));
        self.unacknowledged.get_or_create(&CONSUMER_LABELS).set(gauge(status.unacknowledged));
    }

    /// Kinds that are not listed have no entries.
    pub fn quarantine(&self, held: &[(RefusalKind, u64)]) {
        for kind in RefusalKind::ALL {
            let entries = held.iter().find(|(listed, _)| *listed == kind).map_or(0, |(_, entries)| *entries);
            self.quarantine.get_or_create(&KindLabels { kind: kind.as_str() }).set(gauge(entries));
        }
    }

    /// The last checks of all days that are watched: their differences are added up, and a table is right when it was in
    /// all of them.
    pub fn proofs(&self, proofs: &[(Timestamp, Proof)]) {
        let names: BTreeSet<&str> =
            proofs.iter().flat_map(|(_, proof)| proof.tables.iter().map(|table| table.table.as_str())).collect();
        for name in names {
            let checks = || {
                let of_table = |proof: &Proof| proof.tables.iter().find(|table| table.table == name).cloned();
                proofs.iter().filter_map(move |(at, proof)| Some((*at, of_table(proof)?)))
            };
            for measure in MEASURE_COLUMNS {
                let days = checks().filter_map(|(_, table)| table.differences.get(measure).copied());
                let labels = DifferenceLabels { table: name.to_owned(), measure };
                self.differences.get_or_create(&labels).set(days.fold(0, i64::saturating_add));
            }
            if checks().all(|(_, table)| table.differences.is_empty()) {
                let at = checks().map(|(at, _)| at.unix_ms()).min().unwrap_or(0);
                let seconds = Duration::from_millis(at.max(0).unsigned_abs()).as_secs_f64();
                self.last_success.get_or_create(&RollupLabels { rollup: name.to_owned() }).set(seconds);
            }
        }
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
