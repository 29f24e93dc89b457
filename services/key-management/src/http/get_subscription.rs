use actix_web::{HttpResponse, get, web};
use maas_types::SubscriptionId;
use maas_web::{PathParam, Problem, Require, etag, permission::ReadSubscriptions};
use serde::Serialize;
use utoipa::ToSchema;

use super::subscription_view::{SubscriptionBody, SubscriptionTransition};
use crate::service::KeyService;

#[derive(Debug, Serialize, ToSchema)]
pub struct SubscriptionWithHistory {
    #[serde(flatten)]
    subscription: SubscriptionBody,
    /// How it came to that, the newest step first; the last 200.
    history: Vec<SubscriptionTransition>,
}

/// Shows one subscription with its history.
#[utoipa::path(
    operation_id = "getSubscription",
    tag = "subscriptions",
    params(("id" = SubscriptionId, Path, description = "Id of the subscription")),
    responses(
        (status = 200, description = "The subscription", body = SubscriptionWithHistory,
            headers(("ETag" = String, description = "Version of the subscription, for If-Match"))),
        (status = 404, description = "There is no such subscription, or it is somebody else's"),
    )
)]
#[get("/api/v1/subscriptions/{id}")]
pub async fn get_subscription(
    require: Require<ReadSubscriptions>,
    id: PathParam<SubscriptionId>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let scope = service.subscription_scope(&require.caller, require.scope);
    let found = service.get_subscription(id.0, &scope).await?;
    let body = SubscriptionWithHistory {
        subscription: SubscriptionBody::to_api(&found.subscription, service.clock.now()),
        history: found.history.iter().map(SubscriptionTransition::to_api).collect(),
    };
    Ok(HttpResponse::Ok().insert_header(etag::header(found.subscription.version)).json(body))
}
