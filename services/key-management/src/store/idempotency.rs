//! Which create requests were carried out.

use maas_store::{StoreError, classify};
use maas_types::{KeyId, Timestamp, UserId};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::entity::idempotency_keys;

/// SHA-256 of an Idempotency-Key.
pub type IdempotencyHash = [u8; 32];

/// The key that the caller's first request with this hash created, if that was not before `since`.
pub async fn find(
    connection: &impl ConnectionTrait,
    caller: UserId,
    hash: &IdempotencyHash,
    since: Timestamp,
) -> Result<Option<KeyId>, StoreError> {
    let row = idempotency_keys::Entity::find_by_id((caller.uuid(), hash.to_vec()))
        .filter(idempotency_keys::Column::CreatedAt.gte(since.unix_ms()))
        .one(connection)
        .await
        .map_err(classify)?;
    Ok(row.map(|row| KeyId::from_uuid(row.key_id)))
}

/// Remembers a request. [`StoreError::Duplicate`] when another one came first; a transaction is lost then.
pub async fn insert(
    connection: &impl ConnectionTrait,
    caller: UserId,
    hash: &IdempotencyHash,
    key_id: KeyId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = idempotency_keys::ActiveModel {
        caller_id: Set(caller.uuid()),
        key_hash: Set(hash.to_vec()),
        key_id: Set(key_id.uuid()),
        created_at: Set(now.unix_ms()),
    };
    idempotency_keys::Entity::insert(row).exec_without_returning(connection).await.map_err(classify)?;
    Ok(())
}

pub async fn delete_before(connection: &impl ConnectionTrait, time: Timestamp) -> Result<(), StoreError> {
    let old = idempotency_keys::Entity::delete_many().filter(idempotency_keys::Column::CreatedAt.lt(time.unix_ms()));
    old.exec(connection).await.map_err(classify)?;
    Ok(())
}
