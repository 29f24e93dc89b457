//! Many keys: pages of a list, and walks over all of them.

use std::collections::HashMap;

use maas_store::{StoreError, classify, ids::unsigned_from_db};
use maas_types::{KeyId, Timestamp};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait as _},
};
use uuid::Uuid;

use super::{
    entity::keys,
    filter::KeyFilter,
    key::load,
    order::{KeyOrder, KeyPosition, SortValue, ends_at},
};
use crate::domain::{key::Key, status::StoredStatus};

/// Up to `limit` keys after `position` in the order, and the position of the next page if there is one.
pub async fn list(
    connection: &impl ConnectionTrait,
    filter: &KeyFilter,
    order: KeyOrder,
    position: Option<&KeyPosition>,
    limit: u32,
    now: Timestamp,
) -> Result<(Vec<Key>, Option<KeyPosition>), StoreError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let query = page_query(filter, order, position, now);
    let mut places = places(connection, query, order, limit).await?;
    let more = places.len() > limit;
    places.truncate(limit);
    let next = places.last().filter(|_| more).map(|(id, at)| KeyPosition::new(order.by, at.clone(), *id));
    let ids: Vec<KeyId> = places.into_iter().map(|(id, _)| KeyId::from_uuid(id)).collect();
    Ok((load_in_order(connection, &ids).await?, next))
}

/// How many keys the filter lets through.
pub async fn count(connection: &impl ConnectionTrait, filter: &KeyFilter, now: Timestamp) -> Result<u64, StoreError> {
    keys::Entity::find().filter(filter.condition(now)).count(connection).await.map_err(classify)
}

/// The query of a page, without its limit and columns.
pub(super) fn page_query(
    filter: &KeyFilter,
    order: KeyOrder,
    position: Option<&KeyPosition>,
    now: Timestamp,
) -> Select<keys::Entity> {
    let after = position.map(|position| order.after(position));
    keys::Entity::find()
        .filter(filter.condition(now).add_option(after))
        .order_by(order.by.expression(), order.direction())
        .order_by(keys::Column::Id, order.direction())
}

/// Ids and sort values of a page and, if there is one, of the key after it, which says that there is a next page.
async fn places(
    connection: &impl ConnectionTrait,
    query: Select<keys::Entity>,
    order: KeyOrder,
    limit: usize,
) -> Result<Vec<(Uuid, SortValue)>, StoreError> {
    let fetched = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let query = query.select_only().column(keys::Column::Id).column_as(order.by.expression(), "place").limit(fetched);
    if order.by.is_text() {
        let rows = query.into_tuple::<(Uuid, String)>().all(connection).await.map_err(classify)?;
        return Ok(rows.into_iter().map(|(id, at)| (id, SortValue::Text(at))).collect());
    }
    let rows = query.into_tuple::<(Uuid, i64)>().all(connection).await.map_err(classify)?;
    Ok(rows.into_iter().map(|(id, at)| (id, SortValue::Number(at))).collect())
}

/// Up to `limit` ephemeral keys that ended before `time`, the oldest first.
pub async fn ended_ephemeral(
    connection: &impl ConnectionTrait,
    time: Timestamp,
    limit: u64,
) -> Result<Vec<Key>, StoreError> {
    let revoked = Condition::all()
        .add(keys::Column::Status.eq(StoredStatus::Revoked.as_str()))
        .add(keys::Column::RevokedAt.lt(time.unix_ms()));
    let query = keys::Entity::find()
        .filter(Expr::col((keys::Entity, keys::Column::Ephemeral)))
        .filter(Condition::any().add(ends_at().lt(time.unix_ms())).add(revoked))
        .order_by_asc(keys::Column::CreatedAt)
        .order_by_asc(keys::Column::Id)
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
    load_in_order(connection, &ids).await
}

async fn load_in_order(connection: &impl ConnectionTrait, ids: &[KeyId]) -> Result<Vec<Key>, StoreError> {
    let loaded = find_many(connection, ids.iter().copied()).await?;
    let mut by_id: HashMap<KeyId, Key> = loaded.into_iter().map(|key| (key.id, key)).collect();
    Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
}
