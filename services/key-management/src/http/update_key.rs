use std::collections::BTreeMap;

use actix_web::{HttpResponse, patch, web};
use maas_types::{KeyId, TeamId, Timestamp};
use maas_web::{
    JsonBody, PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext, permission::ManageKeys,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{answer, body::KeyBody, expiry::expiry_from_api, invalid, present::present};
use crate::service::{KeyService, UpdateKeyInput};

/// What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateKeyRequest {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, example = "support-bot staging", min_length = 1, max_length = 255)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, example = "Answers tickets of the test desk", max_length = 2000)]
    description: Option<String>,
    /// Replaces the whole list; null for all that the owner may use. Never empty.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>, required = false, example = json!(["bge-m3"]), min_items = 1, max_items = 500)]
    models: Option<Option<Vec<String>>>,
    /// Replaces all labels.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = BTreeMap<String, String>, required = false, example = json!({"stage": "staging"}))]
    labels: Option<BTreeMap<String, String>>,
    /// Replaces all networks; null for everywhere. Never empty.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>, required = false, example = json!(["10.0.0.0/8"]), min_items = 1, max_items = 50)]
    allowed_cidrs: Option<Option<Vec<String>>>,
    /// Replaces all operations; null for everything. Never empty.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>, required = false, example = json!(["chat"]), min_items = 1)]
    allowed_operations: Option<Option<Vec<String>>>,
    /// Null for no team. The key's owner must be an owner or a member of it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<TeamId>, required = false, example = json!(null))]
    team_id: Option<Option<TeamId>>,
    /// Ends so long from now, at most the longest life of a key; `never` where that is allowed. Not together with
    /// `expires_at`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, example = "30d")]
    expires_in: Option<String>,
    /// Ends then.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Timestamp, required = false)]
    expires_at: Option<Timestamp>,
}

impl UpdateKeyRequest {
    fn into_input(self) -> Result<UpdateKeyInput, Problem> {
        let expiry = expiry_from_api(self.expires_in.as_deref(), self.expires_at);
        Ok(UpdateKeyInput {
            name: self.name,
            description: self.description,
            models: self.models,
            labels: self.labels,
            allowed_cidrs: self.allowed_cidrs,
            allowed_operations: self.allowed_operations,
            team_id: self.team_id,
            expiry: expiry.map_err(|fault| invalid(vec![fault]))?,
        })
    }
}

/// Changes what an API key is called, what it may be used for and when it ends. What a proxy knows follows at once.
#[utoipa::path(
    operation_id = "updateKey",
    tag = "keys",
    params(
        ("id" = KeyId, Path, description = "Id of the key"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the change is based on; 412 when the key was changed since"),
    ),
    request_body = UpdateKeyRequest,
    responses(
        (status = 200, description = "The key after the change", body = KeyBody,
            headers(("ETag" = String, description = "Version of the key, for If-Match"))),
        (status = 404, description = "There is no such key, or it is somebody else's"),
        (status = 409, description = "The key is revoked"),
        (status = 412, description = "The key was changed since it was read"),
    )
)]
#[patch("/api/v1/keys/{id}")]
pub async fn update_key(
    require: Require<ManageKeys>,
    context: RequestContext,
    id: PathParam<KeyId>,
    if_match: IfMatch,
    body: JsonBody<UpdateKeyRequest>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let scope = service.reach(&require.caller, require.scope);
    let actor = context.actor(&require.caller);
    let key = service.update_key(id.0, &body.0.into_input()?, if_match.0, &scope, &actor).await?;
    Ok(answer(HttpResponse::Ok(), &key, service.clock.now()))
}
