//! What others hear of plans and subscriptions: the state values for the proxies and the audit records.

use bytes::Bytes;
use maas_events::{
    Bucket, Delivery,
    audit_entry::{Actor, AuditEntry, AuditOutcome},
    state::{PlanState, SubscriptionState, SubscriptionStatus as WireStatus},
};
use maas_types::Timestamp;
use prost::Message as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    domain::{
        key::AllowedModels,
        plan::Plan,
        subscriber::Subscriber,
        subscription::{Subscription, SubscriptionStatus},
    },
    events::SERVICE,
};

pub fn plan_state(plan: &Plan) -> PlanState {
    let (all_models, models) = match &plan.models {
        AllowedModels::All => (true, Vec::new()),
        AllowedModels::Listed(models) => (false, models.iter().cloned().collect()),
    };
    PlanState {
        id: uuid_bytes(plan.id.uuid()),
        version: plan.version,
        deleted: plan.deleted_at.is_some(),
        name: plan.name.clone(),
        level: plan.level,
        groups: plan.groups.iter().cloned().collect(),
        is_default: plan.is_default,
        all_models,
        models,
    }
}

pub fn plan_delivery(plan: &Plan) -> Delivery {
    Delivery::State {
        bucket: Bucket::Plans,
        key: bucket_key(plan.id.uuid()),
        version: plan.version,
        value: plan_state(plan).encode_to_vec().into(),
    }
}

pub fn subscription_state(subscription: &Subscription) -> SubscriptionState {
    let (user_id, team_id) = match subscription.subscriber {
        Subscriber::User(user) => (uuid_bytes(user.uuid()), Bytes::new()),
        Subscriber::Team(team) => (Bytes::new(), uuid_bytes(team.uuid())),
    };
    let status = match subscription.status {
        SubscriptionStatus::Pending => WireStatus::Pending,
        SubscriptionStatus::Active => WireStatus::Active,
        SubscriptionStatus::Denied => WireStatus::Denied,
        SubscriptionStatus::Suspended => WireStatus::Suspended,
        SubscriptionStatus::Cancelled => WireStatus::Cancelled,
        SubscriptionStatus::Expired => WireStatus::Expired,
    };
    SubscriptionState {
        id: uuid_bytes(subscription.id.uuid()),
        version: subscription.version,
        deleted: false,
        user_id,
        team_id,
        model_id: uuid_bytes(subscription.model_id.uuid()),
        status: status.into(),
        expires_at_ms: subscription.expires_at.map_or(0, Timestamp::unix_ms),
    }
}

pub fn subscription_delivery(subscription: &Subscription) -> Delivery {
    Delivery::State {
        bucket: Bucket::Subscriptions,
        key: bucket_key(subscription.id.uuid()),
        version: subscription.version,
        value: subscription_state(subscription).encode_to_vec().into(),
    }
}

/// The name of a value in its bucket.
pub fn bucket_key(id: Uuid) -> String {
    id.simple().to_string()
}

/// The id that a value of a bucket is about; `None` for a name that is not ours.
pub fn id_of_bucket_key(name: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(name).ok()?;
    (bucket_key(id) == name).then_some(id)
}

/// The audit record of a change of a plan that is being committed.
pub fn plan_audit(actor: &Actor, action: &str, before: Option<&Plan>, after: &Plan, now: Timestamp) -> Delivery {
    let entry = AuditEntry {
        service: SERVICE,
        actor,
        action,
        resource_kind: "plan",
        resource_id: after.id.to_string(),
        outcome: AuditOutcome::Success,
        before: before.map(audited_plan),
        after: Some(audited_plan(after)),
    };
    entry.to_delivery(now)
}

/// The audit record of a transition of a subscription that is being committed.
pub fn subscription_audit(
    actor: &Actor,
    action: &str,
    before: Option<&Subscription>,
    after: &Subscription,
    now: Timestamp,
) -> Delivery {
    let entry = AuditEntry {
        service: SERVICE,
        actor,
        action,
        resource_kind: "subscription",
        resource_id: after.id.to_string(),
        outcome: AuditOutcome::Success,
        before: before.map(audited_subscription),
        after: Some(audited_subscription(after)),
    };
    entry.to_delivery(now)
}

fn audited_plan(plan: &Plan) -> Value {
    let models = match &plan.models {
        AllowedModels::All => None,
        AllowedModels::Listed(models) => Some(models),
    };
    json!({
        "version": plan.version,
        "name": plan.name,
        "level": plan.level,
        "groups": plan.groups,
        "models": models,
        "is_default": plan.is_default,
        "deleted_at": plan.deleted_at,
    })
}

fn audited_subscription(subscription: &Subscription) -> Value {
    let (user_id, team_id) = match subscription.subscriber {
        Subscriber::User(user) => (Some(user), None),
        Subscriber::Team(team) => (None, Some(team)),
    };
    json!({
        "version": subscription.version,
        "user_id": user_id,
        "team_id": team_id,
        "model_id": subscription.model_id,
        "model": subscription.model_name,
        "status": subscription.status.as_str(),
        "reason": subscription.reason,
        "expires_at": subscription.expires_at,
    })
}

fn uuid_bytes(uuid: Uuid) -> Bytes {
    Bytes::copy_from_slice(uuid.as_bytes())
}
