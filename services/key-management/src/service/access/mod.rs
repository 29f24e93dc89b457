//! Access to models: subscriptions, and plans.

mod bulk_decide;
mod cascades;
mod change_subscription;
mod follow;
mod plans;
mod read_plans;
mod read_subscriptions;
mod request_subscription;

pub use bulk_decide::{BulkDecision, DecidedItem};
pub use change_subscription::{SubscriptionChange, SubscriptionTarget};
pub use follow::spawn;
pub use plans::{CreatePlanInput, UpdatePlanInput};
pub use read_subscriptions::ListSubscriptionsInput;
pub use request_subscription::RequestSubscriptionInput;

use maas_events::audit_entry::Actor;
use maas_store::{StoreError, outbox};
use maas_types::Timestamp;
use sea_orm::ConnectionTrait;

use crate::{
    access_events,
    domain::subscription::{Subscription, Transition},
    store,
};

/// A step of a subscription that is told to others with the row's own commit.
struct Step<'a> {
    action: &'static str,
    actor: &'a Actor,
    /// `None`: it is new.
    before: Option<&'a Subscription>,
    after: &'a Subscription,
    transition: &'a Transition,
}

impl Step<'_> {
    /// Row, history and outbox. `false`: somebody else changed the row meanwhile, and nothing was written.
    async fn write(&self, transaction: &impl ConnectionTrait, now: Timestamp) -> Result<bool, StoreError> {
        match self.before {
            None => store::subscription::insert(transaction, self.after).await?,
            Some(before) => {
                if !store::subscription::replace(transaction, before, self.after).await? {
                    return Ok(false);
                }
            }
        }
        store::subscription::record(transaction, self.after.id, self.transition, self.actor).await?;
        // The state comes first: proxies wait for it, auditors do not.
        let state = access_events::subscription_delivery(self.after);
        let audit = access_events::subscription_audit(self.actor, self.action, self.before, self.after, now);
        outbox::append(transaction, [state, audit], now).await?;
        Ok(true)
    }
}
