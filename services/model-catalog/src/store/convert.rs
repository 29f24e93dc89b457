//! Rows to domain values and back; a row that cannot be true is named.

use maas_keys::Sealed;
use maas_store::{
    StoreError,
    ids::{parsed_from_db, time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::{ModelId, PriceId, PriceRates, SourceId, UpstreamId, UserId};
use sea_orm::prelude::Uuid;

use super::entity::{models, prices, sources, upstreams};
use crate::domain::{
    credential::UpstreamCredential,
    model::{Model, ModelKind, ModelLifecycle, SourceReference},
    price::Price,
    source::{Source, SourceKind},
    upstream::{Timeouts, Upstream},
};

const MODELS: &str = "models";
const UPSTREAMS: &str = "upstreams";
const PRICES: &str = "prices";
const SOURCES: &str = "sources";

pub fn model_from_db(row: models::Model) -> Result<Model, StoreError> {
    let id = row.id;
    let list = |column, text: &str| parsed_from_db(MODELS, column, id, serde_json::from_str::<Vec<String>>(text).ok());
    Ok(Model {
        id: ModelId::from_uuid(id),
        version: unsigned_from_db(MODELS, "version", id, row.version)?,
        aliases: list("aliases", &row.aliases)?,
        capabilities: list("capabilities", &row.capabilities)?,
        tags: list("tags", &row.tags)?,
        kind: parsed_from_db(MODELS, "kind", id, ModelKind::parse(&row.kind))?,
        lifecycle: parsed_from_db(MODELS, "lifecycle", id, ModelLifecycle::parse(&row.lifecycle))?,
        context_length: small(MODELS, "context_length", id, row.context_length)?,
        max_output_tokens: small(MODELS, "max_output_tokens", id, row.max_output_tokens)?,
        source: row.source_id.zip(row.source_key).map(|(id, key)| SourceReference { id: SourceId::from_uuid(id), key }),
        name: row.name,
        display_name: row.display_name,
        description: row.description,
        provider: row.provider,
        family: row.family,
        category: row.category,
        owner: row.owner,
        licence: row.licence,
        enabled: row.enabled,
        restricted: row.restricted,
        available: row.available,
        created_at: time_from_db(row.created_at),
        updated_at: time_from_db(row.updated_at),
    })
}

pub fn model_to_db(model: &Model) -> models::Model {
    models::Model {
        id: model.id.uuid(),
        version: unsigned_to_db(model.version),
        name: model.name.clone(),
        display_name: model.display_name.clone(),
        description: model.description.clone(),
        aliases: list_to_db(&model.aliases),
        provider: model.provider.clone(),
        family: model.family.clone(),
        category: model.category.clone(),
        kind: model.kind.as_str().to_owned(),
        capabilities: list_to_db(&model.capabilities),
        context_length: i64::from(model.context_length),
        max_output_tokens: i64::from(model.max_output_tokens),
        owner: model.owner.clone(),
        licence: model.licence.clone(),
        tags: list_to_db(&model.tags),
        lifecycle: model.lifecycle.as_str().to_owned(),
        enabled: model.enabled,
        restricted: model.restricted,
        available: model.available,
        source_id: model.source.as_ref().map(|source| source.id.uuid()),
        source_key: model.source.as_ref().map(|source| source.key.clone()),
        created_at: model.created_at.unix_ms(),
        updated_at: model.updated_at.unix_ms(),
    }
}

pub fn upstream_from_db(row: upstreams::Model) -> Result<Upstream, StoreError> {
    let id = row.id;
    let number = |column, value| small(UPSTREAMS, column, id, value);
    Ok(Upstream {
        id: UpstreamId::from_uuid(id),
        model_id: ModelId::from_uuid(row.model_id),
        version: unsigned_from_db(UPSTREAMS, "version", id, row.version)?,
        weight: number("weight", row.weight)?,
        priority: number("priority", row.priority)?,
        timeouts: Timeouts {
            connect_timeout_ms: number("connect_timeout_ms", row.connect_timeout_ms)?,
            first_byte_timeout_ms: number("first_byte_timeout_ms", row.first_byte_timeout_ms)?,
            gap_timeout_ms: number("gap_timeout_ms", row.gap_timeout_ms)?,
            total_timeout_ms: number("total_timeout_ms", row.total_timeout_ms)?,
        },
        credential: credential_from_db(&row)?,
        source_id: row.source_id.map(SourceId::from_uuid),
        name: row.name,
        base_url: row.base_url,
        dialect: row.dialect,
        upstream_model: row.upstream_model,
        enabled: row.enabled,
        created_at: time_from_db(row.created_at),
        updated_at: time_from_db(row.updated_at),
    })
}

fn credential_from_db(row: &upstreams::Model) -> Result<UpstreamCredential, StoreError> {
    let reference = || row.credential_reference.clone();
    let credential = match row.credential_kind.as_str() {
        "none" => Some(UpstreamCredential::None),
        "environment_variable" => reference().map(UpstreamCredential::EnvironmentVariable),
        "file" => reference().map(UpstreamCredential::File),
        "encrypted" => sealed_from_db(row).map(UpstreamCredential::Sealed),
        _ => None,
    };
    parsed_from_db(UPSTREAMS, "credential_kind", row.id, credential)
}

fn sealed_from_db(row: &upstreams::Model) -> Option<Sealed> {
    Some(Sealed {
        key_version: u32::try_from(row.credential_key_version?).ok()?,
        nonce: row.credential_nonce.as_deref()?.try_into().ok()?,
        ciphertext: row.credential_ciphertext.clone()?,
    })
}

pub fn upstream_to_db(upstream: &Upstream) -> upstreams::Model {
    let (reference, sealed) = match &upstream.credential {
        UpstreamCredential::None => (None, None),
        UpstreamCredential::EnvironmentVariable(text) | UpstreamCredential::File(text) => (Some(text.clone()), None),
        UpstreamCredential::Sealed(sealed) => (None, Some(sealed)),
    };
    upstreams::Model {
        id: upstream.id.uuid(),
        model_id: upstream.model_id.uuid(),
        version: unsigned_to_db(upstream.version),
        name: upstream.name.clone(),
        base_url: upstream.base_url.clone(),
        dialect: upstream.dialect.clone(),
        upstream_model: upstream.upstream_model.clone(),
        credential_kind: upstream.credential.kind().to_owned(),
        credential_reference: reference,
        credential_key_version: sealed.map(|sealed| i64::from(sealed.key_version)),
        credential_nonce: sealed.map(|sealed| sealed.nonce.to_vec()),
        credential_ciphertext: sealed.map(|sealed| sealed.ciphertext.clone()),
        weight: i64::from(upstream.weight),
        priority: i64::from(upstream.priority),
        enabled: upstream.enabled,
        connect_timeout_ms: i64::from(upstream.timeouts.connect_timeout_ms),
        first_byte_timeout_ms: i64::from(upstream.timeouts.first_byte_timeout_ms),
        gap_timeout_ms: i64::from(upstream.timeouts.gap_timeout_ms),
        total_timeout_ms: i64::from(upstream.timeouts.total_timeout_ms),
        source_id: upstream.source_id.map(SourceId::uuid),
        created_at: upstream.created_at.unix_ms(),
        updated_at: upstream.updated_at.unix_ms(),
    }
}

pub fn price_from_db(row: prices::Model) -> Result<Price, StoreError> {
    Ok(Price {
        id: PriceId::from_uuid(row.id),
        model_id: ModelId::from_uuid(row.model_id),
        effective_from: time_from_db(row.effective_from),
        currency: parsed_from_db(PRICES, "currency", row.id, row.currency.parse().ok())?,
        rates: PriceRates {
            input: row.input,
            cached_input: row.cached_input,
            cache_write_input: row.cache_write_input,
            audio_input: row.audio_input,
            output: row.output,
            reasoning_output: row.reasoning_output,
            audio_output: row.audio_output,
            image: row.image,
            request: row.request,
        },
        created_at: time_from_db(row.created_at),
        created_by: row.created_by.map(UserId::from_uuid),
    })
}

pub fn price_to_db(price: &Price) -> prices::Model {
    prices::Model {
        id: price.id.uuid(),
        model_id: price.model_id.uuid(),
        effective_from: price.effective_from.unix_ms(),
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
        created_at: price.created_at.unix_ms(),
        created_by: price.created_by.map(UserId::uuid),
    }
}

pub fn source_from_db(row: sources::Model) -> Result<Source, StoreError> {
    let id = row.id;
    let result = row.last_result.as_deref().map(serde_json::from_str).transpose();
    Ok(Source {
        id: SourceId::from_uuid(id),
        kind: parsed_from_db(SOURCES, "kind", id, SourceKind::parse(&row.kind))?,
        settings: parsed_from_db(SOURCES, "settings", id, serde_json::from_str(&row.settings).ok())?,
        last_result: parsed_from_db(SOURCES, "last_result", id, result.ok())?,
        name: row.name,
        location: row.location,
        credential_variable: row.credential_variable,
        configured: row.configured,
        last_run_at: row.last_run_at.map(time_from_db),
        last_success_at: row.last_success_at.map(time_from_db),
        last_error: row.last_error,
        created_at: time_from_db(row.created_at),
    })
}

pub fn source_to_db(source: &Source) -> sources::Model {
    // Small structs of texts and numbers: writing those as JSON cannot fail.
    let settings = serde_json::to_string(&source.settings).unwrap_or_else(|_| "{}".to_owned());
    sources::Model {
        id: source.id.uuid(),
        name: source.name.clone(),
        kind: source.kind.as_str().to_owned(),
        location: source.location.clone(),
        credential_variable: source.credential_variable.clone(),
        settings,
        configured: source.configured,
        last_run_at: source.last_run_at.map(|time| time.unix_ms()),
        last_success_at: source.last_success_at.map(|time| time.unix_ms()),
        last_result: source.last_result.and_then(|result| serde_json::to_string(&result).ok()),
        last_error: source.last_error.clone(),
        created_at: source.created_at.unix_ms(),
    }
}

fn list_to_db(list: &[String]) -> String {
    // A list of texts always has a JSON form.
    serde_json::to_string(list).unwrap_or_else(|_| "[]".to_owned())
}

fn small(table: &'static str, column: &'static str, row: Uuid, value: i64) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_| StoreError::corrupt(table, column, row))
}
