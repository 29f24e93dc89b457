//! Prometheus metrics: a table of definitions, a registry that accepts nothing else, and the text that `/metrics` shows.

mod docs;
mod exposition;
mod process;
pub mod table;

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::{Metric, Registry},
};

pub use docs::docs;
pub use exposition::undeclared;
pub use table::{Buckets, Kind, MetricDefinition, Service};

/// What `/metrics` answers with.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("metric {name} is a {declared} in the table, not a {given}")]
    Kind { name: &'static str, declared: &'static str, given: String },
    #[error("metric {name} was registered before with another type")]
    Type { name: &'static str },
    #[error("metrics cannot be rendered")]
    Render(#[from] std::fmt::Error),
}

/// The metrics of one process; clones share them.
#[derive(Debug, Clone, Default)]
pub struct MetricsRegistry(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    registry: Registry,
    registered: BTreeMap<&'static str, Box<dyn Any + Send>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
    revision: &'static str,
}

impl MetricsRegistry {
    /// With the process's own figures (`process_*`) in it.
    pub fn new() -> Self {
        let registry = Self::default();
        registry.inner().registry.register_collector(Box::new(process::ProcessCollector));
        registry
    }

    /// Adds a metric under its definition and returns the one to count with: the given one, or the one that another
    /// service in this process registered before (so two services share a gauge: move it with `inc_by` and `dec_by`).
    pub fn register<M: Metric + Clone>(&self, definition: &MetricDefinition, metric: M) -> Result<M, MetricsError> {
        let name = definition.name;
        let given = metric.metric_type();
        if definition.kind.as_str() != given.as_str() {
            let declared = definition.kind.as_str();
            return Err(MetricsError::Kind { name, declared, given: given.as_str().to_owned() });
        }
        let mut inner = self.inner();
        if let Some(earlier) = inner.registered.get(name) {
            return earlier.downcast_ref::<M>().cloned().ok_or(MetricsError::Type { name });
        }
        inner.registered.insert(name, Box::new(metric.clone()));
        inner.registry.register(definition.registered_name(), definition.help, metric.clone());
        Ok(metric)
    }

    /// Shows which build runs. The revision is "unknown" outside a release build.
    pub fn register_build_info(&self, version: &'static str, revision: &'static str) -> Result<(), MetricsError> {
        let family = self.register(&table::BUILD_INFO, Family::<BuildLabels, Gauge>::default())?;
        family.get_or_create(&BuildLabels { version, revision }).set(1);
        Ok(())
    }

    /// The OpenMetrics text, for [`CONTENT_TYPE`].
    pub fn render(&self) -> Result<String, MetricsError> {
        let mut text = String::with_capacity(16 * 1024);
        prometheus_client::encoding::text::encode(&mut text, &self.inner().registry)?;
        Ok(text)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
    struct ModelLabels {
        model: String,
    }

    #[test]
    fn names_appear_exactly_as_in_the_table() {
        let metrics = MetricsRegistry::new();
        metrics.register_build_info("0.1.0", "unknown").unwrap();
        let unpriced = metrics.register(&table::PROXY_UNPRICED_REQUESTS, Family::<ModelLabels, Counter>::default());
        unpriced.unwrap().get_or_create(&ModelLabels { model: "m".to_owned() }).inc();
        let overhead = metrics.register(&table::PROXY_KEY_REVOCATION_LAG, table::PROXY_KEY_REVOCATION_LAG.histogram());
        overhead.unwrap().observe(0.1);
        let text = metrics.render().unwrap();
        for line in [
            "maas_build_info{version=\"0.1.0\",revision=\"unknown\"} 1",
            "maas_proxy_unpriced_requests_total{model=\"m\"} 1",
            "maas_proxy_key_revocation_lag_seconds_bucket{le=\"0.05\"} 0",
            "maas_proxy_key_revocation_lag_seconds_count 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert_eq!(undeclared(&text), Vec::<String>::new());
    }

    #[test]
    fn a_second_registration_shares_the_first() {
        let metrics = MetricsRegistry::new();
        let first = metrics.register(&table::OUTBOX_PENDING, Gauge::<i64>::default()).unwrap();
        let second = metrics.register(&table::OUTBOX_PENDING, Gauge::<i64>::default()).unwrap();
        second.inc_by(3);
        assert_eq!(first.get(), 3);
        assert!(matches!(
            metrics.register(&table::OUTBOX_PENDING, Family::<ModelLabels, Gauge>::default()),
            Err(MetricsError::Type { .. })
        ));
    }

    #[test]
    fn the_kind_must_be_the_table_s() {
        let refused = MetricsRegistry::new().register(&table::OUTBOX_PENDING, Counter::<u64>::default());
        assert!(matches!(refused, Err(MetricsError::Kind { .. })));
    }
}
