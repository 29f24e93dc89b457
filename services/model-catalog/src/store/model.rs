//! Single models.

use maas_store::{StoreError, classify, ids::unsigned_to_db};
use maas_types::{ModelId, SourceId};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::{
    convert::{model_from_db, model_to_db},
    entity::models::{Column, Entity},
};
use crate::domain::model::Model;

pub async fn find(connection: &impl ConnectionTrait, id: ModelId) -> Result<Option<Model>, StoreError> {
    let row = Entity::find_by_id(id.uuid()).one(connection).await.map_err(classify)?;
    row.map(model_from_db).transpose()
}

/// The model, locked until the transaction ends, so that two changes of one model follow each other.
pub async fn find_locked(transaction: &impl ConnectionTrait, id: ModelId) -> Result<Option<Model>, StoreError> {
    let row = Entity::find_by_id(id.uuid()).lock_exclusive().one(transaction).await.map_err(classify)?;
    row.map(model_from_db).transpose()
}

pub async fn is_name_taken(connection: &impl ConnectionTrait, name: &str) -> Result<bool, StoreError> {
    let count = Entity::find().filter(Column::Name.eq(name)).count(connection).await.map_err(classify)?;
    Ok(count > 0)
}

/// The models of a source, locked, in the order of their names.
pub async fn of_source_locked(transaction: &impl ConnectionTrait, source: SourceId) -> Result<Vec<Model>, StoreError> {
    let query = Entity::find().filter(Column::SourceId.eq(source.uuid())).order_by_asc(Column::Name);
    let rows = query.lock_exclusive().all(transaction).await.map_err(classify)?;
    rows.into_iter().map(model_from_db).collect()
}

pub async fn insert(transaction: &impl ConnectionTrait, model: &Model) -> Result<(), StoreError> {
    let row = model_to_db(model).into_active_model();
    Entity::insert(row).exec_without_returning(transaction).await.map_err(classify)?;
    Ok(())
}

/// Writes the whole row if it still has the version before; false when it has not.
pub async fn update(transaction: &impl ConnectionTrait, model: &Model) -> Result<bool, StoreError> {
    let row = model_to_db(model).into_active_model().reset_all();
    let before = unsigned_to_db(model.version.saturating_sub(1));
    let update =
        Entity::update_many().set(row).filter(Column::Id.eq(model.id.uuid())).filter(Column::Version.eq(before));
    let result = update.exec(transaction).await.map_err(classify)?;
    Ok(result.rows_affected == 1)
}

/// Takes upstreams and prices along.
pub async fn delete(transaction: &impl ConnectionTrait, id: ModelId) -> Result<(), StoreError> {
    Entity::delete_by_id(id.uuid()).exec(transaction).await.map_err(classify)?;
    Ok(())
}
