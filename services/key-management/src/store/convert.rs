//! Between rows and keys.

use std::collections::BTreeSet;

use maas_store::{
    StoreError,
    ids::{parsed_from_db, time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::{KeyId, Operation, TeamId, UserId};
use sea_orm::ActiveValue::{NotSet, Set};

use super::entity::keys;
use crate::domain::{
    key::{AllowedModels, Key, LastUse},
    labels::Labels,
    owner::OwnerKind,
    secret::{PreviousSecret, StoredSecret},
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
    let secret = secret_from_db(row.secret_mac, row.pepper_version).ok_or_else(|| corrupt("secret_mac"))?;
    let previous = match (row.previous_secret_mac, row.previous_pepper_version, row.previous_valid_until) {
        (None, None, None) => None,
        (Some(mac), Some(pepper_version), Some(valid_until)) => Some(PreviousSecret {
            secret: secret_from_db(mac, pepper_version).ok_or_else(|| corrupt("previous_secret_mac"))?,
            valid_until: time_from_db(valid_until),
        }),
        _ => return Err(corrupt("previous_secret_mac")),
    };
    let networks = list_from_db(row.allowed_cidrs.as_deref(), |text| text.parse().ok());
    let operations = list_from_db(row.allowed_operations.as_deref(), Operation::parse);
    Ok(Key {
        id: KeyId::from_uuid(id),
        version: unsigned_from_db(TABLE, "version", id, row.version)?,
        public_id: row.public_id.parse().map_err(|_| corrupt("public_id"))?,
        secret,
        previous,
        name: row.name,
        description: row.description,
        owner_id: UserId::from_uuid(row.owner_id),
        owner_kind: parsed_from_db(TABLE, "owner_kind", id, OwnerKind::parse(&row.owner_kind))?,
        team_id: row.team_id.map(TeamId::from_uuid),
        models,
        networks: networks.ok_or_else(|| corrupt("allowed_cidrs"))?,
        operations: operations.ok_or_else(|| corrupt("allowed_operations"))?.map(BTreeSet::from_iter),
        labels: serde_json::from_str(&row.labels).map_err(|_| corrupt("labels"))?,
        status: parsed_from_db(TABLE, "status", id, StoredStatus::parse(&row.status))?,
        expires_at: row.expires_at.map(time_from_db),
        ephemeral: row.ephemeral,
        created_at: time_from_db(row.created_at),
        updated_at: time_from_db(row.updated_at),
        created_by: row.created_by.map(UserId::from_uuid),
        revoked_at: row.revoked_at.map(time_from_db),
        revoke_reason: row.revoke_reason,
        last_use: row.last_used_at.map(|at| LastUse { at: time_from_db(at), address: row.last_used_address }),
    })
}

/// Without the last use, which is written by itself and must not go back because somebody edits the key meanwhile.
pub fn key_to_db(key: &Key) -> keys::ActiveModel {
    let previous = key.previous.as_ref();
    keys::ActiveModel {
        id: Set(key.id.uuid()),
        version: Set(unsigned_to_db(key.version)),
        public_id: Set(key.public_id.to_string()),
        secret_mac: Set(key.secret.mac.to_vec()),
        pepper_version: Set(pepper_version_to_db(&key.secret)),
        previous_secret_mac: Set(previous.map(|previous| previous.secret.mac.to_vec())),
        previous_pepper_version: Set(previous.map(|previous| pepper_version_to_db(&previous.secret))),
        previous_valid_until: Set(previous.map(|previous| previous.valid_until.unix_ms())),
        name: Set(key.name.clone()),
        description: Set(key.description.clone()),
        owner_id: Set(key.owner_id.uuid()),
        owner_kind: Set(key.owner_kind.as_str().to_owned()),
        team_id: Set(key.team_id.map(TeamId::uuid)),
        all_models: Set(key.models == AllowedModels::All),
        allowed_cidrs: Set(list_to_db(key.networks.as_ref(), |network| network.to_string())),
        allowed_operations: Set(list_to_db(key.operations.as_ref(), |operation| operation.as_str().to_owned())),
        labels: Set(labels_to_db(&key.labels)),
        status: Set(key.status.as_str().to_owned()),
        expires_at: Set(key.expires_at.map(|time| time.unix_ms())),
        ephemeral: Set(key.ephemeral),
        created_at: Set(key.created_at.unix_ms()),
        updated_at: Set(key.updated_at.unix_ms()),
        created_by: Set(key.created_by.map(UserId::uuid)),
        revoked_at: Set(key.revoked_at.map(|time| time.unix_ms())),
        revoke_reason: Set(key.revoke_reason.clone()),
        last_used_at: NotSet,
        last_used_address: NotSet,
    }
}

fn secret_from_db(mac: Vec<u8>, pepper_version: i32) -> Option<StoredSecret> {
    Some(StoredSecret { mac: mac.try_into().ok()?, pepper_version: u32::try_from(pepper_version).ok()? })
}

fn pepper_version_to_db(secret: &StoredSecret) -> i32 {
    i32::try_from(secret.pepper_version).unwrap_or(i32::MAX)
}

/// `Some(None)` for no list, `None` for a value that cannot be one: a key that is restricted must never be read as one
/// that is not.
fn list_from_db<T>(column: Option<&str>, parse: impl Fn(&str) -> Option<T>) -> Option<Option<Vec<T>>> {
    let Some(text) = column else { return Some(None) };
    let texts: Vec<String> = serde_json::from_str(text).ok()?;
    let parsed = texts.iter().map(|text| parse(text)).collect::<Option<Vec<T>>>()?;
    (!parsed.is_empty()).then_some(Some(parsed))
}

fn list_to_db<T>(list: Option<impl IntoIterator<Item = T>>, to_text: impl Fn(T) -> String) -> Option<String> {
    let texts: Vec<String> = list?.into_iter().map(to_text).collect();
    Some(serde_json::Value::from(texts).to_string())
}

fn labels_to_db(labels: &Labels) -> String {
    // A map of texts always has a JSON form.
    serde_json::to_string(labels).unwrap_or_else(|_| "{}".to_owned())
}
