//! What was last known of a model, durably: so that its becoming restricted takes effect once, whoever hears of it.
//!
//! Guarantee: the row stays locked until the caller's transaction ends. Who makes a subscription active holds it, and so
//! does who notes that the model is restricted: either the former sees that, or the latter sees the subscription.

use maas_store::{
    StoreError, classify,
    ids::{unsigned_from_db, unsigned_to_db},
};
use maas_types::ModelId;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::OnConflict,
};

use super::access_entity::seen_models::{ActiveModel, Column, Entity, Model as Row};

const TABLE: &str = "seen_models";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenModel {
    pub id: ModelId,
    pub version: u64,
    pub restricted: bool,
    /// Subscriptions that became active before this version of the model have still to go back to pending.
    pub restricted_since: Option<u64>,
}

/// A model as somebody heard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeardModel {
    pub id: ModelId,
    pub version: u64,
    pub restricted: bool,
}

pub async fn all(connection: &impl ConnectionTrait) -> Result<Vec<SeenModel>, StoreError> {
    let rows = Entity::find().all(connection).await.map_err(classify)?;
    rows.into_iter().map(from_db).collect()
}

/// Locks the row, makes it where there is none, and takes over what is newer.
pub async fn note(transaction: &impl ConnectionTrait, heard: HeardModel) -> Result<SeenModel, StoreError> {
    let fresh =
        SeenModel { id: heard.id, version: heard.version, restricted: heard.restricted, restricted_since: None };
    let or_leave = OnConflict::column(Column::ModelId).do_nothing().to_owned();
    let insert = Entity::insert(to_db(&fresh)).on_conflict(or_leave).exec_without_returning(transaction);
    insert.await.map_err(classify)?;
    let seen = lock(transaction, heard.id).await?.unwrap_or(fresh);
    if heard.version <= seen.version {
        return Ok(seen);
    }
    let becomes_restricted = heard.restricted && !seen.restricted;
    let restricted_since = if becomes_restricted { Some(heard.version) } else { seen.restricted_since };
    let seen = SeenModel { restricted_since, ..fresh };
    write(transaction, &seen).await?;
    Ok(seen)
}

pub async fn lock(transaction: &impl ConnectionTrait, id: ModelId) -> Result<Option<SeenModel>, StoreError> {
    let row = Entity::find_by_id(id.uuid()).lock_exclusive().one(transaction).await.map_err(classify)?;
    row.map(from_db).transpose()
}

/// Writes a row that is locked.
pub async fn write(transaction: &impl ConnectionTrait, seen: &SeenModel) -> Result<(), StoreError> {
    let update = Entity::update_many().set(to_db(seen)).filter(Column::ModelId.eq(seen.id.uuid()));
    update.exec(transaction).await.map_err(classify)?;
    Ok(())
}

fn to_db(seen: &SeenModel) -> ActiveModel {
    ActiveModel {
        model_id: Set(seen.id.uuid()),
        version: Set(unsigned_to_db(seen.version)),
        restricted: Set(seen.restricted),
        restricted_since: Set(seen.restricted_since.map(unsigned_to_db)),
    }
}

fn from_db(row: Row) -> Result<SeenModel, StoreError> {
    let id = row.model_id;
    let since = row.restricted_since.map(|since| unsigned_from_db(TABLE, "restricted_since", id, since));
    Ok(SeenModel {
        id: ModelId::from_uuid(id),
        version: unsigned_from_db(TABLE, "version", id, row.version)?,
        restricted: row.restricted,
        restricted_since: since.transpose()?,
    })
}
