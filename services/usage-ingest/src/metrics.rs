//! What Prometheus sees of the usage pipeline.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use maas_events::topic::USAGE_STREAM;
use maas_runtime::metrics::{MetricsError, MetricsRegistry, table};
use maas_types::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

use crate::{
    domain::{completeness::Gap, event::Event, received::RefusalKind},
    service::{commit::Committed, consumer::CONSUMER},
};

/// Models with a label of their own; producers' texts must not make the number of series grow without end.
const MAX_MODELS: usize = 500;
const OTHER_MODELS: &str = "_other";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    model: String,
    r#type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CostLabels {
    model: String,
    currency: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ConsumerLabels {
    stream: &'static str,
    consumer: &'static str,
}

pub(crate) const CONSUMER_LABELS: ConsumerLabels = ConsumerLabels { stream: USAGE_STREAM, consumer: CONSUMER };

/// Clones share the metrics.
#[derive(Debug, Clone)]
pub struct UsageMetrics {
    events: Family<OutcomeLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<CostLabels, Counter<f64, AtomicU64>>,
    event_lag: Histogram,
    commit_duration: Histogram,
    pending: Family<ConsumerLabels, Gauge>,
    redelivered: Family<ConsumerLabels, Counter>,
    last_commit: Gauge<f64, AtomicU64>,
    gap_events: Gauge,
    gap_seconds: Gauge<f64, AtomicU64>,
    models: Arc<Mutex<BTreeSet<String>>>,
}

impl UsageMetrics {
    pub fn register(registry: &MetricsRegistry) -> Result<Self, MetricsError> {
        Ok(Self {
            events: registry.register(&table::USAGE_EVENTS, Family::default())?,
            tokens: registry.register(&table::USAGE_TOKENS_RECORDED, Family::default())?,
            cost: registry.register(&table::USAGE_COST, Family::default())?,
            event_lag: registry.register(&table::USAGE_EVENT_LAG, table::USAGE_EVENT_LAG.histogram())?,
            commit_duration: registry
                .register(&table::USAGE_COMMIT_DURATION, table::USAGE_COMMIT_DURATION.histogram())?,
            pending: registry.register(&table::USAGE_CONSUMER_PENDING, Family::default())?,
            redelivered: registry.register(&table::USAGE_CONSUMER_REDELIVERED, Family::default())?,
            last_commit: registry.register(&table::USAGE_LAST_COMMIT, Gauge::default())?,
            gap_events: registry.register(&table::USAGE_WATERMARK_GAP_EVENTS, Gauge::default())?,
            gap_seconds: registry.register(&table::USAGE_WATERMARK_GAP_AGE, Gauge::default())?,
            models: Arc::default(),
        })
    }

    /// A message arrived, with `pending` waiting behind it.
    pub fn delivered(&self, pending: u64, again: bool) {
        self.pending.get_or_create(&CONSUMER_LABELS).set(i64::try_from(pending).unwrap_or(i64::MAX));
        if again {
            self.redelivered.get_or_create(&CONSUMER_LABELS).inc();
        }
    }

    pub fn committed(&self, committed: &Committed, took: Duration, now: Timestamp) {
        self.commit_duration.observe(took.as_secs_f64());
        self.last_commit.set(Duration::from_millis(now.unix_ms().max(0).unsigned_abs()).as_secs_f64());
        // Better counts of an event that was there are stored as a correction.
        self.count("stored", committed.stored.len() as u64 + committed.corrected);
        self.count("duplicate", committed.duplicates);
        for kind in &committed.refused {
            self.count(outcome_of(*kind), 1);
        }
        for event in &committed.stored {
            self.stored(event, now);
        }
    }

    /// Events whose transaction failed and will be tried again.
    pub fn retried(&self, events: usize) {
        self.count("retried", events as u64);
    }

    pub fn gap(&self, gap: Gap) {
        self.gap_events.set(i64::try_from(gap.events).unwrap_or(i64::MAX));
        self.gap_seconds.set(gap.age.as_secs_f64());
    }

    fn stored(&self, event: &Event, now: Timestamp) {
        self.event_lag.observe(now.since(event.completed_at()).as_secs_f64());
        let model = self.model_label(&event.model);
        for (r#type, tokens) in [("input", event.tokens.input), ("output", event.tokens.output)] {
            self.tokens.get_or_create(&TokenLabels { model: model.clone(), r#type }).inc_by(tokens);
        }
        let labels = CostLabels { model, currency: event.currency.to_string() };
        // A figure for graphs; money is computed from the ledger.
        self.cost.get_or_create(&labels).inc_by(event.cost_nanos as f64 / 1e9);
    }

    fn count(&self, outcome: &'static str, events: u64) {
        if events > 0 {
            self.events.get_or_create(&OutcomeLabels { outcome }).inc_by(events);
        }
    }

    fn model_label(&self, model: &str) -> String {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        if models.contains(model) {
            return model.to_owned();
        }
        if models.len() >= MAX_MODELS {
            return OTHER_MODELS.to_owned();
        }
        models.insert(model.to_owned());
        model.to_owned()
    }
}

fn outcome_of(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Undecodable | RefusalKind::Invalid => "invalid",
        RefusalKind::OutsideWindow | RefusalKind::Conflict | RefusalKind::Poisoned => "quarantined",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn model_labels_do_not_grow_without_end() {
        let metrics = UsageMetrics::register(&MetricsRegistry::new()).unwrap();
        for number in 0..MAX_MODELS {
            assert_ne!(metrics.model_label(&format!("model-{number}")), OTHER_MODELS);
        }
        assert_eq!(metrics.model_label("one more"), OTHER_MODELS);
        assert_eq!(metrics.model_label("model-7"), "model-7");
    }
}
