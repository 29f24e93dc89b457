use std::time::Duration;

use actix_web::{HttpResponse, post, web};
use maas_revocation::owner::Confirmation;
use maas_runtime::config::HumanDuration;
use maas_types::{KeyId, input::InputFault};
use maas_web::{
    OptionalBody, PathParam, Problem, Require,
    etag::{self, IfMatch},
    middleware::RequestContext,
    permission::ManageKeys,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{body::KeyBody, idempotency::IdempotencyKey, invalid};
use crate::service::{ChangeRight, ChangeTarget, KeyService, RotateKeyInput};

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKeyRequest {
    /// How long the secret before goes on working: `1h`, `24h`, `7d`; `0` ends it at once. 24 hours when left out.
    #[serde(default)]
    #[schema(example = "24h")]
    overlap: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RotatedKey {
    key: KeyBody,
    /// The new secret. It is shown here and never again.
    #[schema(example = "sk-maas-4fT0bq9ZxK1mW7Rd_2qk0fHhXbL8vT3sJ6yCwE5nGzUaP9rDmKoQi7xYtBuVeSc1NlFgWjp")]
    secret: String,
    /// How many proxies take the new secret, and refuse one that ended with this rotation.
    confirmation: Option<Confirmation>,
}

impl RotateKeyRequest {
    fn overlap(&self) -> Result<Option<Duration>, Problem> {
        let parse = |text: &str| match text {
            "0" => Ok(Duration::ZERO),
            text => text.parse::<HumanDuration>().map(HumanDuration::get),
        };
        self.overlap
            .as_deref()
            .map(parse)
            .transpose()
            .map_err(|error| invalid(vec![InputFault::new("/overlap", "invalid_value", error.to_string())]))
    }
}

/// Gives an API key a new secret and shows it, this once. Id, prefix and usage stay. The secret before goes on working for
/// the overlap; one of an earlier rotation ends at once. The answer comes after at most 2 seconds, when the proxies know the
/// new secret.
#[utoipa::path(
    operation_id = "rotateKey",
    tag = "keys",
    params(
        ("id" = KeyId, Path, description = "Id of the key"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the rotation is based on; 412 when the key was changed since"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "A repeated request with the same value within 24 hours rotates nothing and answers 409. Without it a request that is sent again ends the secret that is in use"),
    ),
    request_body(content = Option<RotateKeyRequest>, description = "May be left out"),
    responses(
        (status = 200, description = "The key and its new secret", body = RotatedKey,
            headers(("ETag" = String, description = "Version of the key, for If-Match"))),
        (status = 404, description = "There is no such key, or it is somebody else's"),
        (status = 409, description = "The key is revoked or has expired, or the Idempotency-Key was used before"),
        (status = 412, description = "The key was changed since it was read"),
    )
)]
#[post("/api/v1/keys/{id}/rotate")]
pub async fn rotate_key(
    require: Require<ManageKeys>,
    context: RequestContext,
    id: PathParam<KeyId>,
    if_match: IfMatch,
    idempotency: IdempotencyKey,
    body: OptionalBody<RotateKeyRequest>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let scope = service.reach(&require.caller, require.scope);
    let input = RotateKeyInput { overlap: body.0.overlap()?, idempotency: idempotency.0 };
    let target = ChangeTarget { seen_version: if_match.0, ..ChangeTarget::new(id.0, &scope, ChangeRight::Manage) };
    let actor = context.actor(&require.caller);
    let (rotated, plain) = service.rotate_key(target, input, require.caller.user_id, &actor).await?;
    let body = RotatedKey {
        key: KeyBody::to_api(&rotated.key, service.clock.now()),
        secret: plain.expose().to_owned(),
        confirmation: rotated.confirmation,
    };
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .insert_header(etag::header(rotated.key.version))
        .json(body))
}
