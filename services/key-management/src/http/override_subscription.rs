use actix_web::{HttpResponse, post, web};
use maas_types::{SubscriptionId, Timestamp};
use maas_web::{
    JsonBody, PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext, permission::DecideSubscriptions,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    present::present,
    subscription_change::{carry_out, explained_step},
    subscription_view::{SubscriptionBody, SubscriptionStatusBody},
};
use crate::{
    domain::subscription::SubscriptionMove,
    service::{KeyService, access::SubscriptionChange},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideSubscriptionRequest {
    /// Any but the one it has.
    status: SubscriptionStatusBody,
    /// Why; the subscriber reads it.
    #[schema(example = "Cancelled by mistake", min_length = 1, max_length = 500)]
    reason: String,
    /// When access ends; null for never. Stays as it is when left out.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Timestamp>, required = false, example = json!(null))]
    expires_at: Option<Option<Timestamp>>,
}

impl OverrideSubscriptionRequest {
    fn into_change(self) -> Result<SubscriptionChange, Problem> {
        let step = SubscriptionMove::Override(self.status.into_status());
        Ok(SubscriptionChange { expires_at: self.expires_at, ..explained_step(step, self.reason)? })
    }
}

/// Gives a subscription another status, whatever it has: an admin's way out of a mistake.
#[utoipa::path(
    operation_id = "overrideSubscription",
    tag = "subscriptions",
    params(
        ("id" = SubscriptionId, Path, description = "Id of the subscription"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the change is based on; 412 when it was changed since"),
    ),
    request_body = OverrideSubscriptionRequest,
    responses(
        (status = 200, description = "The subscription after the change", body = SubscriptionBody,
            headers(("ETag" = String, description = "Version of the subscription, for If-Match"))),
        (status = 404, description = "There is no such subscription"),
        (status = 409, description = "It has this status already, or its end lies in the past"),
        (status = 412, description = "The subscription was changed since it was read"),
    )
)]
#[post("/api/v1/subscriptions/{id}/override")]
pub async fn override_subscription(
    require: Require<DecideSubscriptions>,
    context: RequestContext,
    id: PathParam<SubscriptionId>,
    if_match: IfMatch,
    body: JsonBody<OverrideSubscriptionRequest>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let change = body.0.into_change()?;
    carry_out(&service, require, context, (id.0, if_match.0), &change).await
}
