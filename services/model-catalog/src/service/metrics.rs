//! The catalogue's metrics.

use maas_runtime::metrics::{MetricsError, MetricsRegistry, table};
use maas_types::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

use crate::{domain::model::ModelStatus, events::WholeModel};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InfoLabels {
    model: String,
    provider: String,
    family: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SyncLabels {
    source: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    source: String,
}

pub struct CatalogMetrics {
    models: Family<StateLabels, Gauge>,
    ready: Family<ModelLabels, Gauge>,
    info: Family<InfoLabels, Gauge>,
    syncs: Family<SyncLabels, Counter>,
    last_sync: Family<SourceLabels, Gauge>,
}

impl CatalogMetrics {
    pub fn register(registry: &MetricsRegistry) -> Result<Self, MetricsError> {
        Ok(Self {
            models: registry.register(&table::CATALOG_MODELS, Family::default())?,
            ready: registry.register(&table::CATALOG_MODEL_READY, Family::default())?,
            info: registry.register(&table::CATALOG_MODEL_INFO, Family::default())?,
            syncs: registry.register(&table::CATALOG_SYNCS, Family::default())?,
            last_sync: registry.register(&table::CATALOG_LAST_SYNC, Family::default())?,
        })
    }

    /// Shows exactly these models.
    pub fn show_models(&self, models: &[WholeModel]) {
        let mut counts = [("ready", 0), ("degraded", 0), ("disabled", 0)];
        self.ready.clear();
        self.info.clear();
        for whole in models {
            let model = &whole.model;
            let status = whole.status();
            let state = match status {
                ModelStatus::Ready => 0,
                ModelStatus::Degraded | ModelStatus::Unavailable => 1,
                ModelStatus::Disabled => 2,
            };
            counts[state].1 += 1;
            let is_ready = i64::from(status == ModelStatus::Ready);
            self.ready.get_or_create(&ModelLabels { model: model.name.clone() }).set(is_ready);
            let labels = InfoLabels {
                model: model.name.clone(),
                provider: model.provider.clone(),
                family: model.family.clone(),
            };
            self.info.get_or_create(&labels).set(1);
        }
        for (state, count) in counts {
            self.models.get_or_create(&StateLabels { state }).set(count);
        }
    }

    pub fn count_sync(&self, source: &str, error: Option<&str>, now: Timestamp) {
        let outcome = if error.is_none() { "success" } else { "error" };
        self.syncs.get_or_create(&SyncLabels { source: source.to_owned(), outcome }).inc();
        if error.is_none() {
            self.last_sync.get_or_create(&SourceLabels { source: source.to_owned() }).set(now.unix_seconds());
        }
    }
}
