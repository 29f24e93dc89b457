//! Many keys: pages of a list, and walks over all of them.

use std::collections::HashMap;

use maas_store::{StoreError, classify, ids::unsigned_from_db};
use maas_types::{KeyId, Timestamp};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{entity::keys, filter::KeyFilter, key::load};
use crate::domain::key::Key;

/// Where the next page starts: after this key, in the order newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPosition {
    created_at: i64,
    id: Uuid,
}

impl KeyPosition {
    pub fn of(key: &Key) -> Self {
        Self { created_at: key.created_at.unix_ms(), id: key.id.uuid() }
    }
}

/// Up to `limit` keys after `position`, newest first.
pub async fn list(
    connection: &impl ConnectionTrait,
    filter: &KeyFilter,
    position: Option<KeyPosition>,
    limit: u64,
    now: Timestamp,
) -> Result<Vec<Key>, StoreError> {
    let after = position.map(|position| {
        let same_instant =
            Condition::all().add(keys::Column::CreatedAt.eq(position.created_at)).add(keys::Column::Id.lt(position.id));
        Condition::any().add(keys::Column::CreatedAt.lt(position.created_at)).add(same_instant)
    });
    let query = keys::Entity::find()
        .filter(filter.condition(now).add_option(after))
        .order_by_desc(keys::Column::CreatedAt)
        .order_by_desc(keys::Column::Id)
        .limit(limit);
    load_page(connection, query).await
}

/// Up to `limit` keys of all there are, by id, after `after`.
pub async fn walk(connection: &impl ConnectionTrait, after: Option<KeyId>, limit: u64) -> Result<Vec<Key>, StoreError> {
    let query = keys::Entity::find()
        .filter(Condition::all().add_option(after.map(|id| keys::Column::Id.gt(id.uuid()))))
        .order_by_asc(keys::Column::Id)
        .limit(limit);
    load_page(connection, query).await
}

/// Up to `limit` versions of all keys, by id, after `after`.
pub async fn walk_versions(
    connection: &impl ConnectionTrait,
    after: Option<KeyId>,
    limit: u64,
) -> Result<Vec<(KeyId, u64)>, StoreError> {
    let rows: Vec<(Uuid, i64)> = keys::Entity::find()
        .select_only()
        .column(keys::Column::Id)
        .column(keys::Column::Version)
        .filter(Condition::all().add_option(after.map(|id| keys::Column::Id.gt(id.uuid()))))
        .order_by_asc(keys::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(connection)
        .await
        .map_err(classify)?;
    let convert = |(id, version)| Ok((KeyId::from_uuid(id), unsigned_from_db("keys", "version", id, version)?));
    rows.into_iter().map(convert).collect()
}

/// The keys with these ids, at most a page of them, in no particular order.
pub async fn find_many(
    connection: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = KeyId>,
) -> Result<Vec<Key>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(KeyId::uuid).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    load(connection, keys::Entity::find().filter(keys::Column::Id.is_in(ids))).await
}

/// The keys of a page in the page's order. A join cannot be limited to a number of keys, so the ids come first.
async fn load_page(connection: &impl ConnectionTrait, page: Select<keys::Entity>) -> Result<Vec<Key>, StoreError> {
    let page = page.select_only().column(keys::Column::Id).into_tuple::<Uuid>();
    let ids: Vec<KeyId> = page.all(connection).await.map_err(classify)?.into_iter().map(KeyId::from_uuid).collect();
    let loaded = find_many(connection, ids.iter().copied()).await?;
    let mut by_id: HashMap<KeyId, Key> = loaded.into_iter().map(|key| (key.id, key)).collect();
    Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
}
