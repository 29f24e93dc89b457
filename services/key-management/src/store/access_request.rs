//! Which requests that create plans and subscriptions were carried out, by the hash of their Idempotency-Key.

use std::time::Duration;

use maas_store::{StoreError, classify};
use maas_types::{Timestamp, UserId};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::{access_entity::access_requests, idempotency::IdempotencyHash};

/// How long a repeated request is recognised.
const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// Who asked, for what kind of thing, with which Idempotency-Key.
#[derive(Debug, Clone, Copy)]
pub struct AccessRequest {
    pub caller: UserId,
    pub kind: &'static str,
    pub hash: IdempotencyHash,
}

/// What the first request with this key made, unless that was too long ago.
pub async fn find(
    connection: &impl ConnectionTrait,
    request: &AccessRequest,
    now: Timestamp,
) -> Result<Option<Uuid>, StoreError> {
    let id = (request.caller.uuid(), request.kind.to_owned(), request.hash.to_vec());
    let row = access_requests::Entity::find_by_id(id)
        .filter(access_requests::Column::CreatedAt.gte(now.minus(WINDOW).unix_ms()))
        .one(connection)
        .await
        .map_err(classify)?;
    Ok(row.map(|row| row.resource_id))
}

/// Remembers a request and forgets those that are too old. [`StoreError::Duplicate`] when another one came first; a
/// transaction is lost then.
pub async fn insert(
    connection: &impl ConnectionTrait,
    request: &AccessRequest,
    resource_id: Uuid,
    now: Timestamp,
) -> Result<(), StoreError> {
    let is_old = access_requests::Column::CreatedAt.lt(now.minus(WINDOW).unix_ms());
    access_requests::Entity::delete_many().filter(is_old).exec(connection).await.map_err(classify)?;
    let row = access_requests::ActiveModel {
        caller_id: Set(request.caller.uuid()),
        kind: Set(request.kind.to_owned()),
        key_hash: Set(request.hash.to_vec()),
        resource_id: Set(resource_id),
        created_at: Set(now.unix_ms()),
    };
    access_requests::Entity::insert(row).exec_without_returning(connection).await.map_err(classify)?;
    Ok(())
}
