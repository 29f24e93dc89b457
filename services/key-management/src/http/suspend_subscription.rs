use actix_web::{HttpResponse, post, web};
use maas_types::SubscriptionId;
use maas_web::{
    JsonBody, PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext, permission::DecideSubscriptions,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    subscription_change::{carry_out, explained_step},
    subscription_view::SubscriptionBody,
};
use crate::{
    domain::subscription::SubscriptionMove,
    service::{KeyService, access::SubscriptionChange},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuspendSubscriptionRequest {
    /// Why; the subscriber reads it.
    #[schema(example = "Under review until Friday", min_length = 1, max_length = 500)]
    reason: String,
}

impl SuspendSubscriptionRequest {
    fn into_change(self) -> Result<SubscriptionChange, Problem> {
        explained_step(SubscriptionMove::Suspend, self.reason)
    }
}

/// Takes access away until it is resumed. Requests that are under way are answered to their end.
#[utoipa::path(
    operation_id = "suspendSubscription",
    tag = "subscriptions",
    params(
        ("id" = SubscriptionId, Path, description = "Id of the subscription"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the change is based on; 412 when it was changed since"),
    ),
    request_body = SuspendSubscriptionRequest,
    responses(
        (status = 200, description = "The subscription after the change", body = SubscriptionBody,
            headers(("ETag" = String, description = "Version of the subscription, for If-Match"))),
        (status = 404, description = "There is no such subscription, or it is somebody else's"),
        (status = 409, description = "Its status does not allow that; `detail` says what does"),
        (status = 412, description = "The subscription was changed since it was read"),
    )
)]
#[post("/api/v1/subscriptions/{id}/suspend")]
pub async fn suspend_subscription(
    require: Require<DecideSubscriptions>,
    context: RequestContext,
    id: PathParam<SubscriptionId>,
    if_match: IfMatch,
    body: JsonBody<SuspendSubscriptionRequest>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let change = body.0.into_change()?;
    carry_out(&service, require, context, (id.0, if_match.0), &change).await
}
