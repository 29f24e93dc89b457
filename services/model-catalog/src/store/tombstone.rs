//! What is left of deleted models: enough to tell the proxies again.

use maas_store::{
    StoreError, classify,
    ids::{unsigned_from_db, unsigned_to_db},
};
use maas_types::{ModelId, Timestamp};
use sea_orm::{ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryOrder as _};

use super::entity::model_tombstones::{Column, Entity, Model as Row};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    pub id: ModelId,
    pub version: u64,
    pub name: String,
    pub deleted_at: Timestamp,
}

pub async fn insert(transaction: &impl ConnectionTrait, tombstone: &Tombstone) -> Result<(), StoreError> {
    let row = Row {
        id: tombstone.id.uuid(),
        version: unsigned_to_db(tombstone.version),
        name: tombstone.name.clone(),
        deleted_at: tombstone.deleted_at.unix_ms(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(transaction).await.map_err(classify)?;
    Ok(())
}

pub async fn all(connection: &impl ConnectionTrait) -> Result<Vec<Tombstone>, StoreError> {
    let rows = Entity::find().order_by_asc(Column::Id).all(connection).await.map_err(classify)?;
    rows.into_iter().map(from_db).collect()
}

fn from_db(row: Row) -> Result<Tombstone, StoreError> {
    Ok(Tombstone {
        id: ModelId::from_uuid(row.id),
        version: unsigned_from_db("model_tombstones", "version", row.id, row.version)?,
        name: row.name,
        deleted_at: Timestamp::from_unix_ms(row.deleted_at),
    })
}
