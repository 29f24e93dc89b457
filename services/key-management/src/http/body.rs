//! A key on the wire.

use std::collections::{BTreeMap, BTreeSet};

use maas_keys::PREFIX;
use maas_types::{KeyId, TeamId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{
    key::{AllowedModels, Key},
    status::ShownStatus,
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
    /// What the secret starts with, to recognise it by.
    #[schema(example = "sk-maas-4fT0bq9ZxK1mW7Rd")]
    pub prefix: String,
    pub owner_id: UserId,
    pub team_id: Option<TeamId>,
    /// Public names of the models that the key is for; null for all that its owner may use.
    #[schema(example = json!(["meta/llama-3.3-70b", "bge-m3"]))]
    pub models: Option<BTreeSet<String>>,
    #[schema(example = json!({"stage": "production"}))]
    pub labels: BTreeMap<String, String>,
    pub status: KeyStatusBody,
    /// Null: never.
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Null: the platform itself, at its first start.
    pub created_by: Option<UserId>,
    pub updated_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    #[schema(example = json!(null))]
    pub revoke_reason: Option<String>,
}

/// Only an active key works. Revoked is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = KeyStatus)]
pub enum KeyStatusBody {
    Active,
    Blocked,
    Expired,
    Revoked,
}

impl KeyBody {
    pub fn to_api(key: &Key, now: Timestamp) -> Self {
        Self {
            id: key.id,
            name: key.name.clone(),
            description: key.description.clone(),
            prefix: format!("{PREFIX}{}", key.public_id),
            owner_id: key.owner_id,
            team_id: key.team_id,
            models: match &key.models {
                AllowedModels::All => None,
                AllowedModels::Listed(models) => Some(models.clone()),
            },
            labels: key.labels.clone(),
            status: KeyStatusBody::to_api(key.shown_status(now)),
            expires_at: key.expires_at,
            created_at: key.created_at,
            created_by: key.created_by,
            updated_at: key.updated_at,
            revoked_at: key.revoked_at,
            revoke_reason: key.revoke_reason.clone(),
        }
    }
}

impl KeyStatusBody {
    pub fn to_api(status: ShownStatus) -> Self {
        match status {
            ShownStatus::Active => Self::Active,
            ShownStatus::Blocked => Self::Blocked,
            ShownStatus::Expired => Self::Expired,
            ShownStatus::Revoked => Self::Revoked,
        }
    }

    pub fn into_shown(self) -> ShownStatus {
        match self {
            Self::Active => ShownStatus::Active,
            Self::Blocked => ShownStatus::Blocked,
            Self::Expired => ShownStatus::Expired,
            Self::Revoked => ShownStatus::Revoked,
        }
    }
}
