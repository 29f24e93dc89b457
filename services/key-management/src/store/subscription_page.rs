//! Many subscriptions: pages of a list, walks over all of them, and those that something is due for.

use maas_store::{
    StoreError, classify,
    ids::{unsigned_from_db, unsigned_to_db},
};
use maas_types::{ModelId, SubscriptionId, TeamId, Timestamp, UserId};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, Func, SimpleExpr},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    access_entity::subscriptions::{Column, Entity},
    filter::contains,
    subscription::from_db,
};
use crate::domain::{
    subscriber::SubscriptionScope,
    subscription::{Subscription, SubscriptionStatus},
};

/// Every field narrows the list further.
#[derive(Debug, Clone)]
pub struct SubscriptionFilter {
    /// Whose subscriptions may be seen at all.
    pub visible: SubscriptionScope,
    pub status: Option<SubscriptionStatus>,
    pub model_id: Option<ModelId>,
    /// The public name, exactly.
    pub model_name: Option<String>,
    pub user_id: Option<UserId>,
    pub team_id: Option<TeamId>,
    /// Part of the model's name.
    pub text: Option<String>,
}

/// The last subscription of a page; ids carry the time of their creation and are the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionPosition(Uuid);

/// Up to `limit` subscriptions after `position`, the newest first, and the position of the next page if there is one.
pub async fn list(
    connection: &impl ConnectionTrait,
    filter: &SubscriptionFilter,
    position: Option<SubscriptionPosition>,
    limit: u32,
    now: Timestamp,
) -> Result<(Vec<Subscription>, Option<SubscriptionPosition>), StoreError> {
    let after = position.map(|SubscriptionPosition(id)| Column::Id.lt(id));
    let query = Entity::find()
        .filter(filter.condition(now).add_option(after))
        .order_by_desc(Column::Id)
        .limit(u64::from(limit).saturating_add(1));
    let mut page = load(connection, query).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| has_more).map(|last| SubscriptionPosition(last.id.uuid()));
    Ok((page, next))
}

pub async fn count(
    connection: &impl ConnectionTrait,
    filter: &SubscriptionFilter,
    now: Timestamp,
) -> Result<u64, StoreError> {
    Entity::find().filter(filter.condition(now)).count(connection).await.map_err(classify)
}

/// Up to `limit` subscriptions of all there are, by id, after `after`.
pub async fn walk(
    connection: &impl ConnectionTrait,
    after: Option<SubscriptionId>,
    limit: u64,
) -> Result<Vec<Subscription>, StoreError> {
    load(connection, walking(after).limit(limit)).await
}

/// The same, only ids and versions.
pub async fn walk_versions(
    connection: &impl ConnectionTrait,
    after: Option<SubscriptionId>,
    limit: u64,
) -> Result<Vec<(SubscriptionId, u64)>, StoreError> {
    let query = walking(after).select_only().column(Column::Id).column(Column::Version).limit(limit);
    let rows = query.into_tuple::<(Uuid, i64)>().all(connection).await.map_err(classify)?;
    let convert =
        |(id, version)| Ok((SubscriptionId::from_uuid(id), unsigned_from_db("subscriptions", "version", id, version)?));
    rows.into_iter().map(convert).collect()
}

/// The subscriptions with these ids, at most a page of them, in no particular order.
pub async fn find_many(
    connection: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = SubscriptionId>,
) -> Result<Vec<Subscription>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(SubscriptionId::uuid).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    load(connection, Entity::find().filter(Column::Id.is_in(ids))).await
}

/// Up to `limit` active ones whose end has come.
pub async fn overdue(
    connection: &impl ConnectionTrait,
    now: Timestamp,
    limit: u64,
) -> Result<Vec<Subscription>, StoreError> {
    let query = Entity::find()
        .filter(Column::Status.eq(SubscriptionStatus::Active.as_str()))
        .filter(Column::ExpiresAt.lte(now.unix_ms()))
        .order_by_asc(Column::ExpiresAt)
        .limit(limit);
    load(connection, query).await
}

/// Up to `limit` active ones that became so before this version of the model.
pub async fn active_before(
    connection: &impl ConnectionTrait,
    model: ModelId,
    version: u64,
    limit: u64,
) -> Result<Vec<Subscription>, StoreError> {
    let query = Entity::find()
        .filter(Column::ModelId.eq(model.uuid()))
        .filter(Column::Status.eq(SubscriptionStatus::Active.as_str()))
        .filter(Column::ModelVersion.lt(unsigned_to_db(version)))
        .order_by_asc(Column::Id)
        .limit(limit);
    load(connection, query).await
}

/// Up to `limit` of these users and teams that have not ended.
pub async fn unended_of(
    connection: &impl ConnectionTrait,
    subscribers: &[Uuid],
    limit: u64,
) -> Result<Vec<Subscription>, StoreError> {
    let ended = SubscriptionStatus::ALL.into_iter().filter(|status| status.has_ended());
    let query = Entity::find()
        .filter(Column::SubscriberId.is_in(subscribers.iter().copied()))
        .filter(Column::Status.is_not_in(ended.map(SubscriptionStatus::as_str)))
        .order_by_asc(Column::Id)
        .limit(limit);
    load(connection, query).await
}

impl SubscriptionFilter {
    fn condition(&self, now: Timestamp) -> Condition {
        Condition::all()
            .add_option(visible(&self.visible))
            .add_option(self.status.map(|status| of_status(status, now)))
            .add_option(self.model_id.map(|model| Column::ModelId.eq(model.uuid())))
            .add_option(self.model_name.as_ref().map(|name| Column::ModelName.eq(name)))
            .add_option(self.user_id.map(|user| Column::SubscriberId.eq(user.uuid())))
            .add_option(self.team_id.map(|team| Column::SubscriberId.eq(team.uuid())))
            .add_option(self.text.as_deref().map(model_name_holds))
    }
}

fn visible(scope: &SubscriptionScope) -> Option<SimpleExpr> {
    let SubscriptionScope::Limited { users, joined_teams, .. } = scope else { return None };
    let users = users.iter().map(|user| user.uuid());
    Some(Column::SubscriberId.is_in(users.chain(joined_teams.iter().map(|team| team.uuid()))))
}

/// The same rule as `Subscription::shown_status`.
fn of_status(status: SubscriptionStatus, now: Timestamp) -> Condition {
    let stored = |status: SubscriptionStatus| Column::Status.eq(status.as_str());
    let has_passed = Column::ExpiresAt.lte(now.unix_ms());
    let lasts = Condition::any().add(Column::ExpiresAt.is_null()).add(Column::ExpiresAt.gt(now.unix_ms()));
    match status {
        SubscriptionStatus::Active => Condition::all().add(stored(status)).add(lasts),
        SubscriptionStatus::Expired => {
            let overdue = Condition::all().add(stored(SubscriptionStatus::Active)).add(has_passed);
            Condition::any().add(stored(status)).add(overdue)
        }
        _ => Condition::all().add(stored(status)),
    }
}

fn model_name_holds(text: &str) -> SimpleExpr {
    contains(Func::lower(Expr::col(Column::ModelName)), text.to_lowercase())
}

fn walking(after: Option<SubscriptionId>) -> Select<Entity> {
    Entity::find()
        .filter(Condition::all().add_option(after.map(|id| Column::Id.gt(id.uuid()))))
        .order_by_asc(Column::Id)
}

async fn load(connection: &impl ConnectionTrait, query: Select<Entity>) -> Result<Vec<Subscription>, StoreError> {
    query.all(connection).await.map_err(classify)?.into_iter().map(from_db).collect()
}
