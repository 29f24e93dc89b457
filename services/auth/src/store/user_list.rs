//! The list of users: filters, orders, pages. Every order ends in the id, and every filter that can pick few of many
//! rows has an index with the order of pages behind it (migration `m20261124_000006_extend_users`).

use maas_store::{StoreError, classify};
use maas_types::{PageLimit, Role, TeamId, Timestamp, UserId};
use sea_orm::{
    Condition, ExprTrait, Order, QueryOrder, QuerySelect, QueryTrait as _,
    entity::prelude::*,
    sea_query::{Query, SimpleExpr},
};
use serde::{Deserialize, Serialize};

use super::{
    like_pattern, team_member, user,
    user::entity::{Column, Entity},
    user_group,
};
use crate::domain::{
    user::User,
    user_status::{UserKind, UserStatus},
};

/// Empty means all but the deleted.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    pub role: Option<Role>,
    pub status: Option<UserStatus>,
    pub kind: Option<UserKind>,
    pub provider_id: Option<String>,
    pub group: Option<String>,
    pub team_id: Option<TeamId>,
    /// Service accounts of these teams only.
    pub service_teams: Option<Vec<TeamId>>,
    /// Found in one of the names.
    pub text: Option<String>,
    /// Inclusive.
    pub last_sign_in_from: Option<Timestamp>,
    /// Exclusive. Those who never came are before any time.
    pub last_sign_in_to: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UserOrder {
    /// Newest first.
    #[default]
    Created,
    /// By user name, as the database orders texts.
    Name,
    /// Who came last first; who never came last.
    LastSignIn,
}

/// Where a page of the list ends.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum UserPosition {
    Created { created_at_ms: i64, id: Uuid },
    Name { user_name: String },
    LastSignIn { last_sign_in_ms: i64, id: Uuid },
}

impl UserOrder {
    pub fn position(self, user: &User) -> UserPosition {
        let id = user.id.uuid();
        match self {
            Self::Created => UserPosition::Created { created_at_ms: user.created_at.unix_ms(), id },
            Self::Name => UserPosition::Name { user_name: user.user_name.clone() },
            Self::LastSignIn => {
                UserPosition::LastSignIn { last_sign_in_ms: user.last_sign_in_at.map_or(0, Timestamp::unix_ms), id }
            }
        }
    }

    /// Whether the position is one of this order's. Cursors can be forged: a database that refuses a text with a NUL
    /// must not be asked with one.
    pub fn has(self, position: &UserPosition) -> bool {
        match (self, position) {
            (Self::Created, UserPosition::Created { .. }) | (Self::LastSignIn, UserPosition::LastSignIn { .. }) => true,
            (Self::Name, UserPosition::Name { user_name }) => !user_name.contains('\0'),
            _ => false,
        }
    }
}

/// One more row than `limit`, if there is one: then there is a next page.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &UserFilter,
    order: UserOrder,
    limit: PageLimit,
    after: Option<UserPosition>,
) -> Result<Vec<User>, StoreError> {
    let query = page(filter, order, after).limit(u64::from(limit.get()) + 1);
    query.all(db).await.map_err(classify)?.into_iter().map(user::from_db).collect()
}

fn page(filter: &UserFilter, order: UserOrder, after: Option<UserPosition>) -> sea_orm::Select<Entity> {
    let query = Entity::find().filter(condition(filter)).apply_if(after, |query, at| query.filter(beyond(at)));
    match order {
        UserOrder::Created => query.order_by_desc(Column::CreatedAt).order_by_desc(Column::Id),
        UserOrder::Name => query.order_by_asc(Column::UserName),
        UserOrder::LastSignIn => query.order_by(last_sign_in(), Order::Desc).order_by_desc(Column::Id),
    }
}

fn condition(filter: &UserFilter) -> Condition {
    let mut all = Condition::all().add_option(filter.role.map(|role| Column::Role.eq(role.as_str())));
    all = match filter.status {
        Some(status) => all.add(Column::Status.eq(status.as_str())),
        None => all.add(user::not_deleted()),
    };
    all.add_option(filter.kind.map(|kind| Column::Kind.eq(kind.as_str())))
        .add_option(filter.provider_id.as_ref().map(|provider| Column::ProviderId.eq(provider)))
        .add_option(filter.text.as_ref().map(|text| Expr::col(Column::SearchText).like(like_pattern(text))))
        .add_option(filter.group.as_ref().map(|group| Column::Id.in_subquery(user_group::members_of(group))))
        .add_option(filter.team_id.map(|team| Column::Id.in_subquery(team_member::members_of(team))))
        .add_option(
            filter
                .service_teams
                .as_ref()
                .map(|teams| Column::ServiceTeamId.is_in(teams.iter().map(|team| team.uuid()))),
        )
        .add_option(filter.last_sign_in_from.map(|from| last_sign_in().gte(from.unix_ms())))
        .add_option(filter.last_sign_in_to.map(|to| last_sign_in().lt(to.unix_ms())))
}

fn beyond(position: UserPosition) -> Condition {
    match position {
        UserPosition::Created { created_at_ms, id } => {
            let same_time = Condition::all().add(Column::CreatedAt.eq(created_at_ms)).add(Column::Id.lt(id));
            // The first half alone bounds the index; of the second, only a comparison is left.
            let older = Condition::any().add(Column::CreatedAt.lt(created_at_ms)).add(same_time);
            Condition::all().add(Column::CreatedAt.lte(created_at_ms)).add(older)
        }
        UserPosition::Name { user_name } => Condition::all().add(Column::UserName.gt(user_name)),
        UserPosition::LastSignIn { last_sign_in_ms, id } => {
            let same_time = Condition::all().add(ExprTrait::eq(last_sign_in(), last_sign_in_ms)).add(Column::Id.lt(id));
            let earlier = Condition::any().add(last_sign_in().lt(last_sign_in_ms)).add(same_time);
            Condition::all().add(last_sign_in().lte(last_sign_in_ms)).add(earlier)
        }
    }
}

/// As the index says it: a bound parameter in place of the 0 would keep the database from using it.
fn last_sign_in() -> SimpleExpr {
    Expr::cust("COALESCE(last_sign_in_at, 0)")
}

/// The ids of those whose default team is `team`, a batch at a time.
pub async fn with_default_team(
    db: &impl ConnectionTrait,
    team: TeamId,
    after: Option<UserId>,
    size: u64,
) -> Result<Vec<UserId>, StoreError> {
    let mut query = Query::select();
    query
        .column(Column::Id)
        .from(Entity)
        .and_where(Column::DefaultTeamId.eq(team.uuid()))
        .order_by(Column::Id, Order::Asc)
        .limit(size);
    if let Some(after) = after {
        query.and_where(Column::Id.gt(after.uuid()));
    }
    super::user_ids(db, &query).await
}

/// Whether a service account that was not deleted belongs to the team.
pub async fn owns_service_accounts(db: &impl ConnectionTrait, team: TeamId) -> Result<bool, StoreError> {
    let owned = Entity::find().filter(Column::ServiceTeamId.eq(team.uuid())).filter(user::not_deleted());
    Ok(owned.limit(1).one(db).await.map_err(classify)?.is_some())
}

#[cfg(test)]
#[path = "user_list_plans.rs"]
mod plans;
