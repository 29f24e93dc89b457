//! A step of a subscription that exists: read, apply the machine, compare and set, all in one transaction.

use maas_events::audit_entry::Actor;
use maas_store::StoreError;
use maas_types::{SubscriptionId, Timestamp};
use sea_orm::DatabaseTransaction;

use super::{Step, request_subscription::expire};
use crate::{
    domain::{
        subscriber::SubscriptionScope,
        subscription::{Subscription, SubscriptionMove, SubscriptionStatus},
    },
    service::{KeyService, access_error::AccessError},
    store::{self, seen_model::HeardModel},
};

/// How often a step is tried again after somebody else's came first.
const ATTEMPTS: usize = 8;

/// Which one, who asks, and which version the client saw.
#[derive(Debug, Clone, Copy)]
pub struct SubscriptionTarget<'a> {
    pub id: SubscriptionId,
    pub scope: &'a SubscriptionScope,
    pub seen_version: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct SubscriptionChange {
    pub step: SubscriptionMove,
    /// May be empty where the operation does not ask for one.
    pub reason: String,
    /// What its end becomes; `None` leaves it, `Some(None)` takes it away.
    pub expires_at: Option<Option<Timestamp>>,
}

impl KeyService {
    pub async fn change_subscription(
        &self,
        target: SubscriptionTarget<'_>,
        change: &SubscriptionChange,
        actor: &Actor,
    ) -> Result<Subscription, AccessError> {
        for _ in 0..ATTEMPTS {
            match self.try_change_subscription(target, change, actor).await {
                Ok(Some(changed)) => return Ok(changed),
                Ok(None) | Err(AccessError::Contended | AccessError::Store(StoreError::Conflict(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Err(AccessError::Contended)
    }

    /// `None`: the row has changed meanwhile, by somebody else or by its time being over; it is to be judged anew.
    async fn try_change_subscription(
        &self,
        target: SubscriptionTarget<'_>,
        change: &SubscriptionChange,
        actor: &Actor,
    ) -> Result<Option<Subscription>, AccessError> {
        let transaction = self.database.begin().await?;
        let before = target.find(&transaction).await?;
        let now = self.clock.now();
        if before.is_overdue(now) {
            expire(&transaction, before, now).await?;
            transaction.commit().await.map_err(StoreError::from)?;
            self.signal.wake();
            return Ok(None);
        }
        let (after, transition) = before.moved(change.step, &change.reason, change.expires_at, now)?;
        let after = self.activated(&transaction, after).await?;
        let action = change.step.action();
        let step = Step { action, actor, before: Some(&before), after: &after, transition: &transition };
        if !step.write(&transaction, now).await? {
            return Ok(None);
        }
        transaction.commit().await.map_err(StoreError::from)?;
        self.signal.wake();
        Ok(Some(after))
    }

    /// One that becomes active notes which version of the model was known: what an admin decides after the model became
    /// restricted is not taken back by it. The model's row is locked before the subscription's, as everywhere.
    async fn activated(
        &self,
        transaction: &DatabaseTransaction,
        after: Subscription,
    ) -> Result<Subscription, AccessError> {
        if after.status != SubscriptionStatus::Active {
            return Ok(after);
        }
        let known = self.models.by_id(after.model_id).map(|model| model.heard());
        let unknown = HeardModel { id: after.model_id, version: 0, restricted: true };
        let seen = store::seen_model::note(transaction, known.unwrap_or(unknown)).await?;
        Ok(Subscription { model_version: seen.version, ..after })
    }
}

impl SubscriptionTarget<'_> {
    async fn find(&self, transaction: &DatabaseTransaction) -> Result<Subscription, AccessError> {
        let found = store::subscription::find(transaction, self.id).await?;
        let found = found.filter(|subscription| self.scope.sees(subscription.subscriber));
        let subscription = found.ok_or(AccessError::NotFound("subscription"))?;
        if !self.scope.manages(subscription.subscriber) {
            return Err(AccessError::NotManaged);
        }
        if self.seen_version.is_some_and(|seen| seen != subscription.version) {
            return Err(AccessError::VersionMismatch);
        }
        Ok(subscription)
    }
}
