//! What others hear of a change: the state value for the proxies and the audit record.

use std::collections::BTreeMap;

use bytes::Bytes;
use maas_events::{
    Bucket, Delivery,
    audit_entry::{Actor, AuditEntry, AuditOutcome},
    state::{KeyState, KeyStatus},
};
use maas_types::{Cidr, KeyId, TeamId, Timestamp};
use prost::Message as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::{
    key::{AllowedModels, Key},
    status::StoredStatus,
};

pub const SERVICE: &str = "key-management";

pub fn state_of(key: &Key) -> KeyState {
    let (all_models, models) = match &key.models {
        AllowedModels::All => (true, Vec::new()),
        AllowedModels::Listed(models) => (false, models.iter().cloned().collect()),
    };
    let status = match key.status {
        StoredStatus::Active => KeyStatus::Active,
        StoredStatus::Blocked => KeyStatus::Blocked,
        StoredStatus::Revoked => KeyStatus::Revoked,
    };
    let previous = key.previous.as_ref();
    KeyState {
        id: uuid_bytes(key.id.uuid()),
        version: key.version,
        deleted: false,
        public_id: key.public_id.to_string(),
        secret_mac: Bytes::copy_from_slice(&key.secret.mac),
        pepper_version: key.secret.pepper_version,
        previous_secret_mac: previous.map(|old| Bytes::copy_from_slice(&old.secret.mac)).unwrap_or_default(),
        previous_pepper_version: previous.map_or(0, |old| old.secret.pepper_version),
        previous_valid_until_ms: previous.map_or(0, |old| old.valid_until.unix_ms()),
        allowed_cidrs: key.networks.iter().flatten().map(Cidr::to_string).collect(),
        allowed_operations: key.operations.iter().flatten().map(|operation| operation.as_str().to_owned()).collect(),
        status: status.into(),
        expires_at_ms: key.expires_at.map_or(0, Timestamp::unix_ms),
        owner_id: uuid_bytes(key.owner_id.uuid()),
        team_id: key.team_id.map(TeamId::uuid).map(uuid_bytes).unwrap_or_default(),
        models,
        all_models,
        labels: key.labels.clone(),
        name: key.name.clone(),
        changed_at_ms: key.updated_at.unix_ms(),
    }
}

pub fn state_delivery(key: &Key) -> Delivery {
    Delivery::State {
        bucket: Bucket::Keys,
        key: bucket_key(key.id),
        version: key.version,
        value: state_of(key).encode_to_vec().into(),
    }
}

/// What is left of a key that is forgotten: proxies drop it.
pub fn tombstone_delivery(key: &Key, now: Timestamp) -> Delivery {
    let version = key.version + 1;
    let state = KeyState { version, deleted: true, changed_at_ms: now.unix_ms(), ..state_of(key) };
    Delivery::State { bucket: Bucket::Keys, key: bucket_key(key.id), version, value: state.encode_to_vec().into() }
}

/// The name of a key's value in its bucket.
pub fn bucket_key(id: KeyId) -> String {
    id.uuid().simple().to_string()
}

/// The key that a value of the bucket is about; `None` for a name that is not ours.
pub fn key_of_bucket_key(name: &str) -> Option<KeyId> {
    let id = KeyId::from_uuid(Uuid::try_parse(name).ok()?);
    (bucket_key(id) == name).then_some(id)
}

/// The audit record of a change that is being committed.
pub fn audit_delivery(actor: &Actor, action: &str, before: Option<&Key>, after: &Key, now: Timestamp) -> Delivery {
    let entry = AuditEntry {
        service: SERVICE,
        actor,
        action,
        resource_kind: "key",
        resource_id: after.id.to_string(),
        outcome: AuditOutcome::Success,
        before: before.map(audited),
        after: Some(audited(after)),
    };
    entry.to_delivery(now)
}

/// The audit record of keys that are forgotten some time after their end.
pub fn forgotten_delivery(count: usize, now: Timestamp) -> Delivery {
    let entry = AuditEntry {
        service: SERVICE,
        actor: &Actor::system(SERVICE),
        action: "key.forget",
        resource_kind: "key",
        resource_id: String::new(),
        outcome: AuditOutcome::Success,
        before: None,
        after: Some(json!({ "ended_ephemeral_keys": count })),
    };
    entry.to_delivery(now)
}

/// What an auditor sees of a key: no MAC, no pepper version.
fn audited(key: &Key) -> Value {
    let models = match &key.models {
        AllowedModels::All => None,
        AllowedModels::Listed(models) => Some(models),
    };
    let labels: &BTreeMap<String, String> = &key.labels;
    let operations: Option<Vec<_>> =
        key.operations.as_ref().map(|operations| operations.iter().map(|operation| operation.as_str()).collect());
    json!({
        "version": key.version,
        "public_id": key.public_id.as_str(),
        "name": key.name,
        "description": key.description,
        "owner_id": key.owner_id,
        "owner_kind": key.owner_kind.as_str(),
        "team_id": key.team_id,
        "models": models,
        "allowed_cidrs": key.networks,
        "allowed_operations": operations,
        "labels": labels,
        "status": key.status.as_str(),
        "ephemeral": key.ephemeral,
        "expires_at": key.expires_at,
        "previous_secret_until": key.previous.map(|previous| previous.valid_until),
        "revoke_reason": key.revoke_reason,
    })
}

fn uuid_bytes(uuid: Uuid) -> Bytes {
    Bytes::copy_from_slice(uuid.as_bytes())
}
