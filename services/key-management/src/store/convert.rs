//! Between rows and keys.

use std::collections::BTreeSet;

use maas_store::{
    StoreError,
    ids::{parsed_from_db, time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::{KeyId, TeamId, UserId};
use sea_orm::ActiveValue::Set;

use super::entity::keys;
use crate::domain::{
    key::{AllowedModels, Key},
    labels::Labels,
    status::StoredStatus,
};

const TABLE: &str = "keys";

pub fn key_from_db(row: keys::Model, models: BTreeSet<String>) -> Result<Key, StoreError> {
    let id = row.id;
    let corrupt = |column| StoreError::corrupt(TABLE, column, id);
    let models = match (row.all_models, models.is_empty()) {
        (true, true) => AllowedModels::All,
        (false, false) => AllowedModels::Listed(models),
        // A key without models must never be read as one for all of them.
        (true, false) | (false, true) => return Err(corrupt("all_models")),
    };
    Ok(Key {
        id: KeyId::from_uuid(id),
        version: unsigned_from_db(TABLE, "version", id, row.version)?,
        public_id: row.public_id.parse().map_err(|_| corrupt("public_id"))?,
        secret_mac: row.secret_mac.try_into().map_err(|_| corrupt("secret_mac"))?,
        pepper_version: u32::try_from(row.pepper_version).map_err(|_| corrupt("pepper_version"))?,
        name: row.name,
        description: row.description,
        owner_id: UserId::from_uuid(row.owner_id),
        team_id: row.team_id.map(TeamId::from_uuid),
        models,
        labels: serde_json::from_str(&row.labels).map_err(|_| corrupt("labels"))?,
        status: parsed_from_db(TABLE, "status", id, StoredStatus::parse(&row.status))?,
        expires_at: row.expires_at.map(time_from_db),
        created_at: time_from_db(row.created_at),
        updated_at: time_from_db(row.updated_at),
        created_by: row.created_by.map(UserId::from_uuid),
        revoked_at: row.revoked_at.map(time_from_db),
        revoke_reason: row.revoke_reason,
    })
}

pub fn key_to_db(key: &Key) -> keys::ActiveModel {
    keys::ActiveModel {
        id: Set(key.id.uuid()),
        version: Set(unsigned_to_db(key.version)),
        public_id: Set(key.public_id.to_string()),
        secret_mac: Set(key.secret_mac.to_vec()),
        pepper_version: Set(i32::try_from(key.pepper_version).unwrap_or(i32::MAX)),
        name: Set(key.name.clone()),
        description: Set(key.description.clone()),
        owner_id: Set(key.owner_id.uuid()),
        team_id: Set(key.team_id.map(TeamId::uuid)),
        all_models: Set(key.models == AllowedModels::All),
        labels: Set(labels_to_db(&key.labels)),
        status: Set(key.status.as_str().to_owned()),
        expires_at: Set(key.expires_at.map(|time| time.unix_ms())),
        created_at: Set(key.created_at.unix_ms()),
        updated_at: Set(key.updated_at.unix_ms()),
        created_by: Set(key.created_by.map(UserId::uuid)),
        revoked_at: Set(key.revoked_at.map(|time| time.unix_ms())),
        revoke_reason: Set(key.revoke_reason.clone()),
    }
}

fn labels_to_db(labels: &Labels) -> String {
    // A map of texts always has a JSON form.
    serde_json::to_string(labels).unwrap_or_else(|_| "{}".to_owned())
}
