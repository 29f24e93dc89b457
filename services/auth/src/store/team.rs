//! The table `teams`. The rows of deleted teams stay, since usage names their ids.

use maas_store::{
    StoreError, classify,
    ids::{time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::{OrganisationId, PageLimit, TeamId, Timestamp, UserId};
use sea_orm::{ActiveValue::Set, Condition, QueryOrder, QuerySelect, entity::prelude::*, sea_query::LockType};
use serde::{Deserialize, Serialize};

use super::{contains_text, team_member, user::VersionMoved};
use crate::domain::team::Team;

const TABLE: &str = "teams";

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "teams")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub version: i64,
        pub name: String,
        #[sea_orm(column_type = "Text")]
        pub description: String,
        pub cost_centre: String,
        pub organisation_id: Uuid,
        pub created_at: i64,
        pub updated_at: i64,
        pub deleted_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Empty means all that were not deleted.
#[derive(Debug, Clone, Default)]
pub struct TeamFilter {
    pub organisation_id: Option<OrganisationId>,
    pub cost_centre: Option<String>,
    /// Found in the name.
    pub text: Option<String>,
    /// Only the teams of this person.
    pub member: Option<UserId>,
}

/// Where a page of the list ends: newest first.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct TeamPosition {
    pub created_at_ms: i64,
    pub id: Uuid,
}

pub async fn insert(db: &impl ConnectionTrait, team: &Team) -> Result<(), StoreError> {
    Entity::insert(to_db(team)).exec_without_returning(db).await.map_err(classify)?;
    Ok(())
}

/// Writes `after` over the row of the version before it.
pub async fn update(db: &impl ConnectionTrait, after: &Team) -> Result<Result<(), VersionMoved>, StoreError> {
    let update = Entity::update_many().set(to_db(after)).filter(Column::Id.eq(after.id.uuid()));
    let update = update.filter(Column::Version.eq(unsigned_to_db(after.version) - 1));
    let updated = update.exec(db).await.map_err(classify)?;
    Ok(if updated.rows_affected == 1 { Ok(()) } else { Err(VersionMoved) })
}

/// A team that was not deleted.
pub async fn find(db: &impl ConnectionTrait, id: TeamId) -> Result<Option<Team>, StoreError> {
    let row = Entity::find_by_id(id.uuid()).filter(Column::DeletedAt.is_null()).one(db).await;
    row.map_err(classify)?.map(from_db).transpose()
}

/// The same, locked until the transaction ends: changes of a team and of its members come one after the other. Sign-ins
/// that refer to the team do not wait: they hold people, for whom such a change may wait.
pub async fn lock(transaction: &impl ConnectionTrait, id: TeamId) -> Result<Option<Team>, StoreError> {
    let live = Entity::find_by_id(id.uuid()).filter(Column::DeletedAt.is_null());
    live.lock(LockType::NoKeyUpdate).one(transaction).await.map_err(classify)?.map(from_db).transpose()
}

/// Those of `ids` that there are, deleted ones too.
pub async fn find_all(db: &impl ConnectionTrait, ids: Vec<TeamId>) -> Result<Vec<Team>, StoreError> {
    let rows = Entity::find().filter(Column::Id.is_in(ids.into_iter().map(TeamId::uuid))).all(db).await;
    rows.map_err(classify)?.into_iter().map(from_db).collect()
}

pub async fn exists_in(db: &impl ConnectionTrait, organisation: OrganisationId) -> Result<bool, StoreError> {
    let found = Entity::find().filter(Column::OrganisationId.eq(organisation.uuid())).limit(1).one(db).await;
    Ok(found.map_err(classify)?.is_some())
}

/// One more row than `limit`, if there is one: then there is a next page.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &TeamFilter,
    limit: PageLimit,
    after: Option<TeamPosition>,
) -> Result<Vec<Team>, StoreError> {
    let organisation = filter.organisation_id.map(|id| Column::OrganisationId.eq(id.uuid()));
    let wanted = Condition::all()
        .add(Column::DeletedAt.is_null())
        .add_option(organisation)
        .add_option(filter.cost_centre.as_ref().map(|cost_centre| Column::CostCentre.eq(cost_centre)))
        .add_option(filter.text.as_ref().map(|text| contains_text(Column::Name, text)))
        .add_option(filter.member.map(|member| Column::Id.in_subquery(team_member::teams_of(member))));
    let mut query = Entity::find().filter(wanted);
    if let Some(position) = after {
        let same_time =
            Condition::all().add(Column::CreatedAt.eq(position.created_at_ms)).add(Column::Id.lt(position.id));
        query = query.filter(Condition::any().add(Column::CreatedAt.lt(position.created_at_ms)).add(same_time));
    }
    let query = query.order_by_desc(Column::CreatedAt).order_by_desc(Column::Id).limit(u64::from(limit.get()) + 1);
    query.all(db).await.map_err(classify)?.into_iter().map(from_db).collect()
}

/// Every team in the order of ids, deleted ones too, a batch at a time.
pub async fn batch_after(db: &impl ConnectionTrait, after: Option<TeamId>, size: u64) -> Result<Vec<Team>, StoreError> {
    let mut query = Entity::find().order_by_asc(Column::Id).limit(size);
    if let Some(id) = after {
        query = query.filter(Column::Id.gt(id.uuid()));
    }
    query.all(db).await.map_err(classify)?.into_iter().map(from_db).collect()
}

fn to_db(team: &Team) -> ActiveModel {
    ActiveModel {
        id: Set(team.id.uuid()),
        version: Set(unsigned_to_db(team.version)),
        name: Set(team.name.clone()),
        description: Set(team.description.clone()),
        cost_centre: Set(team.cost_centre.clone()),
        organisation_id: Set(team.organisation_id.uuid()),
        created_at: Set(team.created_at.unix_ms()),
        updated_at: Set(team.updated_at.unix_ms()),
        deleted_at: Set(team.deleted_at.map(Timestamp::unix_ms)),
    }
}

fn from_db(row: Model) -> Result<Team, StoreError> {
    Ok(Team {
        id: TeamId::from_uuid(row.id),
        version: unsigned_from_db(TABLE, "version", row.id, row.version)?,
        name: row.name,
        description: row.description,
        cost_centre: row.cost_centre,
        organisation_id: OrganisationId::from_uuid(row.organisation_id),
        created_at: time_from_db(row.created_at),
        updated_at: time_from_db(row.updated_at),
        deleted_at: row.deleted_at.map(time_from_db),
    })
}
