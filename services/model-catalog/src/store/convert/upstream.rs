//! Upstreams with their credentials.

use maas_keys::Sealed;
use maas_store::{
    StoreError,
    ids::{parsed_from_db, time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::{ModelId, SourceId, UpstreamId};

use super::{json_from_db, json_to_db, small};
use crate::{
    domain::{
        credential::UpstreamCredential,
        dialect::UpstreamDialect,
        upstream::{Timeouts, Upstream},
    },
    store::entity::upstreams,
};

const UPSTREAMS: &str = "upstreams";

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
        dialect: parsed_from_db(UPSTREAMS, "dialect", id, UpstreamDialect::parse(&row.dialect))?,
        capacity: number("capacity", row.capacity)?,
        headers: json_from_db(UPSTREAMS, "headers", id, &row.headers)?,
        native_apis: json_from_db(UPSTREAMS, "native_apis", id, &row.native_apis)?,
        source_id: row.source_id.map(SourceId::from_uuid),
        name: row.name,
        base_url: row.base_url,
        upstream_model: row.upstream_model,
        enabled: row.enabled,
        mirror: row.mirror,
        api_version: row.api_version,
        ca_file: row.ca_file,
        instance: row.instance,
        health_path: row.health_path,
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
        dialect: upstream.dialect.as_str().to_owned(),
        upstream_model: upstream.upstream_model.clone(),
        credential_kind: upstream.credential.kind().to_owned(),
        credential_reference: reference,
        credential_key_version: sealed.map(|sealed| i64::from(sealed.key_version)),
        credential_nonce: sealed.map(|sealed| sealed.nonce.to_vec()),
        credential_ciphertext: sealed.map(|sealed| sealed.ciphertext.clone()),
        weight: i64::from(upstream.weight),
        priority: i64::from(upstream.priority),
        enabled: upstream.enabled,
        mirror: upstream.mirror,
        capacity: i64::from(upstream.capacity),
        connect_timeout_ms: i64::from(upstream.timeouts.connect_timeout_ms),
        first_byte_timeout_ms: i64::from(upstream.timeouts.first_byte_timeout_ms),
        gap_timeout_ms: i64::from(upstream.timeouts.gap_timeout_ms),
        total_timeout_ms: i64::from(upstream.timeouts.total_timeout_ms),
        headers: json_to_db(&upstream.headers, "{}"),
        native_apis: json_to_db(&upstream.native_apis, "[]"),
        api_version: upstream.api_version.clone(),
        ca_file: upstream.ca_file.clone(),
        instance: upstream.instance.clone(),
        health_path: upstream.health_path.clone(),
        source_id: upstream.source_id.map(SourceId::uuid),
        created_at: upstream.created_at.unix_ms(),
        updated_at: upstream.updated_at.unix_ms(),
    }
}
