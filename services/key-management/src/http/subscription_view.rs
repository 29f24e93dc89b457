//! A subscription on the wire.

use actix_web::{HttpResponse, HttpResponseBuilder};
use maas_types::{ModelId, SubscriptionId, TeamId, Timestamp, UserId, input::InputFault, input::check_text};
use maas_web::etag;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        subscriber::Subscriber,
        subscription::{Subscription, SubscriptionStatus},
    },
    service::MAX_REASON,
    store::subscription::HistoryLine,
};

/// Access of a person or a team to one model. Exactly one of `user_id` and `team_id` is set.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Subscription)]
pub struct SubscriptionBody {
    pub id: SubscriptionId,
    pub user_id: Option<UserId>,
    #[schema(example = json!(null))]
    pub team_id: Option<TeamId>,
    pub model_id: ModelId,
    /// The model's public name, also when the model is gone.
    #[schema(example = "meta/llama-3.3-70b")]
    pub model: String,
    pub status: SubscriptionStatusBody,
    /// Why it has this status, in the words of who brought it there; may be empty.
    #[schema(example = "Approved for the support desk")]
    pub reason: String,
    /// When access ends. Null: never.
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Null: the platform itself.
    pub created_by: Option<UserId>,
    pub updated_at: Timestamp,
}

/// pending: waits for a decision. active: opens the model. denied: a review can be requested. suspended: taken away for
/// the time being. cancelled and expired: it has ended, and can be requested again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SubscriptionStatus)]
pub enum SubscriptionStatusBody {
    Pending,
    Active,
    Denied,
    Suspended,
    Cancelled,
    Expired,
}

/// One step of a subscription.
#[derive(Debug, Serialize, ToSchema)]
pub struct SubscriptionTransition {
    /// The version that it made.
    #[schema(example = 2)]
    pub version: u64,
    /// Null: the subscription was new.
    pub from: Option<SubscriptionStatusBody>,
    pub to: SubscriptionStatusBody,
    pub at: Timestamp,
    /// Null: the platform itself.
    pub actor_id: Option<UserId>,
    #[schema(example = "ada")]
    pub actor_name: String,
    #[schema(example = "Approved for the support desk")]
    pub reason: String,
}

impl SubscriptionBody {
    pub fn to_api(subscription: &Subscription, now: Timestamp) -> Self {
        let (user_id, team_id) = match subscription.subscriber {
            Subscriber::User(user) => (Some(user), None),
            Subscriber::Team(team) => (None, Some(team)),
        };
        Self {
            id: subscription.id,
            user_id,
            team_id,
            model_id: subscription.model_id,
            model: subscription.model_name.clone(),
            status: SubscriptionStatusBody::to_api(subscription.shown_status(now)),
            reason: subscription.reason.clone(),
            expires_at: subscription.expires_at,
            created_at: subscription.created_at,
            created_by: subscription.created_by,
            updated_at: subscription.updated_at,
        }
    }
}

impl SubscriptionTransition {
    pub fn to_api(line: &HistoryLine) -> Self {
        Self {
            version: line.transition.version,
            from: line.transition.from.map(SubscriptionStatusBody::to_api),
            to: SubscriptionStatusBody::to_api(line.transition.to),
            at: line.transition.at,
            actor_id: line.actor_id,
            actor_name: line.actor_name.clone(),
            reason: line.transition.reason.clone(),
        }
    }
}

impl SubscriptionStatusBody {
    pub const fn to_api(status: SubscriptionStatus) -> Self {
        match status {
            SubscriptionStatus::Pending => Self::Pending,
            SubscriptionStatus::Active => Self::Active,
            SubscriptionStatus::Denied => Self::Denied,
            SubscriptionStatus::Suspended => Self::Suspended,
            SubscriptionStatus::Cancelled => Self::Cancelled,
            SubscriptionStatus::Expired => Self::Expired,
        }
    }

    pub const fn into_status(self) -> SubscriptionStatus {
        match self {
            Self::Pending => SubscriptionStatus::Pending,
            Self::Active => SubscriptionStatus::Active,
            Self::Denied => SubscriptionStatus::Denied,
            Self::Suspended => SubscriptionStatus::Suspended,
            Self::Cancelled => SubscriptionStatus::Cancelled,
            Self::Expired => SubscriptionStatus::Expired,
        }
    }
}

/// One subscription with its entity tag.
pub fn answer_subscription(
    mut response: HttpResponseBuilder,
    subscription: &Subscription,
    now: Timestamp,
) -> HttpResponse {
    let body = SubscriptionBody::to_api(subscription, now);
    response.insert_header(etag::header(subscription.version)).json(body)
}

/// A reason that may be empty.
pub fn check_reason(reason: &str, faults: &mut Vec<InputFault>) {
    check_text("/reason", reason, MAX_REASON, faults);
}

/// A reason that people will read and wait for.
pub fn require_reason(reason: &str, faults: &mut Vec<InputFault>) {
    if reason.trim().is_empty() {
        faults.push(InputFault::new("/reason", "empty", "say why"));
    }
    check_reason(reason, faults);
}
