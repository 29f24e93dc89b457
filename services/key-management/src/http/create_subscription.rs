use actix_web::{HttpResponse, post, web};
use maas_types::{TeamId, Timestamp, UserId, input::InputFault};
use maas_web::{JsonBody, Problem, Require, middleware::RequestContext, permission::RequestSubscription};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    idempotency::IdempotencyKey,
    invalid,
    subscription_view::{SubscriptionBody, answer_subscription},
};
use crate::{
    domain::subscriber::Subscriber,
    service::{KeyService, access::RequestSubscriptionInput},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSubscriptionRequest {
    /// Name, alias or id of the model.
    #[schema(example = "meta/llama-3.3-70b", min_length = 1, max_length = 255)]
    model: String,
    /// For a team that the caller owns. Not together with `user_id`.
    #[serde(default)]
    #[schema(example = json!(null))]
    team_id: Option<TeamId>,
    /// For somebody else: only admins, and owners of a team for its service accounts. The caller when left out.
    #[serde(default)]
    #[schema(example = json!(null))]
    user_id: Option<UserId>,
    /// What it is wanted for; those who decide read it.
    #[serde(default)]
    #[schema(example = "Summaries for the support desk", max_length = 500)]
    reason: String,
    /// When access is to end. For good when left out.
    #[serde(default)]
    #[schema(example = json!(null))]
    expires_at: Option<Timestamp>,
}

impl CreateSubscriptionRequest {
    fn into_input(self, caller: UserId, idempotency: IdempotencyKey) -> Result<RequestSubscriptionInput, Problem> {
        let subscriber = match (self.user_id, self.team_id) {
            (Some(_), Some(_)) => {
                let fault = InputFault::new("/team_id", "conflict", "name a user or a team, not both");
                return Err(invalid(vec![fault]));
            }
            (None, Some(team)) => Subscriber::Team(team),
            (user, None) => Subscriber::User(user.unwrap_or(caller)),
        };
        Ok(RequestSubscriptionInput {
            model: self.model,
            subscriber,
            reason: self.reason,
            expires_at: self.expires_at,
            idempotency: idempotency.0,
        })
    }
}

/// Requests access to a model. It is active at once where the model is not restricted, else pending until an admin has
/// decided. There is one subscription for each user or team and model: one that has ended begins again.
#[utoipa::path(
    operation_id = "createSubscription",
    tag = "subscriptions",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "A repeated request with the same value within 24 hours answers 409 with the id of the subscription")),
    request_body = CreateSubscriptionRequest,
    responses(
        (status = 201, description = "The subscription", body = SubscriptionBody,
            headers(("Location" = String, description = "Path of the subscription"),
                ("ETag" = String, description = "Version of the subscription, for If-Match"))),
        (status = 409, description = "There is one already, or the Idempotency-Key was used before; `detail` names it"),
    )
)]
#[post("/api/v1/subscriptions")]
pub async fn create_subscription(
    require: Require<RequestSubscription>,
    context: RequestContext,
    idempotency: IdempotencyKey,
    body: JsonBody<CreateSubscriptionRequest>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let (caller, scope) = (require.caller.user_id, service.subscription_scope(&require.caller, require.scope));
    let input = body.0.into_input(caller, idempotency)?;
    let actor = context.actor(&require.caller);
    let subscription = service.request_subscription(input, caller, &scope, &actor).await?;
    let mut response = HttpResponse::Created();
    response.insert_header(("location", format!("/api/v1/subscriptions/{}", subscription.id)));
    Ok(answer_subscription(response, &subscription, service.clock.now()))
}
