//! Models, their upstreams and prices, in the form in which requests use them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use http::{HeaderValue, Uri};
use maas_events::{
    state::{ModelState, PriceState, UpstreamState},
    validate::{InvalidEvent, required_uuid},
};
use maas_types::{Currency, ModelId, Operation, PriceId, PriceRates, Timestamp, UpstreamId};

use super::credential::CredentialSource;
use crate::{
    metrics::{ModelMetrics, ProxyMetrics},
    path::upstream_path,
};

/// The models by name and alias; replaced as a whole when one changes.
#[derive(Default)]
pub struct ModelTable {
    by_id: BTreeMap<ModelId, Arc<ModelEntry>>,
    by_name: HashMap<Box<str>, Arc<ModelEntry>>,
    /// Grows with each change; recorded in usage events.
    pub revision: u64,
}

pub struct ModelEntry {
    pub id: ModelId,
    pub name: Box<str>,
    pub aliases: Vec<String>,
    pub enabled: bool,
    pub restricted: bool,
    kind: String,
    pub owned_by: String,
    pub created_at: Timestamp,
    pub context_length: u32,
    /// Those that can be called, in the order of priority.
    pub upstreams: Vec<Arc<UpstreamEntry>>,
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

/// One endpoint of one model.
pub struct UpstreamEntry {
    pub id: UpstreamId,
    pub name: String,
    pub provider: String,
    pub model: String,
    pub weight: u32,
    pub priority: u32,
    pub authorization: Option<HeaderValue>,
    pub first_byte_timeout: Duration,
    pub gap_timeout: Duration,
    pub total_timeout: Duration,
    chat: Uri,
    completion: Uri,
    embeddings: Uri,
}

impl ModelTable {
    pub fn get(&self, name: &str) -> Option<&Arc<ModelEntry>> {
        self.by_name.get(name)
    }

    /// All models that were not deleted, in the order of their creation.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ModelEntry>> {
        self.by_id.values().filter(|model| !model.deleted)
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
        Self { by_id, by_name, revision: self.revision + 1 }
    }
}

impl ModelEntry {
    pub fn from_state(
        state: ModelState,
        credentials: &CredentialSource,
        metrics: &ProxyMetrics,
    ) -> Result<Self, InvalidEvent> {
        let id = ModelId::from_uuid(required_uuid("id", &state.id)?);
        let mut upstreams = Vec::with_capacity(state.upstreams.len());
        for upstream in state.upstreams.into_iter().filter(|upstream| upstream.enabled) {
            match UpstreamEntry::from_state(upstream, credentials) {
                Ok(upstream) => upstreams.push(Arc::new(upstream)),
                // The others of the model still serve; the operator has to mend this one.
                Err(problem) => tracing::error!(model.id = %id, problem, "an upstream cannot be used"),
            }
        }
        upstreams.sort_by_key(|upstream| upstream.priority);
        let mut prices = state.prices.iter().map(Price::from_state).collect::<Result<Vec<_>, _>>()?;
        prices.sort_by_key(|price| price.effective_from);
        Ok(Self {
            id,
            metrics: metrics.model(&state.name),
            name: state.name.into_boxed_str(),
            aliases: state.aliases,
            enabled: state.enabled,
            restricted: state.restricted,
            kind: state.kind,
            owned_by: state.owned_by,
            created_at: Timestamp::from_unix_ms(state.created_at_ms),
            context_length: state.context_length,
            upstreams,
            prices,
            deleted: state.deleted,
            version: state.version,
        })
    }

    pub fn is_chat(&self) -> bool {
        self.kind == "chat"
    }

    /// The price in force at `time`; `None` means that the model is not priced then.
    pub fn price_at(&self, time: Timestamp) -> Option<&Price> {
        self.prices.iter().rev().find(|price| price.effective_from <= time)
    }

    /// The upstreams in the order in which a request tries them: by priority, weighted inside one priority.
    pub fn candidates(&self) -> Vec<Arc<UpstreamEntry>> {
        if self.upstreams.len() <= 1 {
            return self.upstreams.clone();
        }
        let mut candidates = Vec::with_capacity(self.upstreams.len());
        for group in self.upstreams.chunk_by(|one, other| one.priority == other.priority) {
            let mut group: Vec<_> = group.to_vec();
            while !group.is_empty() {
                let total: u64 = group.iter().map(|upstream| u64::from(upstream.weight)).sum();
                let mut ticket = if total == 0 { 0 } else { fastrand::u64(0..total) };
                let winner = group.iter().position(|upstream| match ticket.checked_sub(u64::from(upstream.weight)) {
                    Some(rest) => {
                        ticket = rest;
                        false
                    }
                    None => true,
                });
                candidates.push(group.remove(winner.unwrap_or(0)));
            }
        }
        candidates
    }
}

impl UpstreamEntry {
    fn from_state(state: UpstreamState, credentials: &CredentialSource) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| format!("upstream {}: {error}", state.name);
        if state.dialect != "openai" {
            return Err(text(&format!("the dialect {} is not known to this version", state.dialect)));
        }
        let base = state.base_url.trim_end_matches('/');
        let uri = |operation| {
            let path = upstream_path(operation).unwrap_or_default();
            format!("{base}{path}").parse::<Uri>().map_err(|error| text(&error))
        };
        let id = UpstreamId::from_uuid(required_uuid("upstream id", &state.id).map_err(|error| text(&error))?);
        let chat = uri(Operation::Chat)?;
        let authorization = match &state.credential {
            Some(credential) => {
                let bound_to = credential_binding(id, &chat);
                credentials.authorization(credential, &bound_to).map_err(|error| text(&error))?
            }
            None => None,
        };
        let milliseconds =
            |value: u32, default: u64| Duration::from_millis(if value == 0 { default } else { u64::from(value) });
        Ok(Self {
            completion: uri(Operation::Completion)?,
            embeddings: uri(Operation::Embeddings)?,
            chat,
            authorization,
            id,
            name: state.name.clone(),
            provider: state.provider.clone(),
            model: state.upstream_model.clone(),
            weight: state.weight,
            priority: state.priority,
            first_byte_timeout: milliseconds(state.first_byte_timeout_ms, 300_000),
            gap_timeout: milliseconds(state.gap_timeout_ms, 120_000),
            total_timeout: milliseconds(state.total_timeout_ms, 3_600_000),
        })
    }

    pub fn uri(&self, operation: Operation) -> Option<&Uri> {
        match operation {
            Operation::Chat => Some(&self.chat),
            Operation::Completion => Some(&self.completion),
            Operation::Embeddings => Some(&self.embeddings),
            _ => None,
        }
    }
}

/// What a sealed credential is bound to: the upstream's row and the origin it may be sent to.
fn credential_binding(id: UpstreamId, uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    maas_keys::credential_binding(&id.to_string(), scheme, authority)
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
