//! Deciding on many requests at once. Each is decided by itself: one that fails stops no other.

use maas_events::audit_entry::Actor;
use maas_types::SubscriptionId;

use super::{SubscriptionChange, SubscriptionTarget};
use crate::{
    domain::{
        subscriber::SubscriptionScope,
        subscription::{Subscription, SubscriptionMove},
    },
    service::{KeyService, access_error::AccessError},
};

#[derive(Debug, Clone)]
pub struct BulkDecision {
    pub ids: Vec<SubscriptionId>,
    pub approve: bool,
    pub reason: String,
}

#[derive(Debug)]
pub struct DecidedItem {
    pub id: SubscriptionId,
    pub result: Result<Subscription, AccessError>,
}

impl KeyService {
    pub async fn bulk_decide(&self, decision: BulkDecision, actor: &Actor) -> Vec<DecidedItem> {
        let step = if decision.approve { SubscriptionMove::Approve } else { SubscriptionMove::Deny };
        let change = SubscriptionChange { step, reason: decision.reason, expires_at: None };
        let mut items = Vec::with_capacity(decision.ids.len());
        for id in decision.ids {
            let target = SubscriptionTarget { id, scope: &SubscriptionScope::All, seen_version: None };
            items.push(DecidedItem { id, result: self.change_subscription(target, &change, actor).await });
        }
        items
    }
}
