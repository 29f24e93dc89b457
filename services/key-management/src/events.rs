//! What others hear of a change: the state value for the proxies and the audit record.

use std::collections::BTreeMap;

use bytes::Bytes;
use maas_events::{
    Bucket, Delivery,
    audit::AuditRecord,
    state::{KeyState, KeyStatus},
    topic::AUDIT_SUBJECT,
};
use maas_types::{AuditId, KeyId, TeamId, Timestamp};
use prost::Message as _;
use serde_json::json;
use uuid::Uuid;

use crate::domain::{
    actor::{Actor, ActorKind},
    key::{AllowedModels, Key},
    status::StoredStatus,
};

const SERVICE: &str = "key-management";

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
    KeyState {
        id: uuid_bytes(key.id.uuid()),
        version: key.version,
        deleted: false,
        public_id: key.public_id.to_string(),
        secret_mac: Bytes::copy_from_slice(&key.secret_mac),
        pepper_version: key.pepper_version,
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
    let id = AuditId::new_at(now);
    let (actor_kind, actor_id, actor_name) = match &actor.kind {
        ActorKind::User { id, name } => ("user", uuid_bytes(id.uuid()), name.clone()),
        ActorKind::System => ("system", Bytes::new(), SERVICE.to_owned()),
    };
    let record = AuditRecord {
        id: uuid_bytes(id.uuid()),
        time_ms: now.unix_ms(),
        service: SERVICE.to_owned(),
        actor_kind: actor_kind.to_owned(),
        actor_id,
        actor_name,
        action: action.to_owned(),
        resource_kind: "key".to_owned(),
        resource_id: after.id.to_string(),
        outcome: "success".to_owned(),
        before_json: before.map(audited).unwrap_or_default(),
        after_json: audited(after),
        request_id: actor.request_id.clone(),
        address: actor.address.clone(),
    };
    Delivery::Message {
        subject: AUDIT_SUBJECT.to_owned(),
        id: id.uuid().simple().to_string(),
        headers: Vec::new(),
        payload: record.encode_to_vec().into(),
    }
}

/// What an auditor sees of a key: no MAC, no pepper version.
fn audited(key: &Key) -> String {
    let models = match &key.models {
        AllowedModels::All => None,
        AllowedModels::Listed(models) => Some(models),
    };
    let labels: &BTreeMap<String, String> = &key.labels;
    json!({
        "version": key.version,
        "public_id": key.public_id.as_str(),
        "name": key.name,
        "description": key.description,
        "owner_id": key.owner_id,
        "team_id": key.team_id,
        "models": models,
        "labels": labels,
        "status": key.status.as_str(),
        "expires_at": key.expires_at,
        "revoke_reason": key.revoke_reason,
    })
    .to_string()
}

fn uuid_bytes(uuid: Uuid) -> Bytes {
    Bytes::copy_from_slice(uuid.as_bytes())
}
