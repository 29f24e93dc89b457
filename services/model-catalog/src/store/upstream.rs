//! Upstreams.

use maas_store::{StoreError, classify};
use maas_types::{ModelId, UpstreamId};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QueryOrder as _,
};

use super::{
    convert::{upstream_from_db, upstream_to_db},
    entity::upstreams::{Column, Entity},
};
use crate::domain::upstream::Upstream;

pub async fn find(connection: &impl ConnectionTrait, id: UpstreamId) -> Result<Option<Upstream>, StoreError> {
    let row = Entity::find_by_id(id.uuid()).one(connection).await.map_err(classify)?;
    row.map(upstream_from_db).transpose()
}

/// The upstreams of these models, in the order in which they were made.
pub async fn of_models(connection: &impl ConnectionTrait, models: &[ModelId]) -> Result<Vec<Upstream>, StoreError> {
    let ids = models.iter().map(|id| id.uuid());
    let query = Entity::find().filter(Column::ModelId.is_in(ids));
    let rows =
        query.order_by_asc(Column::CreatedAt).order_by_asc(Column::Id).all(connection).await.map_err(classify)?;
    rows.into_iter().map(upstream_from_db).collect()
}

pub async fn insert(transaction: &impl ConnectionTrait, upstream: &Upstream) -> Result<(), StoreError> {
    let row = upstream_to_db(upstream).into_active_model();
    Entity::insert(row).exec_without_returning(transaction).await.map_err(classify)?;
    Ok(())
}

/// Writes the whole row; the caller holds the lock on its model.
pub async fn update(transaction: &impl ConnectionTrait, upstream: &Upstream) -> Result<(), StoreError> {
    let row = upstream_to_db(upstream).into_active_model().reset_all();
    let update = Entity::update_many().set(row).filter(Column::Id.eq(upstream.id.uuid()));
    update.exec(transaction).await.map_err(classify)?;
    Ok(())
}

pub async fn delete(transaction: &impl ConnectionTrait, id: UpstreamId) -> Result<(), StoreError> {
    Entity::delete_by_id(id.uuid()).exec(transaction).await.map_err(classify)?;
    Ok(())
}
