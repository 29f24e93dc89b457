use actix_web::{HttpResponse, post, web};
use maas_types::KeyId;
use maas_web::{PathParam, Problem, Require, middleware::RequestContext, permission::ManageKeys};

use super::{answer_stopped, body::StoppedKey};
use crate::{domain::key::StatusChange, service::KeyService};

/// Blocks an API key until it is unblocked; blocking a blocked key changes nothing. Comes after at most 2 seconds and says
/// how many proxies follow.
#[utoipa::path(
    operation_id = "blockKey",
    tag = "keys",
    params(("id" = KeyId, Path, description = "Id of the key")),
    responses(
        (status = 200, description = "The key after the change", body = StoppedKey,
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
    let scope = service.reach(&require.caller, require.scope);
    let actor = context.actor(&require.caller);
    let stopped = service.stop_key(id.0, &StatusChange::Block, &scope, &actor).await?;
    Ok(answer_stopped(stopped, service.clock.now()))
}
