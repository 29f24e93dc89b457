//! Discovery sources.

use maas_store::{StoreError, classify};
use maas_types::SourceId;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QueryOrder as _,
};

use super::{
    convert::{source_from_db, source_to_db},
    entity::sources::{Column, Entity},
};
use crate::domain::source::Source;

pub async fn find(connection: &impl ConnectionTrait, id: SourceId) -> Result<Option<Source>, StoreError> {
    let row = Entity::find_by_id(id.uuid()).one(connection).await.map_err(classify)?;
    row.map(source_from_db).transpose()
}

/// By name.
pub async fn all(connection: &impl ConnectionTrait) -> Result<Vec<Source>, StoreError> {
    let rows = Entity::find().order_by_asc(Column::Name).all(connection).await.map_err(classify)?;
    rows.into_iter().map(source_from_db).collect()
}

pub async fn insert(connection: &impl ConnectionTrait, source: &Source) -> Result<(), StoreError> {
    let row = source_to_db(source).into_active_model();
    Entity::insert(row).exec_without_returning(connection).await.map_err(classify)?;
    Ok(())
}

pub async fn update(connection: &impl ConnectionTrait, source: &Source) -> Result<(), StoreError> {
    let row = source_to_db(source).into_active_model().reset_all();
    let update = Entity::update_many().set(row).filter(Column::Id.eq(source.id.uuid()));
    update.exec(connection).await.map_err(classify)?;
    Ok(())
}
