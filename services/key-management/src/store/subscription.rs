//! One subscription: read, insert, compare and set, and its history.

use maas_events::audit_entry::Actor;
use maas_store::{
    StoreError, classify,
    ids::{parsed_from_db, time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::{ModelId, SubscriptionId, UserId};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::access_entity::{subscription_transitions as transitions, subscriptions};
use crate::domain::{
    subscriber::Subscriber,
    subscription::{Subscription, SubscriptionStatus, Transition},
};

const TABLE: &str = "subscriptions";

/// A line of the history with who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    pub transition: Transition,
    /// `None`: the platform itself.
    pub actor_id: Option<UserId>,
    pub actor_name: String,
}

pub async fn find(connection: &impl ConnectionTrait, id: SubscriptionId) -> Result<Option<Subscription>, StoreError> {
    let row = subscriptions::Entity::find_by_id(id.uuid()).one(connection).await.map_err(classify)?;
    row.map(from_db).transpose()
}

/// The one of this pair.
pub async fn find_of(
    connection: &impl ConnectionTrait,
    subscriber: Subscriber,
    model: ModelId,
) -> Result<Option<Subscription>, StoreError> {
    let row = subscriptions::Entity::find()
        .filter(subscriptions::Column::SubscriberId.eq(subscriber.uuid()))
        .filter(subscriptions::Column::ModelId.eq(model.uuid()))
        .one(connection)
        .await
        .map_err(classify)?;
    row.map(from_db).transpose()
}

pub async fn insert(connection: &impl ConnectionTrait, subscription: &Subscription) -> Result<(), StoreError> {
    let insert = subscriptions::Entity::insert(to_db(subscription)).exec_without_returning(connection);
    insert.await.map_err(classify)?;
    Ok(())
}

/// Writes `after` over the version before it. `false`: somebody else changed it meanwhile, nothing was written.
pub async fn replace(
    connection: &impl ConnectionTrait,
    before: &Subscription,
    after: &Subscription,
) -> Result<bool, StoreError> {
    let written = subscriptions::Entity::update_many()
        .set(to_db(after))
        .filter(subscriptions::Column::Id.eq(after.id.uuid()))
        .filter(subscriptions::Column::Version.eq(unsigned_to_db(before.version)))
        .exec(connection)
        .await
        .map_err(classify)?;
    Ok(written.rows_affected > 0)
}

/// Adds the line that `transition` is to the history.
pub async fn record(
    connection: &impl ConnectionTrait,
    id: SubscriptionId,
    transition: &Transition,
    actor: &Actor,
) -> Result<(), StoreError> {
    let row = transitions::ActiveModel {
        subscription_id: Set(id.uuid()),
        version: Set(unsigned_to_db(transition.version)),
        from_status: Set(transition.from.map(|status| status.as_str().to_owned())),
        to_status: Set(transition.to.as_str().to_owned()),
        actor_id: Set(actor.user_id().map(UserId::uuid)),
        actor_name: Set(actor.name().to_owned()),
        reason: Set(transition.reason.clone()),
        at: Set(transition.at.unix_ms()),
    };
    transitions::Entity::insert(row).exec_without_returning(connection).await.map_err(classify)?;
    Ok(())
}

/// Up to `limit` lines, the newest first.
pub async fn history(
    connection: &impl ConnectionTrait,
    id: SubscriptionId,
    limit: u64,
) -> Result<Vec<HistoryLine>, StoreError> {
    let rows = transitions::Entity::find()
        .filter(transitions::Column::SubscriptionId.eq(id.uuid()))
        .order_by_desc(transitions::Column::Version)
        .limit(limit)
        .all(connection)
        .await
        .map_err(classify)?;
    rows.into_iter().map(line_from_db).collect()
}

fn line_from_db(row: transitions::Model) -> Result<HistoryLine, StoreError> {
    const TABLE: &str = "subscription_transitions";
    let id = row.subscription_id;
    let status = |column, text: &str| parsed_from_db(TABLE, column, id, SubscriptionStatus::parse(text));
    Ok(HistoryLine {
        transition: Transition {
            version: unsigned_from_db(TABLE, "version", id, row.version)?,
            from: row.from_status.as_deref().map(|text| status("from_status", text)).transpose()?,
            to: status("to_status", &row.to_status)?,
            reason: row.reason,
            at: time_from_db(row.at),
        },
        actor_id: row.actor_id.map(UserId::from_uuid),
        actor_name: row.actor_name,
    })
}

pub(super) fn from_db(row: subscriptions::Model) -> Result<Subscription, StoreError> {
    let id = row.id;
    let subscriber = Subscriber::from_parts(&row.subscriber_kind, row.subscriber_id);
    Ok(Subscription {
        id: SubscriptionId::from_uuid(id),
        version: unsigned_from_db(TABLE, "version", id, row.version)?,
        subscriber: parsed_from_db(TABLE, "subscriber_kind", id, subscriber)?,
        model_id: ModelId::from_uuid(row.model_id),
        model_name: row.model_name,
        model_version: unsigned_from_db(TABLE, "model_version", id, row.model_version)?,
        status: parsed_from_db(TABLE, "status", id, SubscriptionStatus::parse(&row.status))?,
        reason: row.reason,
        expires_at: row.expires_at.map(time_from_db),
        created_at: time_from_db(row.created_at),
        updated_at: time_from_db(row.updated_at),
        created_by: row.created_by.map(UserId::from_uuid),
    })
}

fn to_db(subscription: &Subscription) -> subscriptions::ActiveModel {
    subscriptions::ActiveModel {
        id: Set(subscription.id.uuid()),
        version: Set(unsigned_to_db(subscription.version)),
        subscriber_kind: Set(subscription.subscriber.kind().to_owned()),
        subscriber_id: Set(subscription.subscriber.uuid()),
        model_id: Set(subscription.model_id.uuid()),
        model_name: Set(subscription.model_name.clone()),
        model_version: Set(unsigned_to_db(subscription.model_version)),
        status: Set(subscription.status.as_str().to_owned()),
        reason: Set(subscription.reason.clone()),
        expires_at: Set(subscription.expires_at.map(|time| time.unix_ms())),
        created_at: Set(subscription.created_at.unix_ms()),
        updated_at: Set(subscription.updated_at.unix_ms()),
        created_by: Set(subscription.created_by.map(UserId::uuid)),
    }
}
