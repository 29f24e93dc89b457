use actix_web::{HttpResponse, post, web};
use maas_types::{SubscriptionId, Timestamp, input::InputFault};
use maas_web::{
    JsonBody, PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext, permission::DecideSubscriptions,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    invalid,
    present::present,
    subscription_change::carry_out,
    subscription_view::{SubscriptionBody, check_reason, require_reason},
};
use crate::{
    domain::subscription::SubscriptionMove,
    service::{KeyService, access::SubscriptionChange},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideSubscriptionRequest {
    decision: SubscriptionDecision,
    /// Why; the subscriber reads it. A denial needs one.
    #[serde(default)]
    #[schema(example = "Approved for the support desk", max_length = 500)]
    reason: String,
    /// When access ends, instead of what was requested; null for never. Only with an approval.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Timestamp>, required = false, example = json!(null))]
    expires_at: Option<Option<Timestamp>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionDecision {
    Approve,
    Deny,
}

impl SubscriptionDecision {
    /// An approval may go without a reason.
    pub fn check_reason(self, reason: &str, faults: &mut Vec<InputFault>) {
        match self {
            Self::Approve => check_reason(reason, faults),
            Self::Deny => require_reason(reason, faults),
        }
    }
}

impl DecideSubscriptionRequest {
    fn into_change(self) -> Result<SubscriptionChange, Problem> {
        let mut faults = Vec::new();
        self.decision.check_reason(&self.reason, &mut faults);
        if self.decision == SubscriptionDecision::Deny && self.expires_at.is_some() {
            faults.push(InputFault::new("/expires_at", "conflict", "a denial has no end"));
        }
        if !faults.is_empty() {
            return Err(invalid(faults));
        }
        let step = match self.decision {
            SubscriptionDecision::Approve => SubscriptionMove::Approve,
            SubscriptionDecision::Deny => SubscriptionMove::Deny,
        };
        Ok(SubscriptionChange { step, reason: self.reason, expires_at: self.expires_at })
    }
}

/// Approves or denies a pending request for access.
#[utoipa::path(
    operation_id = "decideSubscription",
    tag = "subscriptions",
    params(
        ("id" = SubscriptionId, Path, description = "Id of the subscription"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the decision is based on; 412 when it was changed since"),
    ),
    request_body = DecideSubscriptionRequest,
    responses(
        (status = 200, description = "The subscription after the decision", body = SubscriptionBody,
            headers(("ETag" = String, description = "Version of the subscription, for If-Match"))),
        (status = 404, description = "There is no such subscription"),
        (status = 409, description = "It is not pending, or its end lies in the past"),
        (status = 412, description = "The subscription was changed since it was read"),
    )
)]
#[post("/api/v1/subscriptions/{id}/decide")]
pub async fn decide_subscription(
    require: Require<DecideSubscriptions>,
    context: RequestContext,
    id: PathParam<SubscriptionId>,
    if_match: IfMatch,
    body: JsonBody<DecideSubscriptionRequest>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let change = body.0.into_change()?;
    carry_out(&service, require, context, (id.0, if_match.0), &change).await
}
