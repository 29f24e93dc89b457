use std::collections::BTreeMap;

use actix_web::{HttpResponse, post, web};
use maas_types::{TeamId, Timestamp, UserId};
use maas_web::{JsonBody, Problem, Require, etag, middleware::RequestContext, permission::CreateKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{body::KeyBody, expiry::expiry_from_api, idempotency::IdempotencyKey, invalid};
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
    /// Networks in CIDR notation, or addresses; left out or null for everywhere. Never empty.
    #[serde(default)]
    #[schema(example = json!(["10.0.0.0/8", "192.0.2.7"]), min_items = 1, max_items = 50)]
    allowed_cidrs: Option<Vec<String>>,
    /// What it may be used for: `chat`, `completion`, `embeddings`, `responses`, `messages`, `count_tokens`, `rerank`,
    /// `speech`, `transcription`, `translation`, `image_generation`, `image_edit`, `moderation`, `tokenize`,
    /// `detokenize`; left out or null for everything. Never empty.
    #[serde(default)]
    #[schema(example = json!(["chat", "embeddings"]), min_items = 1)]
    allowed_operations: Option<Vec<String>>,
    /// How long the key lives: `1h`, `24h`, `30d`, `90d`, or `never` where that is allowed; `getKeyPresets` says what is.
    /// Not together with `expires_at`. The platform's default when both are left out.
    #[serde(default)]
    #[schema(example = "30d")]
    expires_in: Option<String>,
    /// When the key ends.
    #[serde(default)]
    #[schema(example = json!(null))]
    expires_at: Option<Timestamp>,
    /// A key for a short task: it lives for at most 1 hour, which is also what it gets when nothing else is said, and is
    /// forgotten after its end.
    #[serde(default)]
    #[schema(default = false)]
    ephemeral: bool,
    /// Whose key it will be, a person's or a service account's; the caller's when left out. Only admins make keys for
    /// others, and owners of a team for its service accounts.
    #[serde(default)]
    #[schema(example = json!(null))]
    owner_id: Option<UserId>,
    /// The team that its usage is booked to. The key's owner must be an owner or a member of it.
    #[serde(default)]
    #[schema(example = json!(null))]
    team_id: Option<TeamId>,
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
        let expiry = expiry_from_api(self.expires_in.as_deref(), self.expires_at);
        let expiry = expiry.map_err(|fault| invalid(vec![fault]))?.unwrap_or(ExpiryRequest::Default);
        Ok(CreateKeyInput {
            name: self.name,
            description: self.description,
            models: self.models,
            labels: self.labels,
            allowed_cidrs: self.allowed_cidrs,
            allowed_operations: self.allowed_operations,
            expiry,
            ephemeral: self.ephemeral,
            team_id: self.team_id,
            owner_id: self.owner_id.unwrap_or(caller),
            idempotency: idempotency.0,
        })
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
    let (caller, scope) = (require.caller.user_id, service.reach(&require.caller, require.scope));
    let input = body.0.into_input(caller, idempotency)?;
    let (key, plain) = service.create_key(input, caller, &scope, &context.actor(&require.caller)).await?;
    let created = CreatedKey { key: KeyBody::to_api(&key, service.clock.now()), secret: plain.expose().to_owned() };
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/keys/{}", key.id)))
        .insert_header(("cache-control", "no-store"))
        .insert_header(etag::header(key.version))
        .json(created))
}
