//! The table `team_members`: who is in which team, by hand and by group.

use std::collections::HashMap;

use maas_store::{
    StoreError, classify,
    ids::{parsed_from_db, time_from_db},
};
use maas_types::{PageLimit, TeamId, TeamRole, UserId};
use sea_orm::{
    ActiveValue::Set,
    Order, QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::{OnConflict, Query, SelectStatement},
};

use crate::domain::team::{MemberSource, Membership};

const TABLE: &str = "team_members";
/// Databases limit the parameters of a statement.
const ROWS_AT_ONCE: usize = 1_000;

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "team_members")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub team_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub source: String,
        pub role: String,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Adds rows, or gives those that are there their new role.
pub async fn put(db: &impl ConnectionTrait, memberships: &[Membership]) -> Result<(), StoreError> {
    let key = [Column::TeamId, Column::UserId, Column::Source];
    let replace = OnConflict::columns(key).update_column(Column::Role).to_owned();
    for some in memberships.chunks(ROWS_AT_ONCE) {
        let insert = Entity::insert_many(some.iter().map(to_db)).on_conflict(replace.clone());
        insert.exec_without_returning(db).await.map_err(classify)?;
    }
    Ok(())
}

/// Whether there was such a row.
pub async fn delete(
    db: &impl ConnectionTrait,
    team: TeamId,
    user: UserId,
    source: MemberSource,
) -> Result<bool, StoreError> {
    let delete = Entity::delete_by_id((team.uuid(), user.uuid(), source.as_str().to_owned()));
    Ok(delete.exec(db).await.map_err(classify)?.rows_affected > 0)
}

/// All rows of these people.
pub async fn delete_of_users(db: &impl ConnectionTrait, users: &[UserId]) -> Result<(), StoreError> {
    if users.is_empty() {
        return Ok(());
    }
    let delete = Entity::delete_many().filter(Column::UserId.is_in(users.iter().map(|id| id.uuid())));
    delete.exec(db).await.map_err(classify)?;
    Ok(())
}

/// The rows of these people in one team.
pub async fn delete_from_team(db: &impl ConnectionTrait, team: TeamId, users: &[UserId]) -> Result<(), StoreError> {
    let of_team = Entity::delete_many().filter(Column::TeamId.eq(team.uuid()));
    of_team.filter(Column::UserId.is_in(users.iter().map(|id| id.uuid()))).exec(db).await.map_err(classify)?;
    Ok(())
}

/// All rows of these people, by team. Who is in no team is not in the answer.
pub async fn of_users(
    db: &impl ConnectionTrait,
    users: &[UserId],
) -> Result<HashMap<UserId, Vec<Membership>>, StoreError> {
    let of_users = Entity::find().filter(Column::UserId.is_in(users.iter().map(|id| id.uuid())));
    let rows = of_users.order_by_asc(Column::TeamId).order_by_asc(Column::Source).all(db).await;
    by_user(rows.map_err(classify)?)
}

fn by_user(rows: Vec<Model>) -> Result<HashMap<UserId, Vec<Membership>>, StoreError> {
    let mut memberships: HashMap<UserId, Vec<Membership>> = HashMap::new();
    for row in rows {
        memberships.entry(UserId::from_uuid(row.user_id)).or_default().push(from_db(row)?);
    }
    Ok(memberships)
}

/// The rows of these people in one team.
pub async fn of_users_in(
    db: &impl ConnectionTrait,
    team: TeamId,
    users: &[UserId],
) -> Result<HashMap<UserId, Vec<Membership>>, StoreError> {
    let rows = Entity::find()
        .filter(Column::TeamId.eq(team.uuid()))
        .filter(Column::UserId.is_in(users.iter().map(|id| id.uuid())))
        .all(db)
        .await;
    by_user(rows.map_err(classify)?)
}

/// The rows of one person in one team.
pub async fn of_user_in(db: &impl ConnectionTrait, team: TeamId, user: UserId) -> Result<Vec<Membership>, StoreError> {
    let rows = Entity::find().filter(Column::TeamId.eq(team.uuid())).filter(Column::UserId.eq(user.uuid()));
    rows.all(db).await.map_err(classify)?.into_iter().map(from_db).collect()
}

/// How many own the team, by hand or by group.
pub async fn count_owners(db: &impl ConnectionTrait, team: TeamId) -> Result<u64, StoreError> {
    let owners = Entity::find()
        .select_only()
        .column(Column::UserId)
        .distinct()
        .filter(Column::TeamId.eq(team.uuid()))
        .filter(Column::Role.eq(TeamRole::Owner.as_str()));
    owners.count(db).await.map_err(classify)
}

/// A page of the ids of a team's members; one more than `limit` if there is a next page.
pub async fn page_of_team(
    db: &impl ConnectionTrait,
    team: TeamId,
    limit: PageLimit,
    after: Option<UserId>,
) -> Result<Vec<UserId>, StoreError> {
    batch_of_team(db, team, after, u64::from(limit.get()) + 1).await
}

/// The ids of a team's members, a batch at a time in the order of ids.
pub async fn batch_of_team(
    db: &impl ConnectionTrait,
    team: TeamId,
    after: Option<UserId>,
    size: u64,
) -> Result<Vec<UserId>, StoreError> {
    let mut query = members_of(team);
    query.distinct().order_by(Column::UserId, Order::Asc).limit(size);
    if let Some(after) = after {
        query.and_where(Column::UserId.gt(after.uuid()));
    }
    super::user_ids(db, &query).await
}

/// For a list: the ids of who is in a team.
pub fn members_of(team: TeamId) -> SelectStatement {
    let mut query = Query::select();
    query.column(Column::UserId).from(Entity).and_where(Column::TeamId.eq(team.uuid()));
    query
}

/// For a list: the ids of the teams that somebody is in.
pub fn teams_of(user: UserId) -> SelectStatement {
    let mut query = Query::select();
    query.column(Column::TeamId).from(Entity).and_where(Column::UserId.eq(user.uuid()));
    query
}

fn to_db(membership: &Membership) -> ActiveModel {
    ActiveModel {
        team_id: Set(membership.team_id.uuid()),
        user_id: Set(membership.user_id.uuid()),
        source: Set(membership.source.as_str().to_owned()),
        role: Set(membership.role.as_str().to_owned()),
        created_at: Set(membership.created_at.unix_ms()),
    }
}

fn from_db(row: Model) -> Result<Membership, StoreError> {
    let name = || format!("{}/{}", row.team_id, row.user_id);
    Ok(Membership {
        team_id: TeamId::from_uuid(row.team_id),
        user_id: UserId::from_uuid(row.user_id),
        source: parsed_from_db(TABLE, "source", name(), MemberSource::parse(&row.source))?,
        role: parsed_from_db(TABLE, "role", name(), TeamRole::parse(&row.role))?,
        created_at: time_from_db(row.created_at),
    })
}
