use actix_web::{HttpResponse, post, web};
use maas_types::KeyId;
use maas_web::{PathParam, Problem, Require, middleware::RequestContext, permission::ManageKeys};

use super::{actor, answer, body::KeyBody};
use crate::{domain::key::StatusChange, service::KeyService};

/// Blocks an API key until it is unblocked; blocking a blocked key changes nothing.
#[utoipa::path(
    operation_id = "blockKey",
    tag = "keys",
    params(("id" = KeyId, Path, description = "Id of the key")),
    responses(
        (status = 200, description = "The key after the change", body = KeyBody,
            headers(("ETag" = String, description = "Version of the key, for If-Match"))),
        (status = 404, description = "There is no such key, or it is somebody else's"),
        (status = 409, description = "The key is revoked"),
    )
)]
#[post("/api/v1/keys/{id}/block")]
pub async fn block_key(
    require: Require<ManageKeys>,
    context: RequestContext,
    id: PathParam<KeyId>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let scope = require.scope;
    let actor = actor(require.caller, context);
    let key = service.change_status(id.0, &StatusChange::Block, scope, &actor).await?;
    Ok(answer(HttpResponse::Ok(), &key, service.clock.now()))
}
