//! A request for access to a model.

use maas_events::audit_entry::Actor;
use maas_store::StoreError;
use maas_types::{
    SubscriptionId, Timestamp, UserId,
    input::{InputFault, MAX_NAME, check_text},
};
use sea_orm::DatabaseTransaction;

use super::Step;
use crate::{
    domain::{
        subscriber::{Subscriber, SubscriptionScope},
        subscription::{Subscription, SubscriptionMove, SubscriptionStatus},
    },
    service::{KeyService, MAX_REASON, access_error::AccessError, directory::ModelEntry},
    store::{self, access_request::AccessRequest, idempotency::IdempotencyHash},
};

const KIND: &str = "subscription";

#[derive(Debug, Clone)]
pub struct RequestSubscriptionInput {
    /// A name, an alias, or an id.
    pub model: String,
    pub subscriber: Subscriber,
    /// What it is wanted for.
    pub reason: String,
    /// `None`: for good.
    pub expires_at: Option<Timestamp>,
    pub idempotency: Option<IdempotencyHash>,
}

impl KeyService {
    /// Asks for access in the subscriber's name. To a model that is not restricted it is there at once; one that was
    /// cancelled or has expired begins again.
    pub async fn request_subscription(
        &self,
        input: RequestSubscriptionInput,
        caller: UserId,
        scope: &SubscriptionScope,
        actor: &Actor,
    ) -> Result<Subscription, AccessError> {
        if !scope.manages(input.subscriber) {
            return Err(AccessError::NotManaged);
        }
        let now = self.clock.now();
        let request = input.idempotency.map(|hash| AccessRequest { caller, kind: KIND, hash });
        self.refuse_replay(request.as_ref(), now).await?;
        let model = self.check_request(&input, caller, scope, now).await?;
        match self.try_request(&input, &model, request.as_ref(), actor, now).await {
            // A request with the same Idempotency-Key committed in between.
            Err(AccessError::Store(StoreError::Duplicate(cause))) => {
                self.refuse_replay(request.as_ref(), now).await?;
                Err(StoreError::Duplicate(cause).into())
            }
            result => result,
        }
    }

    async fn refuse_replay(&self, request: Option<&AccessRequest>, now: Timestamp) -> Result<(), AccessError> {
        let Some(request) = request else { return Ok(()) };
        let first = store::access_request::find(self.database.reader(), request, now).await?;
        let replayed = |id| Err(AccessError::SubscriptionReplayed(SubscriptionId::from_uuid(id)));
        first.map_or(Ok(()), replayed)
    }

    async fn check_request(
        &self,
        input: &RequestSubscriptionInput,
        caller: UserId,
        scope: &SubscriptionScope,
        now: Timestamp,
    ) -> Result<ModelEntry, AccessError> {
        let mut faults = Vec::new();
        check_text("/model", &input.model, MAX_NAME, &mut faults);
        check_text("/reason", &input.reason, MAX_REASON, &mut faults);
        if input.expires_at.is_some_and(|end| end <= now) {
            faults.push(InputFault::new("/expires_at", "in_the_past", "must lie in the future"));
        }
        self.check_subscriber(input.subscriber, caller, &mut faults)?;
        let model = self.requestable_model(&input.model, caller, scope).await?;
        if model.is_none() {
            faults.push(InputFault::new("/model", "unknown_model", "there is no such model"));
        }
        model.filter(|_| faults.is_empty()).ok_or(AccessError::Invalid(faults))
    }

    /// Of oneself, and of the teams that the caller was just recognised to own, nothing needs to be known.
    fn check_subscriber(
        &self,
        subscriber: Subscriber,
        caller: UserId,
        faults: &mut Vec<InputFault>,
    ) -> Result<(), AccessError> {
        match subscriber {
            Subscriber::User(user) if user == caller => {}
            Subscriber::User(_) if !self.users.is_caught_up() => return Err(AccessError::NotCaughtUp("users")),
            Subscriber::User(user) => {
                if !self.users.user(user).is_some_and(|user| user.active) {
                    faults.push(InputFault::new("/user_id", "unknown_user", "there is no active user with this id"));
                }
            }
            Subscriber::Team(_) if !self.teams.is_caught_up() => return Err(AccessError::NotCaughtUp("teams")),
            Subscriber::Team(team) => {
                if !self.teams.has(team) {
                    faults.push(InputFault::new("/team_id", "unknown_team", "there is no team with this id"));
                }
            }
        }
        Ok(())
    }

    /// The enabled model that the text names. What the caller's plan does not open does not exist for them.
    async fn requestable_model(
        &self,
        text: &str,
        caller: UserId,
        scope: &SubscriptionScope,
    ) -> Result<Option<ModelEntry>, AccessError> {
        if !self.models.is_caught_up() {
            return Err(AccessError::NotCaughtUp("models"));
        }
        let Some(model) = self.models.named(text) else { return Ok(None) };
        if *scope == SubscriptionScope::All {
            return Ok(Some(model));
        }
        let (plans, groups) = (self.plan_table().await?, self.groups_of(caller)?);
        Ok(Some(model).filter(|model| plans.opens(&groups, &model.name)))
    }

    async fn try_request(
        &self,
        input: &RequestSubscriptionInput,
        model: &ModelEntry,
        request: Option<&AccessRequest>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Subscription, AccessError> {
        let transaction = self.database.begin().await?;
        // From here to the commit the model cannot become restricted unnoticed, and nobody else asks for it.
        let seen = store::seen_model::note(&transaction, model.heard()).await?;
        let before = store::subscription::find_of(&transaction, input.subscriber, model.id).await?;
        let before = match before {
            Some(before) if before.is_overdue(now) => Some(expire(&transaction, before, now).await?),
            before => before,
        };
        let (after, transition) = match &before {
            Some(before) if !before.status.has_ended() => {
                return Err(AccessError::SubscriptionExists { id: before.id, status: before.status });
            }
            Some(before) => {
                let step = SubscriptionMove::Request { is_restricted: seen.restricted };
                before.moved(step, &input.reason, Some(input.expires_at), now)?
            }
            None => {
                let new = new_subscription(input, model, seen.restricted, actor, now);
                let first = new.first_transition();
                (new, first)
            }
        };
        let after = Subscription { model_version: seen.version, ..after };
        if let Some(request) = request {
            store::access_request::insert(&transaction, request, after.id.uuid(), now).await?;
        }
        let step = Step {
            action: "subscription.request",
            actor,
            before: before.as_ref(),
            after: &after,
            transition: &transition,
        };
        if !step.write(&transaction, now).await? {
            return Err(AccessError::Contended);
        }
        transaction.commit().await.map_err(StoreError::from)?;
        self.signal.wake();
        Ok(after)
    }
}

/// Writes that one has expired whose time is over.
pub(super) async fn expire(
    transaction: &DatabaseTransaction,
    before: Subscription,
    now: Timestamp,
) -> Result<Subscription, AccessError> {
    let (after, transition) = before.moved(SubscriptionMove::Expire, "its time is over", None, now)?;
    let actor = &Actor::system(crate::events::SERVICE);
    let action = SubscriptionMove::Expire.action();
    let step = Step { action, actor, before: Some(&before), after: &after, transition: &transition };
    if step.write(transaction, now).await? { Ok(after) } else { Err(AccessError::Contended) }
}

fn new_subscription(
    input: &RequestSubscriptionInput,
    model: &ModelEntry,
    is_restricted: bool,
    actor: &Actor,
    now: Timestamp,
) -> Subscription {
    Subscription {
        id: SubscriptionId::new_at(now),
        version: 1,
        subscriber: input.subscriber,
        model_id: model.id,
        model_name: model.name.clone(),
        model_version: model.version,
        status: SubscriptionStatus::requested(is_restricted),
        reason: input.reason.clone(),
        expires_at: input.expires_at,
        created_at: now,
        updated_at: now,
        created_by: actor.user_id(),
    }
}
