//! The table `group_mappings`, and the lock that keeps sign-ins and changes of it apart.

use maas_store::{
    StoreError, classify,
    ids::{parsed_from_db, time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::{GroupMappingId, PageLimit, Role, TeamId, TeamRole};
use sea_orm::{ActiveValue::Set, Condition, QueryOrder, QuerySelect, entity::prelude::*, sea_query::LockType};

use super::user::VersionMoved;
use crate::domain::group_mapping::GroupMapping;

const TABLE: &str = "group_mappings";

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "group_mappings")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub version: i64,
        pub group_name: String,
        pub provider_id: Option<String>,
        pub role: Option<String>,
        pub team_id: Option<Uuid>,
        pub team_role: Option<String>,
        pub created_at: i64,
        pub updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod lock_entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "group_mapping_lock")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Empty means all.
#[derive(Debug, Clone, Default)]
pub struct GroupMappingFilter {
    pub group: Option<String>,
    pub provider_id: Option<String>,
    pub role: Option<Role>,
    pub team_id: Option<TeamId>,
}

/// Until the transaction ends, nobody's mappings change: who works out rights now works them out with what there is.
/// Before any user is locked.
pub async fn hold(transaction: &impl ConnectionTrait) -> Result<(), StoreError> {
    take_lock(transaction, LockType::Share).await
}

/// Until the transaction ends, nobody works out rights but us. Before any user is locked.
pub async fn hold_alone(transaction: &impl ConnectionTrait) -> Result<(), StoreError> {
    take_lock(transaction, LockType::Update).await
}

async fn take_lock(transaction: &impl ConnectionTrait, lock: LockType) -> Result<(), StoreError> {
    lock_entity::Entity::find().lock(lock).one(transaction).await.map_err(classify)?;
    Ok(())
}

/// All of them: they are rules that admins write by hand.
pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<GroupMapping>, StoreError> {
    Entity::find().all(db).await.map_err(classify)?.into_iter().map(from_db).collect()
}

pub async fn insert(db: &impl ConnectionTrait, mapping: &GroupMapping) -> Result<(), StoreError> {
    Entity::insert(to_db(mapping)).exec_without_returning(db).await.map_err(classify)?;
    Ok(())
}

/// Writes `after` over the row of the version before it.
pub async fn update(db: &impl ConnectionTrait, after: &GroupMapping) -> Result<Result<(), VersionMoved>, StoreError> {
    let update = Entity::update_many().set(to_db(after)).filter(Column::Id.eq(after.id.uuid()));
    let update = update.filter(Column::Version.eq(unsigned_to_db(after.version) - 1));
    let updated = update.exec(db).await.map_err(classify)?;
    Ok(if updated.rows_affected == 1 { Ok(()) } else { Err(VersionMoved) })
}

pub async fn delete(db: &impl ConnectionTrait, id: GroupMappingId) -> Result<(), StoreError> {
    Entity::delete_by_id(id.uuid()).exec(db).await.map_err(classify)?;
    Ok(())
}

pub async fn delete_of_team(db: &impl ConnectionTrait, team: TeamId) -> Result<(), StoreError> {
    Entity::delete_many().filter(Column::TeamId.eq(team.uuid())).exec(db).await.map_err(classify)?;
    Ok(())
}

pub async fn find(db: &impl ConnectionTrait, id: GroupMappingId) -> Result<Option<GroupMapping>, StoreError> {
    Entity::find_by_id(id.uuid()).one(db).await.map_err(classify)?.map(from_db).transpose()
}

/// Newest first; one more row than `limit` if there is a next page.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &GroupMappingFilter,
    limit: PageLimit,
    after: Option<GroupMappingId>,
) -> Result<Vec<GroupMapping>, StoreError> {
    let wanted = Condition::all()
        .add_option(filter.group.as_ref().map(|group| Column::GroupName.eq(group)))
        .add_option(filter.provider_id.as_ref().map(|provider| Column::ProviderId.eq(provider)))
        .add_option(filter.role.map(|role| Column::Role.eq(role.as_str())))
        .add_option(filter.team_id.map(|team| Column::TeamId.eq(team.uuid())))
        .add_option(after.map(|after| Column::Id.lt(after.uuid())));
    let query = Entity::find().filter(wanted).order_by_desc(Column::Id).limit(u64::from(limit.get()) + 1);
    query.all(db).await.map_err(classify)?.into_iter().map(from_db).collect()
}

fn to_db(mapping: &GroupMapping) -> ActiveModel {
    ActiveModel {
        id: Set(mapping.id.uuid()),
        version: Set(unsigned_to_db(mapping.version)),
        group_name: Set(mapping.group.clone()),
        provider_id: Set(mapping.provider_id.clone()),
        role: Set(mapping.role.map(|role| role.as_str().to_owned())),
        team_id: Set(mapping.team.map(|(team, _)| team.uuid())),
        team_role: Set(mapping.team.map(|(_, role)| role.as_str().to_owned())),
        created_at: Set(mapping.created_at.unix_ms()),
        updated_at: Set(mapping.updated_at.unix_ms()),
    }
}

fn from_db(row: Model) -> Result<GroupMapping, StoreError> {
    let team_role =
        row.team_role.as_deref().map(|text| parsed_from_db(TABLE, "team_role", row.id, TeamRole::parse(text)));
    let role = row.role.as_deref().map(|text| parsed_from_db(TABLE, "role", row.id, Role::parse(text)));
    Ok(GroupMapping {
        id: GroupMappingId::from_uuid(row.id),
        version: unsigned_from_db(TABLE, "version", row.id, row.version)?,
        role: role.transpose()?,
        team: row.team_id.map(TeamId::from_uuid).zip(team_role.transpose()?),
        group: row.group_name,
        provider_id: row.provider_id,
        created_at: time_from_db(row.created_at),
        updated_at: time_from_db(row.updated_at),
    })
}
