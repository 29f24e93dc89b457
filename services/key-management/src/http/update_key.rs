use std::collections::BTreeMap;

use actix_web::{HttpResponse, patch, web};
use maas_types::KeyId;
use maas_web::{
    JsonBody, PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext, permission::ManageKeys,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{actor, answer, body::KeyBody, present::present};
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
}

impl UpdateKeyRequest {
    fn into_input(self) -> UpdateKeyInput {
        UpdateKeyInput { name: self.name, description: self.description, models: self.models, labels: self.labels }
    }
}

/// Changes name, description, models or labels of an API key.
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
    let scope = require.scope;
    let actor = actor(require.caller, context);
    let key = service.update_key(id.0, &body.0.into_input(), if_match.0, scope, &actor).await?;
    Ok(answer(HttpResponse::Ok(), &key, service.clock.now()))
}
