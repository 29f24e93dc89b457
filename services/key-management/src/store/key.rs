//! One key: read, insert, compare and set.

use maas_keys::PublicId;
use maas_store::{StoreError, classify, ids::unsigned_to_db};
use maas_types::KeyId;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Select};
use uuid::Uuid;

use super::{
    convert::{key_from_db, key_to_db},
    entity::{key_labels, key_models, keys},
};
use crate::domain::{
    key::{AllowedModels, Key},
    labels::Labels,
};

pub async fn find(connection: &impl ConnectionTrait, id: KeyId) -> Result<Option<Key>, StoreError> {
    one(connection, keys::Entity::find_by_id(id.uuid())).await
}

pub async fn find_by_public_id(
    connection: &impl ConnectionTrait,
    public_id: PublicId,
) -> Result<Option<Key>, StoreError> {
    one(connection, keys::Entity::find().filter(keys::Column::PublicId.eq(public_id.as_str()))).await
}

/// Whether there is any key at all, of whatever status.
pub async fn any_exists(connection: &impl ConnectionTrait) -> Result<bool, StoreError> {
    let first = keys::Entity::find().select_only().column(keys::Column::Id).limit(1).into_tuple::<Uuid>();
    Ok(first.one(connection).await.map_err(classify)?.is_some())
}

pub async fn insert(connection: &impl ConnectionTrait, key: &Key) -> Result<(), StoreError> {
    keys::Entity::insert(key_to_db(key)).exec_without_returning(connection).await.map_err(classify)?;
    insert_models(connection, key).await?;
    insert_labels(connection, key.id, &key.labels).await
}

/// Writes `key` over the version before it. `false`: somebody else changed it meanwhile, nothing was written.
pub async fn replace(connection: &impl ConnectionTrait, before: &Key, key: &Key) -> Result<bool, StoreError> {
    let written = keys::Entity::update_many()
        .set(key_to_db(key))
        .filter(keys::Column::Id.eq(key.id.uuid()))
        .filter(keys::Column::Version.eq(unsigned_to_db(before.version)))
        .exec(connection)
        .await
        .map_err(classify)?;
    if written.rows_affected == 0 {
        return Ok(false);
    }
    if before.models != key.models {
        let old = key_models::Entity::delete_many().filter(key_models::Column::KeyId.eq(key.id.uuid()));
        old.exec(connection).await.map_err(classify)?;
        insert_models(connection, key).await?;
    }
    if before.labels != key.labels {
        let old = key_labels::Entity::delete_many().filter(key_labels::Column::KeyId.eq(key.id.uuid()));
        old.exec(connection).await.map_err(classify)?;
        insert_labels(connection, key.id, &key.labels).await?;
    }
    Ok(true)
}

/// Removes the version of a key that was read. `false`: somebody changed it meanwhile, or it is gone.
pub async fn delete(connection: &impl ConnectionTrait, key: &Key) -> Result<bool, StoreError> {
    let deleted = keys::Entity::delete_many()
        .filter(keys::Column::Id.eq(key.id.uuid()))
        .filter(keys::Column::Version.eq(unsigned_to_db(key.version)))
        .exec(connection)
        .await
        .map_err(classify)?;
    Ok(deleted.rows_affected > 0)
}

async fn insert_models(connection: &impl ConnectionTrait, key: &Key) -> Result<(), StoreError> {
    let AllowedModels::Listed(models) = &key.models else { return Ok(()) };
    let rows =
        models.iter().map(|model| key_models::ActiveModel { key_id: Set(key.id.uuid()), model: Set(model.clone()) });
    key_models::Entity::insert_many(rows).exec_without_returning(connection).await.map_err(classify)?;
    Ok(())
}

async fn insert_labels(connection: &impl ConnectionTrait, key: KeyId, labels: &Labels) -> Result<(), StoreError> {
    if labels.is_empty() {
        return Ok(());
    }
    let rows = labels.iter().map(|(label, value)| key_labels::ActiveModel {
        key_id: Set(key.uuid()),
        label: Set(label.clone()),
        value: Set(value.clone()),
    });
    key_labels::Entity::insert_many(rows).exec_without_returning(connection).await.map_err(classify)?;
    Ok(())
}

async fn one(connection: &impl ConnectionTrait, query: Select<keys::Entity>) -> Result<Option<Key>, StoreError> {
    Ok(load(connection, query).await?.pop())
}

/// The keys of a query with their models. One statement, so that row and models are of the same moment.
pub(super) async fn load(
    connection: &impl ConnectionTrait,
    query: Select<keys::Entity>,
) -> Result<Vec<Key>, StoreError> {
    let rows = query.find_with_related(key_models::Entity).all(connection).await.map_err(classify)?;
    let convert = |(row, models): (keys::Model, Vec<key_models::Model>)| {
        key_from_db(row, models.into_iter().map(|row| row.model).collect())
    };
    rows.into_iter().map(convert).collect()
}
