//! Price versions: read and added, never changed.

use maas_store::{StoreError, classify};
use maas_types::ModelId;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _,
};

use super::{
    convert::{price_from_db, price_to_db},
    entity::prices::{Column, Entity},
};
use crate::domain::price::Price;

/// In ascending `effective_from`.
pub async fn of_models(connection: &impl ConnectionTrait, models: &[ModelId]) -> Result<Vec<Price>, StoreError> {
    let ids = models.iter().map(|id| id.uuid());
    let query = Entity::find().filter(Column::ModelId.is_in(ids)).order_by_asc(Column::EffectiveFrom);
    let rows = query.all(connection).await.map_err(classify)?;
    rows.into_iter().map(price_from_db).collect()
}

/// Fails with [`StoreError::Duplicate`] when a version begins at this very time.
pub async fn insert(transaction: &impl ConnectionTrait, price: &Price) -> Result<(), StoreError> {
    let row = price_to_db(price).into_active_model();
    Entity::insert(row).exec_without_returning(transaction).await.map_err(classify)?;
    Ok(())
}
