//! Reading subscriptions.

use maas_types::{PageLimit, SubscriptionId};
use maas_web::{AccessScope, Caller};

use crate::{
    domain::{subscriber::SubscriptionScope, subscription::Subscription},
    service::{KeyService, access_error::AccessError},
    store::{self, SubscriptionFilter, SubscriptionPosition, subscription::HistoryLine},
};

/// How many lines of a history are shown.
const HISTORY: u64 = 200;

#[derive(Debug, Clone)]
pub struct ListSubscriptionsInput {
    /// With the scope of the caller.
    pub filter: SubscriptionFilter,
    pub position: Option<SubscriptionPosition>,
    pub limit: PageLimit,
    pub with_total: bool,
}

#[derive(Debug)]
pub struct ListedSubscriptions {
    pub subscriptions: Vec<Subscription>,
    pub next: Option<SubscriptionPosition>,
    /// Of all pages; only when it was asked for.
    pub total: Option<u64>,
}

#[derive(Debug)]
pub struct SubscriptionWithHistory {
    pub subscription: Subscription,
    /// The newest first.
    pub history: Vec<HistoryLine>,
}

impl KeyService {
    /// What the permission's scope comes to for subscriptions: who owns a team acts for it and for its service accounts;
    /// its members see what it has.
    pub fn subscription_scope(&self, caller: &Caller, scope: AccessScope) -> SubscriptionScope {
        let AccessScope::Own(user) = scope else { return SubscriptionScope::All };
        let owned_teams = caller.owned_teams();
        SubscriptionScope::Limited {
            users: self.owners_with(user, &owned_teams),
            owned_teams,
            joined_teams: caller.teams.iter().map(|membership| membership.team_id).collect(),
        }
    }

    pub async fn get_subscription(
        &self,
        id: SubscriptionId,
        scope: &SubscriptionScope,
    ) -> Result<SubscriptionWithHistory, AccessError> {
        let found = store::subscription::find(self.database.reader(), id).await?;
        let found = found.filter(|subscription| scope.sees(subscription.subscriber));
        let subscription = found.ok_or(AccessError::NotFound("subscription"))?;
        let history = store::subscription::history(self.database.reader(), id, HISTORY).await?;
        Ok(SubscriptionWithHistory { subscription, history })
    }

    pub async fn list_subscriptions(&self, input: ListSubscriptionsInput) -> Result<ListedSubscriptions, AccessError> {
        let (reader, now) = (self.database.reader(), self.clock.now());
        let page =
            store::subscription_page::list(reader, &input.filter, input.position, input.limit.get(), now).await?;
        let total = match input.with_total {
            true => Some(store::subscription_page::count(reader, &input.filter, now).await?),
            false => None,
        };
        Ok(ListedSubscriptions { subscriptions: page.0, next: page.1, total })
    }
}
