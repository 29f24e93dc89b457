//! The rows of each bucket that this service owns.

use maas_events::{Bucket, Delivery};
use maas_store::StoreError;
use maas_types::{KeyId, SubscriptionId};
use sea_orm::DatabaseConnection;
use uuid::Uuid;

use super::reconcile::Rows;
use crate::{access_events, events, store};

pub struct KeyRows;
pub struct PlanRows;
pub struct SubscriptionRows;

impl Rows for KeyRows {
    const BUCKET: Bucket = Bucket::Keys;

    fn id_of(name: &str) -> Option<Uuid> {
        events::key_of_bucket_key(name).map(KeyId::uuid)
    }

    async fn versions(
        database: &DatabaseConnection,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<(Uuid, u64)>, StoreError> {
        let page = store::key_page::walk_versions(database, after.map(KeyId::from_uuid), limit).await?;
        Ok(page.into_iter().map(|(id, version)| (id.uuid(), version)).collect())
    }

    async fn deliveries(database: &DatabaseConnection, ids: Vec<Uuid>) -> Result<Vec<Delivery>, StoreError> {
        let keys = store::key_page::find_many(database, ids.into_iter().map(KeyId::from_uuid)).await?;
        Ok(keys.iter().map(events::state_delivery).collect())
    }
}

impl Rows for SubscriptionRows {
    const BUCKET: Bucket = Bucket::Subscriptions;

    fn id_of(name: &str) -> Option<Uuid> {
        access_events::id_of_bucket_key(name)
    }

    async fn versions(
        database: &DatabaseConnection,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<(Uuid, u64)>, StoreError> {
        let after = after.map(SubscriptionId::from_uuid);
        let page = store::subscription_page::walk_versions(database, after, limit).await?;
        Ok(page.into_iter().map(|(id, version)| (id.uuid(), version)).collect())
    }

    async fn deliveries(database: &DatabaseConnection, ids: Vec<Uuid>) -> Result<Vec<Delivery>, StoreError> {
        let ids = ids.into_iter().map(SubscriptionId::from_uuid);
        let subscriptions = store::subscription_page::find_many(database, ids).await?;
        Ok(subscriptions.iter().map(access_events::subscription_delivery).collect())
    }
}

/// There are few plans: all are one page.
impl Rows for PlanRows {
    const BUCKET: Bucket = Bucket::Plans;

    fn id_of(name: &str) -> Option<Uuid> {
        access_events::id_of_bucket_key(name)
    }

    async fn versions(
        database: &DatabaseConnection,
        after: Option<Uuid>,
        _limit: u64,
    ) -> Result<Vec<(Uuid, u64)>, StoreError> {
        let plans = store::plan::all(database).await?.into_iter().map(|plan| (plan.id.uuid(), plan.version));
        Ok(plans.filter(|(id, _)| after.is_none_or(|after| *id > after)).collect())
    }

    async fn deliveries(database: &DatabaseConnection, ids: Vec<Uuid>) -> Result<Vec<Delivery>, StoreError> {
        let plans = store::plan::all(database).await?;
        Ok(plans.iter().filter(|plan| ids.contains(&plan.id.uuid())).map(access_events::plan_delivery).collect())
    }
}
