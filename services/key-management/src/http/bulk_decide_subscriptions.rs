use actix_web::{post, web};
use maas_types::{SubscriptionId, Timestamp, input::InputFault};
use maas_web::{JsonBody, Problem, Require, middleware::RequestContext, permission::DecideSubscriptions};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    decide_subscription::SubscriptionDecision,
    invalid,
    subscription_view::{SubscriptionBody, require_reason},
};
use crate::service::{
    KeyService,
    access::{BulkDecision, DecidedItem},
};

/// How many are decided by one call.
const MAX_IDS: usize = 500;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkDecideSubscriptionsRequest {
    #[schema(min_items = 1, max_items = 500)]
    ids: Vec<SubscriptionId>,
    decision: SubscriptionDecision,
    /// Why; each subscriber reads it.
    #[schema(example = "Approved for the pilot", min_length = 1, max_length = 500)]
    reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BulkDecidedSubscriptions {
    /// One for each id, in the order of the request.
    data: Vec<BulkDecidedItem>,
    #[schema(example = 2)]
    decided: usize,
    #[schema(example = 0)]
    failed: usize,
}

/// Exactly one of `subscription` and `error` is set.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkDecidedItem {
    id: SubscriptionId,
    /// After the decision.
    subscription: Option<SubscriptionBody>,
    error: Option<BulkDecisionError>,
}

/// Why this one was left as it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkDecisionError {
    #[schema(example = "conflict")]
    code: &'static str,
    #[schema(example = "the subscription is active; only a pending one is approved or denied")]
    detail: Option<String>,
}

impl BulkDecideSubscriptionsRequest {
    fn into_decision(self) -> Result<BulkDecision, Problem> {
        let mut faults = Vec::new();
        if self.ids.is_empty() {
            faults.push(InputFault::new("/ids", "empty", "name at least one subscription"));
        }
        if self.ids.len() > MAX_IDS {
            faults.push(InputFault::new("/ids", "too_many", format!("at most {MAX_IDS}")));
        }
        require_reason(&self.reason, &mut faults);
        if !faults.is_empty() {
            return Err(invalid(faults));
        }
        let approve = self.decision == SubscriptionDecision::Approve;
        Ok(BulkDecision { ids: self.ids, approve, reason: self.reason })
    }
}

impl BulkDecidedItem {
    fn to_api(item: DecidedItem, now: Timestamp) -> Self {
        match item.result {
            Ok(subscription) => {
                let body = SubscriptionBody::to_api(&subscription, now);
                Self { id: item.id, subscription: Some(body), error: None }
            }
            Err(error) => {
                let problem = Problem::from(error);
                if problem.cause.is_some() {
                    tracing::warn!(error = problem.chain(), "a subscription could not be decided");
                }
                let error = BulkDecisionError { code: problem.code.code(), detail: problem.detail };
                Self { id: item.id, subscription: None, error: Some(error) }
            }
        }
    }
}

/// Approves or denies many pending requests with one reason. Each is decided by itself: one that fails stops no other.
#[utoipa::path(
    operation_id = "bulkDecideSubscriptions",
    tag = "subscriptions",
    request_body = BulkDecideSubscriptionsRequest,
    responses((status = 200, description = "What became of each", body = BulkDecidedSubscriptions))
)]
#[post("/api/v1/subscriptions/bulk-decide")]
pub async fn bulk_decide_subscriptions(
    require: Require<DecideSubscriptions>,
    context: RequestContext,
    body: JsonBody<BulkDecideSubscriptionsRequest>,
    service: web::Data<KeyService>,
) -> Result<web::Json<BulkDecidedSubscriptions>, Problem> {
    let items = service.bulk_decide(body.0.into_decision()?, &context.actor(&require.caller)).await;
    let now = service.clock.now();
    let data: Vec<_> = items.into_iter().map(|item| BulkDecidedItem::to_api(item, now)).collect();
    let failed = data.iter().filter(|item| item.error.is_some()).count();
    Ok(web::Json(BulkDecidedSubscriptions { decided: data.len() - failed, failed, data }))
}
