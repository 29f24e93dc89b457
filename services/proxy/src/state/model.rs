//! Models, their upstreams and prices, in the form in which requests use them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use maas_events::{
    state::{ModelState, PriceState},
    validate::{InvalidEvent, required_uuid},
};
use maas_types::{Currency, ModelId, PriceId, PriceRates, Timestamp, UpstreamId};

use super::{UpstreamEntry, upstream::UpstreamSource};
use crate::{
    metrics::{ModelMetrics, ProxyMetrics},
    routing::{FallbackReason, HasFallbacks, Policy, RetryBudget},
};

/// The models by name and alias; replaced as a whole when one changes.
#[derive(Default)]
pub struct ModelTable {
    by_id: BTreeMap<ModelId, Arc<ModelEntry>>,
    by_name: HashMap<Box<str>, Arc<ModelEntry>>,
    /// By instance, then by what the server itself calls the model.
    by_instance: HashMap<Box<str>, HashMap<Box<str>, Arc<ModelEntry>>>,
    by_upstream: HashMap<UpstreamId, (Arc<ModelEntry>, Arc<UpstreamEntry>)>,
    /// Grows with each change; recorded in usage events.
    pub revision: u64,
}

pub struct ModelEntry {
    pub id: ModelId,
    pub name: Box<str>,
    pub display_name: String,
    pub aliases: Vec<String>,
    pub enabled: bool,
    pub restricted: bool,
    kind: String,
    pub owned_by: String,
    pub created_at: Timestamp,
    pub context_length: u32,
    /// Those that can be called, in the order of priority.
    pub upstreams: Vec<Arc<UpstreamEntry>>,
    /// Those that get a copy.
    pub mirrors: Vec<Arc<UpstreamEntry>>,
    /// Public names of models that serve instead, in this order.
    fallbacks: Vec<Box<str>>,
    /// The same for requests that are too long for this one.
    context_fallbacks: Vec<Box<str>>,
    /// How one of several upstreams is chosen.
    pub policy: Policy,
    /// Requests with the same beginning go to the same upstream.
    pub keeps_prefixes: bool,
    pub retry_budget: Arc<RetryBudget>,
    /// In ascending time.
    prices: Vec<Price>,
    pub metrics: ModelMetrics,
    deleted: bool,
    version: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct Price {
    pub id: PriceId,
    pub effective_from: Timestamp,
    pub currency: Currency,
    pub rates: PriceRates,
}

impl ModelTable {
    pub fn get(&self, name: &str) -> Option<&Arc<ModelEntry>> {
        self.by_name.get(name)
    }

    /// The model that the server of this instance calls `name`, or whose public name it is, if that server serves it.
    pub fn get_at(&self, instance: &str, name: &str) -> Option<&Arc<ModelEntry>> {
        let models = self.by_instance.get(instance)?;
        models.get(name).or_else(|| self.get(name).filter(|model| model.is_served_at(instance)))
    }

    /// The models of an instance under the names that its server gives them; `None` if there is no such instance.
    pub fn at(&self, instance: &str) -> Option<&HashMap<Box<str>, Arc<ModelEntry>>> {
        self.by_instance.get(instance)
    }

    /// An upstream that can be called, with its model.
    pub fn upstream(&self, id: UpstreamId) -> Option<&(Arc<ModelEntry>, Arc<UpstreamEntry>)> {
        self.by_upstream.get(&id)
    }

    /// All models that were not deleted, in the order of their creation.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ModelEntry>> {
        self.by_id.values().filter(|model| !model.deleted)
    }

    /// The version that is held, of a deleted model too.
    pub fn version_of(&self, id: ModelId) -> Option<u64> {
        self.by_id.get(&id).map(|model| model.version)
    }

    /// The table with these values in it, unless it has newer ones.
    pub fn with(&self, changed: impl IntoIterator<Item = ModelEntry>) -> Self {
        let mut by_id = self.by_id.clone();
        for entry in changed {
            let is_newer = by_id.get(&entry.id).is_none_or(|existing| existing.version < entry.version);
            if is_newer {
                by_id.insert(entry.id, Arc::new(entry));
            }
        }
        let mut by_name: HashMap<Box<str>, Arc<ModelEntry>> = HashMap::new();
        let live = || by_id.values().filter(|model| !model.deleted);
        // A public name always wins over somebody's alias.
        for model in live() {
            for alias in &model.aliases {
                by_name.entry(alias.as_str().into()).or_insert_with(|| model.clone());
            }
        }
        for model in live() {
            by_name.insert(model.name.clone(), model.clone());
        }
        let mut by_instance: HashMap<Box<str>, HashMap<Box<str>, Arc<ModelEntry>>> = HashMap::new();
        let mut by_upstream = HashMap::new();
        for model in live() {
            for upstream in &model.upstreams {
                by_upstream.insert(upstream.id, (model.clone(), upstream.clone()));
                if let Some(instance) = &upstream.instance {
                    let models = by_instance.entry(instance.clone()).or_default();
                    models.entry(upstream.model.as_str().into()).or_insert_with(|| model.clone());
                }
            }
        }
        Self { by_id, by_name, by_instance, by_upstream, revision: self.revision + 1 }
    }
}

impl ModelEntry {
    pub fn from_state(
        state: ModelState,
        source: &UpstreamSource,
        metrics: &ProxyMetrics,
    ) -> Result<Self, InvalidEvent> {
        let id = ModelId::from_uuid(required_uuid("id", &state.id)?);
        let mut upstreams: Vec<Arc<UpstreamEntry>> = Vec::with_capacity(state.upstreams.len());
        for upstream in state.upstreams.iter().filter(|upstream| upstream.enabled) {
            match UpstreamEntry::from_state(upstream, source) {
                Ok(upstream) => upstreams.push(Arc::new(upstream)),
                // The others of the model still serve; the operator has to mend this one.
                Err(problem) => tracing::error!(model.id = %id, problem, "an upstream cannot be used"),
            }
        }
        upstreams.sort_by_key(|upstream| upstream.priority);
        let (mirrors, upstreams) = upstreams.into_iter().partition(|upstream| upstream.mirror);
        let boxed = |names: Vec<String>| names.into_iter().map(String::into_boxed_str).collect();
        let mut prices = state.prices.iter().map(Price::from_state).collect::<Result<Vec<_>, _>>()?;
        prices.sort_by_key(|price| price.effective_from);
        Ok(Self {
            id,
            metrics: metrics.model(&state.name),
            name: state.name.into_boxed_str(),
            display_name: state.display_name,
            aliases: state.aliases,
            enabled: state.enabled,
            restricted: state.restricted,
            kind: state.kind,
            owned_by: state.owned_by,
            created_at: Timestamp::from_unix_ms(state.created_at_ms),
            context_length: state.context_length,
            upstreams,
            mirrors,
            fallbacks: boxed(state.fallbacks),
            context_fallbacks: boxed(state.context_fallbacks),
            policy: Policy::from_state(&state.routing),
            keeps_prefixes: state.affinity == "prefix",
            retry_budget: source.health.budget(id),
            prices,
            deleted: state.deleted,
            version: state.version,
        })
    }

    fn is_served_at(&self, instance: &str) -> bool {
        self.upstreams.iter().any(|upstream| upstream.instance.as_deref() == Some(instance))
    }

    pub fn is_chat(&self) -> bool {
        self.kind == "chat"
    }

    /// The price in force at `time`; `None` means that the model is not priced then.
    pub fn price_at(&self, time: Timestamp) -> Option<&Price> {
        self.prices.iter().rev().find(|price| price.effective_from <= time)
    }
}

impl HasFallbacks for ModelEntry {
    fn id(&self) -> ModelId {
        self.id
    }

    fn fallbacks(&self, reason: FallbackReason) -> &[Box<str>] {
        match reason {
            FallbackReason::Unavailable => &self.fallbacks,
            FallbackReason::ContextLength => &self.context_fallbacks,
        }
    }
}

impl Price {
    fn from_state(state: &PriceState) -> Result<Self, InvalidEvent> {
        let currency = state.currency.parse();
        Ok(Self {
            id: PriceId::from_uuid(required_uuid("price id", &state.id)?),
            effective_from: Timestamp::from_unix_ms(state.effective_from_ms),
            currency: currency.map_err(|_| InvalidEvent::OutOfRange("currency"))?,
            rates: PriceRates {
                input: state.input,
                cached_input: state.cached_input,
                cache_write_input: state.cache_write_input,
                audio_input: state.audio_input,
                output: state.output,
                reasoning_output: state.reasoning_output,
                audio_output: state.audio_output,
                image: state.image,
                request: state.request,
            },
        })
    }
}
