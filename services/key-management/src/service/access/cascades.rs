//! What happens to subscriptions because of something else: their end comes, their model becomes restricted, their
//! subscriber is deleted.
//!
//! Guarantee: every step is one transaction with its history, state and audit record, and is taken once: a replica that
//! comes second finds another version and leaves it. Work is done in batches, so that no transaction grows with the
//! number of subscriptions; what a crash leaves is found again.

use maas_events::audit_entry::Actor;
use maas_store::StoreError;
use maas_types::Timestamp;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::Step;
use crate::{
    domain::subscription::{Subscription, SubscriptionMove},
    service::KeyService,
    store::{
        self,
        seen_model::{HeardModel, SeenModel},
    },
};

const BATCH: u64 = 200;
/// The work that one replica does at a time.
const EXPIRY: &str = "subscriptions.expiry";

impl KeyService {
    /// Writes which subscriptions have expired. The proxies know it by the time.
    pub(super) async fn expire_subscriptions(&self) -> Result<(), StoreError> {
        loop {
            let transaction = self.database.begin().await?;
            if !store::lock::try_hold(&transaction, EXPIRY).await? {
                return Ok(());
            }
            let now = self.clock.now();
            let overdue = store::subscription_page::overdue(&transaction, now, BATCH).await?;
            let found = overdue.len();
            move_all(&transaction, overdue, SubscriptionMove::Expire, "its time is over", now).await?;
            self.commit_cascade(transaction).await?;
            if found == 0 {
                return Ok(());
            }
        }
    }

    /// Takes over what is known of the models that anybody subscribed to, and what follows from it.
    pub(super) async fn note_models(&self, latest: impl Fn(Uuid) -> Option<HeardModel>) -> Result<(), StoreError> {
        for seen in store::seen_model::all(self.database.reader()).await? {
            let heard = latest(seen.id.uuid()).filter(|heard| heard.version > seen.version);
            let seen = match heard {
                Some(heard) => self.note_model(heard).await?,
                None => seen,
            };
            if seen.restricted_since.is_some() {
                while self.restrict_batch(seen).await? {}
            }
        }
        Ok(())
    }

    /// Ends what these deleted users and teams had.
    pub(super) async fn end_subscriptions(&self, deleted: &[Uuid]) -> Result<(), StoreError> {
        loop {
            let transaction = self.database.begin().await?;
            let unended = store::subscription_page::unended_of(&transaction, deleted, BATCH).await?;
            let found = unended.len();
            let now = self.clock.now();
            move_all(&transaction, unended, SubscriptionMove::End, "its owner was deleted", now).await?;
            self.commit_cascade(transaction).await?;
            if found == 0 {
                return Ok(());
            }
        }
    }

    async fn note_model(&self, heard: HeardModel) -> Result<SeenModel, StoreError> {
        let transaction = self.database.begin().await?;
        let seen = store::seen_model::note(&transaction, heard).await?;
        transaction.commit().await?;
        Ok(seen)
    }

    /// Puts some of the model's subscriptions back to pending. Whether there may be more.
    async fn restrict_batch(&self, model: SeenModel) -> Result<bool, StoreError> {
        let transaction = self.database.begin().await?;
        let Some(seen) = store::seen_model::lock(&transaction, model.id).await? else { return Ok(false) };
        let Some(since) = seen.restricted_since else { return Ok(false) };
        let active = store::subscription_page::active_before(&transaction, seen.id, since, BATCH).await?;
        let is_last = active.is_empty();
        let now = self.clock.now();
        move_all(&transaction, active, SubscriptionMove::Restrict, "model became restricted", now).await?;
        if is_last {
            store::seen_model::write(&transaction, &SeenModel { restricted_since: None, ..seen }).await?;
        }
        self.commit_cascade(transaction).await?;
        Ok(!is_last)
    }

    async fn commit_cascade(&self, transaction: DatabaseTransaction) -> Result<(), StoreError> {
        transaction.commit().await?;
        self.signal.wake();
        Ok(())
    }
}

/// Moves each that still is as it was read. One that the machine does not let go has been changed by somebody else.
async fn move_all(
    transaction: &DatabaseTransaction,
    subscriptions: Vec<Subscription>,
    step: SubscriptionMove,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let actor = &Actor::system(crate::events::SERVICE);
    for before in &subscriptions {
        let Ok((after, transition)) = before.moved(step, reason, None, now) else { continue };
        let action = step.action();
        Step { action, actor, before: Some(before), after: &after, transition: &transition }
            .write(transaction, now)
            .await?;
    }
    Ok(())
}
