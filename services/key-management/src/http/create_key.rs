use maas_types::input::InputFault;
use std::collections::BTreeMap;

use actix_web::{HttpResponse, post, web};
use maas_runtime::config::HumanDuration;
use maas_types::{Timestamp, UserId};
use maas_web::{JsonBody, Problem, Require, etag, middleware::RequestContext, permission::CreateKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{actor, body::KeyBody, idempotency::IdempotencyKey, invalid};
use crate::{
    domain::expiry::ExpiryRequest,
    service::{CreateKeyInput, KeyService},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKeyRequest {
    /// 1 to 255 characters.
    #[schema(example = "support-bot production", min_length = 1, max_length = 255)]
    name: String,
    #[serde(default)]
    #[schema(example = "Answers tickets of the service desk", max_length = 2000)]
    description: String,
    /// Names or aliases of models; left out or null for all that the owner may use. Never empty.
    #[serde(default)]
    #[schema(example = json!(["meta/llama-3.3-70b", "bge-m3"]), min_items = 1, max_items = 500)]
    models: Option<Vec<String>>,
    /// Up to 50.
    #[serde(default)]
    #[schema(example = json!({"stage": "production"}))]
    labels: BTreeMap<String, String>,
    /// How long the key lives: `1h`, `24h`, `30d`, `90d`, or `never` where that is allowed. Not together with
    /// `expires_at`. 90 days when both are left out.
    #[serde(default)]
    #[schema(example = "30d")]
    expires_in: Option<String>,
    /// When the key ends.
    #[serde(default)]
    #[schema(example = json!(null))]
    expires_at: Option<Timestamp>,
    /// Whose key it will be; the caller's when left out. Only admins make keys for others.
    #[serde(default)]
    #[schema(example = json!(null))]
    owner_id: Option<UserId>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedKey {
    key: KeyBody,
    /// The key itself. It is shown here and never again.
    #[schema(example = "sk-maas-4fT0bq9ZxK1mW7Rd_2qk0fHhXbL8vT3sJ6yCwE5nGzUaP9rDmKoQi7xYtBuVeSc1NlFgWjp")]
    secret: String,
}

impl CreateKeyRequest {
    fn into_input(self, caller: UserId, idempotency: IdempotencyKey) -> Result<CreateKeyInput, Problem> {
        let expiry = expiry(self.expires_in.as_deref(), self.expires_at).map_err(|fault| invalid(vec![fault]))?;
        Ok(CreateKeyInput {
            name: self.name,
            description: self.description,
            models: self.models,
            labels: self.labels,
            expiry,
            owner_id: self.owner_id.unwrap_or(caller),
            idempotency: idempotency.0,
        })
    }
}

fn expiry(expires_in: Option<&str>, expires_at: Option<Timestamp>) -> Result<ExpiryRequest, InputFault> {
    match (expires_in, expires_at) {
        (None, None) => Ok(ExpiryRequest::Default),
        (None, Some(time)) => Ok(ExpiryRequest::At(time)),
        (Some("never"), None) => Ok(ExpiryRequest::Never),
        (Some(text), None) => match text.parse::<HumanDuration>() {
            Ok(duration) => Ok(ExpiryRequest::In(duration.get())),
            Err(error) => Err(InputFault::new("/expires_in", "invalid_value", error.to_string())),
        },
        (Some(_), Some(_)) => {
            Err(InputFault::new("/expires_at", "not_together", "send expires_in or expires_at, not both"))
        }
    }
}

/// Creates an API key and shows its secret, this once.
#[utoipa::path(
    operation_id = "createKey",
    tag = "keys",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "A repeated request with the same value within 24 hours creates nothing and answers 409 with the id of the first key")),
    request_body = CreateKeyRequest,
    responses(
        (status = 201, description = "The key and its secret", body = CreatedKey,
            headers(("Location" = String, description = "Path of the key"), ("ETag" = String, description = "Version of the key"))),
        (status = 409, description = "The Idempotency-Key was used before; `detail` names the key that was created then"),
    )
)]
#[post("/api/v1/keys")]
pub async fn create_key(
    require: Require<CreateKey>,
    context: RequestContext,
    idempotency: IdempotencyKey,
    body: JsonBody<CreateKeyRequest>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let (caller, scope) = (require.caller.user_id, require.scope);
    let input = body.0.into_input(caller, idempotency)?;
    let (key, plain) = service.create_key(input, caller, scope, &actor(require.caller, context)).await?;
    let created = CreatedKey { key: KeyBody::to_api(&key, service.clock.now()), secret: plain.expose().to_owned() };
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/keys/{}", key.id)))
        .insert_header(("cache-control", "no-store"))
        .insert_header(etag::header(key.version))
        .json(created))
}
