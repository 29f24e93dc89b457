//! A key on the wire.

use std::collections::{BTreeMap, BTreeSet};

use maas_keys::PREFIX;
use maas_revocation::owner::Confirmation;
use maas_types::{KeyId, TeamId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        key::{AllowedModels, Key},
        owner::OwnerKind,
        status::ShownStatus,
    },
    service::Stopped,
};

/// An API key without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyBody {
    pub id: KeyId,
    #[schema(example = "support-bot production")]
    pub name: String,
    #[schema(example = "Answers tickets of the service desk")]
    pub description: String,
    /// What the secret starts with, to recognise it by. The same after a rotation.
    #[schema(example = "sk-maas-4fT0bq9ZxK1mW7Rd")]
    pub prefix: String,
    pub owner_id: UserId,
    pub owner_kind: OwnerKindBody,
    /// What it uses is booked to this team; the key works while its owner is an owner or a member of it.
    pub team_id: Option<TeamId>,
    /// Public names of the models that the key is for; null for all that its owner may use.
    #[schema(example = json!(["meta/llama-3.3-70b", "bge-m3"]))]
    pub models: Option<BTreeSet<String>>,
    /// Networks that it may be used from; null for everywhere.
    #[schema(example = json!(["10.0.0.0/8", "192.0.2.7/32"]))]
    pub allowed_cidrs: Option<Vec<String>>,
    /// What it may be used for, as in the request log; null for everything.
    #[schema(example = json!(["chat", "embeddings"]))]
    pub allowed_operations: Option<Vec<&'static str>>,
    #[schema(example = json!({"stage": "production"}))]
    pub labels: BTreeMap<String, String>,
    pub status: KeyStatusBody,
    /// During a rotation: when the secret before it stops working.
    pub previous_secret_until: Option<Timestamp>,
    /// Null: never.
    pub expires_at: Option<Timestamp>,
    /// Lives for an hour at most, and leaves the lists when it has ended.
    pub ephemeral: bool,
    /// To the minute, a few seconds late. Null: never.
    pub last_used_at: Option<Timestamp>,
    /// The client's address at that time, as far as it is known.
    #[schema(example = "192.0.2.7")]
    pub last_used_address: Option<String>,
    pub created_at: Timestamp,
    /// Null: the platform itself, at its first start.
    pub created_by: Option<UserId>,
    pub updated_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    #[schema(example = json!(null))]
    pub revoke_reason: Option<String>,
}

/// A key after something of it ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoppedKey {
    #[serde(flatten)]
    pub key: KeyBody,
    /// How many of the proxies refuse what ended, at the time of the answer.
    pub revocation: Option<Confirmation>,
}

/// Only active and rotating keys work. Rotating: two secrets do. Revoked is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = KeyStatus)]
pub enum KeyStatusBody {
    Active,
    Rotating,
    Blocked,
    Expired,
    Revoked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = KeyOwnerKind)]
pub enum OwnerKindBody {
    User,
    ServiceAccount,
}

impl KeyBody {
    pub fn to_api(key: &Key, now: Timestamp) -> Self {
        let status = key.shown_status(now);
        let overlap_ends = key.previous.filter(|_| status == ShownStatus::Rotating);
        let operations = key.operations.as_ref();
        Self {
            id: key.id,
            name: key.name.clone(),
            description: key.description.clone(),
            prefix: format!("{PREFIX}{}", key.public_id),
            owner_id: key.owner_id,
            owner_kind: OwnerKindBody::to_api(key.owner_kind),
            team_id: key.team_id,
            models: match &key.models {
                AllowedModels::All => None,
                AllowedModels::Listed(models) => Some(models.clone()),
            },
            allowed_cidrs: key.networks.as_ref().map(|networks| networks.iter().map(ToString::to_string).collect()),
            allowed_operations: operations.map(|allowed| allowed.iter().map(|operation| operation.as_str()).collect()),
            labels: key.labels.clone(),
            status: KeyStatusBody::to_api(status),
            previous_secret_until: overlap_ends.map(|previous| previous.valid_until),
            expires_at: key.expires_at,
            ephemeral: key.ephemeral,
            last_used_at: key.last_use.as_ref().map(|last| last.at),
            last_used_address: key.last_use.as_ref().and_then(|last| last.address.clone()),
            created_at: key.created_at,
            created_by: key.created_by,
            updated_at: key.updated_at,
            revoked_at: key.revoked_at,
            revoke_reason: key.revoke_reason.clone(),
        }
    }
}

impl StoppedKey {
    pub fn to_api(stopped: Stopped, now: Timestamp) -> Self {
        Self { key: KeyBody::to_api(&stopped.key, now), revocation: stopped.confirmation }
    }
}

impl KeyStatusBody {
    pub fn to_api(status: ShownStatus) -> Self {
        match status {
            ShownStatus::Active => Self::Active,
            ShownStatus::Rotating => Self::Rotating,
            ShownStatus::Blocked => Self::Blocked,
            ShownStatus::Expired => Self::Expired,
            ShownStatus::Revoked => Self::Revoked,
        }
    }

    pub fn into_shown(self) -> ShownStatus {
        match self {
            Self::Active => ShownStatus::Active,
            Self::Rotating => ShownStatus::Rotating,
            Self::Blocked => ShownStatus::Blocked,
            Self::Expired => ShownStatus::Expired,
            Self::Revoked => ShownStatus::Revoked,
        }
    }
}

impl OwnerKindBody {
    pub fn to_api(kind: OwnerKind) -> Self {
        match kind {
            OwnerKind::User => Self::User,
            OwnerKind::ServiceAccount => Self::ServiceAccount,
        }
    }

    pub fn into_kind(self) -> OwnerKind {
        match self {
            Self::User => OwnerKind::User,
            Self::ServiceAccount => OwnerKind::ServiceAccount,
        }
    }
}
