use actix_web::{HttpResponse, post, web};
use maas_types::SubscriptionId;
use maas_web::{
    OptionalBody, PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext,
    permission::RequestSubscription,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    subscription_change::{carry_out, step},
    subscription_view::SubscriptionBody,
};
use crate::{
    domain::subscription::SubscriptionMove,
    service::{KeyService, access::SubscriptionChange},
};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestReviewRequest {
    /// Why; goes into the history.
    #[serde(default)]
    #[schema(example = "The data protection officer has agreed meanwhile", max_length = 500)]
    reason: String,
}

impl RequestReviewRequest {
    fn into_change(self) -> Result<SubscriptionChange, Problem> {
        step(SubscriptionMove::RequestReview, self.reason)
    }
}

/// Asks for another decision after a denial.
#[utoipa::path(
    operation_id = "requestSubscriptionReview",
    tag = "subscriptions",
    params(
        ("id" = SubscriptionId, Path, description = "Id of the subscription"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the change is based on; 412 when it was changed since"),
    ),
    request_body(content = Option<RequestReviewRequest>, description = "May be left out"),
    responses(
        (status = 200, description = "The subscription after the change", body = SubscriptionBody,
            headers(("ETag" = String, description = "Version of the subscription, for If-Match"))),
        (status = 404, description = "There is no such subscription, or it is somebody else's"),
        (status = 409, description = "Its status does not allow that; `detail` says what does"),
        (status = 412, description = "The subscription was changed since it was read"),
    )
)]
#[post("/api/v1/subscriptions/{id}/request-review")]
pub async fn request_subscription_review(
    require: Require<RequestSubscription>,
    context: RequestContext,
    id: PathParam<SubscriptionId>,
    if_match: IfMatch,
    body: OptionalBody<RequestReviewRequest>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let change = body.0.into_change()?;
    carry_out(&service, require, context, (id.0, if_match.0), &change).await
}
