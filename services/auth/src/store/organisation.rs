//! The table `organisations`.

use maas_store::{
    StoreError, classify,
    ids::{time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::{OrganisationId, PageLimit};
use sea_orm::{ActiveValue::Set, QueryOrder, QuerySelect, entity::prelude::*, sea_query::LockType};

use super::user::VersionMoved;
use crate::domain::team::Organisation;

const TABLE: &str = "organisations";

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "organisations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub version: i64,
        #[sea_orm(unique)]
        pub name: String,
        pub created_at: i64,
        pub updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

pub async fn insert(db: &impl ConnectionTrait, organisation: &Organisation) -> Result<(), StoreError> {
    Entity::insert(to_db(organisation)).exec_without_returning(db).await.map_err(classify)?;
    Ok(())
}

/// Writes `after` over the row of the version before it.
pub async fn update(db: &impl ConnectionTrait, after: &Organisation) -> Result<Result<(), VersionMoved>, StoreError> {
    let update = Entity::update_many().set(to_db(after)).filter(Column::Id.eq(after.id.uuid()));
    let update = update.filter(Column::Version.eq(unsigned_to_db(after.version) - 1));
    let updated = update.exec(db).await.map_err(classify)?;
    Ok(if updated.rows_affected == 1 { Ok(()) } else { Err(VersionMoved) })
}

pub async fn find(db: &impl ConnectionTrait, id: OrganisationId) -> Result<Option<Organisation>, StoreError> {
    Entity::find_by_id(id.uuid()).one(db).await.map_err(classify)?.map(from_db).transpose()
}

/// Locked until the transaction ends: no team can join it or leave it meanwhile.
pub async fn lock(transaction: &impl ConnectionTrait, id: OrganisationId) -> Result<Option<Organisation>, StoreError> {
    let row = Entity::find_by_id(id.uuid()).lock(LockType::Update).one(transaction).await;
    row.map_err(classify)?.map(from_db).transpose()
}

pub async fn delete(db: &impl ConnectionTrait, id: OrganisationId) -> Result<(), StoreError> {
    Entity::delete_by_id(id.uuid()).exec(db).await.map_err(classify)?;
    Ok(())
}

/// By id, so oldest first; one more row than `limit` if there is a next page.
pub async fn list(
    db: &impl ConnectionTrait,
    limit: PageLimit,
    after: Option<OrganisationId>,
) -> Result<Vec<Organisation>, StoreError> {
    let mut query = Entity::find().order_by_asc(Column::Id).limit(u64::from(limit.get()) + 1);
    if let Some(after) = after {
        query = query.filter(Column::Id.gt(after.uuid()));
    }
    query.all(db).await.map_err(classify)?.into_iter().map(from_db).collect()
}

fn to_db(organisation: &Organisation) -> ActiveModel {
    ActiveModel {
        id: Set(organisation.id.uuid()),
        version: Set(unsigned_to_db(organisation.version)),
        name: Set(organisation.name.clone()),
        created_at: Set(organisation.created_at.unix_ms()),
        updated_at: Set(organisation.updated_at.unix_ms()),
    }
}

fn from_db(row: Model) -> Result<Organisation, StoreError> {
    Ok(Organisation {
        id: OrganisationId::from_uuid(row.id),
        version: unsigned_from_db(TABLE, "version", row.id, row.version)?,
        name: row.name,
        created_at: time_from_db(row.created_at),
        updated_at: time_from_db(row.updated_at),
    })
}
