//! What leaves the service: the state of models for the proxies, and audit records.

use bytes::Bytes;
use maas_events::{
    Bucket, Delivery,
    audit_entry::{Actor, AuditEntry, AuditOutcome},
    state::{Credential, EncryptedSecret, Header, ModelState, PriceState, UpstreamState, credential::Source},
};
use maas_types::Timestamp;
use prost::Message as _;
use serde::Serialize;

use crate::{
    domain::{
        credential::UpstreamCredential,
        model::{Model, ModelStatus},
        price::Price,
        routing::ModelAffinity,
        upstream::Upstream,
    },
    store::tombstone::Tombstone,
};

const SERVICE: &str = "model-catalog";

/// A model with everything a proxy needs to serve it.
#[derive(Debug, Clone)]
pub struct WholeModel {
    pub model: Model,
    pub upstreams: Vec<Upstream>,
    /// In ascending `effective_from`.
    pub prices: Vec<Price>,
}

impl WholeModel {
    pub fn status(&self) -> ModelStatus {
        self.model.status(self.upstreams.iter().any(Upstream::serves))
    }

    pub fn to_state(&self) -> ModelState {
        let model = &self.model;
        ModelState {
            id: bytes_of(model.id.uuid()),
            version: model.version,
            deleted: false,
            name: model.name.clone(),
            aliases: model.aliases.clone(),
            enabled: model.is_offered(),
            restricted: model.restricted,
            kind: model.kind.as_str().to_owned(),
            owned_by: model.owned_by().to_owned(),
            created_at_ms: model.created_at.unix_ms(),
            upstreams: self.upstreams.iter().map(|upstream| upstream_state(upstream, &model.provider)).collect(),
            prices: self.prices.iter().map(price_state).collect(),
            context_length: model.context_length,
            max_output_tokens: model.max_output_tokens,
            display_name: model.display_name.clone(),
            routing: model.routing.as_str().to_owned(),
            affinity: affinity_state(model.affinity).to_owned(),
            fallbacks: model.fallbacks.clone(),
            context_fallbacks: model.context_fallbacks.clone(),
        }
    }
}

impl Tombstone {
    pub fn to_state(&self) -> ModelState {
        ModelState {
            id: bytes_of(self.id.uuid()),
            version: self.version,
            deleted: true,
            name: self.name.clone(),
            ..ModelState::default()
        }
    }
}

/// The new last value of a model.
pub fn state_delivery(state: &ModelState) -> Delivery {
    Delivery::State {
        bucket: Bucket::Models,
        key: state_key(&state.id),
        version: state.version,
        value: state.encode_to_vec().into(),
    }
}

/// The key of a model's value: the 32 hexadecimal digits of its UUID.
pub fn state_key(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A change as a past fact.
#[derive(Debug)]
pub struct Change<'a, T> {
    pub actor: &'a Actor,
    pub action: &'static str,
    pub resource_kind: &'static str,
    pub resource_id: String,
    pub before: Option<&'a T>,
    pub after: Option<&'a T>,
}

impl<T: Serialize> Change<'_, T> {
    /// Its audit record. What is given as before and after holds no secret.
    pub fn to_delivery(&self, now: Timestamp) -> Delivery {
        // Domain values are structs of texts and numbers; those always have a JSON form.
        let json = |value: Option<&T>| value.and_then(|value| serde_json::to_value(value).ok());
        let entry = AuditEntry {
            service: SERVICE,
            actor: self.actor,
            action: self.action,
            resource_kind: self.resource_kind,
            resource_id: self.resource_id.clone(),
            outcome: AuditOutcome::Success,
            before: json(self.before),
            after: json(self.after),
        };
        entry.to_delivery(now)
    }
}

fn upstream_state(upstream: &Upstream, provider: &str) -> UpstreamState {
    UpstreamState {
        id: bytes_of(upstream.id.uuid()),
        name: upstream.name.clone(),
        provider: provider.to_owned(),
        dialect: upstream.dialect.as_str().to_owned(),
        base_url: upstream.base_url.clone(),
        upstream_model: upstream.upstream_model.clone(),
        credential: credential_state(&upstream.credential),
        weight: upstream.weight,
        priority: upstream.priority,
        enabled: upstream.enabled,
        connect_timeout_ms: upstream.timeouts.connect_timeout_ms,
        first_byte_timeout_ms: upstream.timeouts.first_byte_timeout_ms,
        gap_timeout_ms: upstream.timeouts.gap_timeout_ms,
        total_timeout_ms: upstream.timeouts.total_timeout_ms,
        mirror: upstream.mirror,
        capacity: upstream.capacity,
        headers: upstream.headers.iter().map(header_state).collect(),
        native_apis: upstream.native_apis.iter().map(|api| api.as_str().to_owned()).collect(),
        api_version: upstream.api_version.clone(),
        ca_file: upstream.ca_file.clone(),
        instance: upstream.instance.clone(),
        health_path: upstream.health_path.clone(),
    }
}

fn header_state((name, value): (&String, &String)) -> Header {
    Header { name: name.clone(), value: value.clone() }
}

/// On the wire, no affinity is an empty text.
fn affinity_state(affinity: ModelAffinity) -> &'static str {
    match affinity {
        ModelAffinity::None => "",
        ModelAffinity::Prefix => affinity.as_str(),
    }
}

fn credential_state(credential: &UpstreamCredential) -> Option<Credential> {
    let source = match credential {
        UpstreamCredential::None => return None,
        UpstreamCredential::EnvironmentVariable(name) => Source::EnvironmentVariable(name.clone()),
        UpstreamCredential::File(name) => Source::File(name.clone()),
        UpstreamCredential::Sealed(sealed) => Source::Encrypted(EncryptedSecret {
            key_version: sealed.key_version,
            nonce: Bytes::copy_from_slice(&sealed.nonce),
            ciphertext: sealed.ciphertext.clone().into(),
        }),
    };
    Some(Credential { source: Some(source) })
}

fn price_state(price: &Price) -> PriceState {
    PriceState {
        id: bytes_of(price.id.uuid()),
        effective_from_ms: price.effective_from.unix_ms(),
        currency: price.currency.to_string(),
        input: price.rates.input,
        cached_input: price.rates.cached_input,
        cache_write_input: price.rates.cache_write_input,
        audio_input: price.rates.audio_input,
        output: price.rates.output,
        reasoning_output: price.rates.reasoning_output,
        audio_output: price.rates.audio_output,
        image: price.rates.image,
        request: price.rates.request,
    }
}

fn bytes_of(id: uuid::Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}
