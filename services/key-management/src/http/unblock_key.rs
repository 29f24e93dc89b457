use actix_web::{HttpResponse, post, web};
use maas_types::KeyId;
use maas_web::{PathParam, Problem, Require, middleware::RequestContext, permission::ManageKeys};

use super::{answer, body::KeyBody};
use crate::service::KeyService;

/// Lets a blocked API key work again; unblocking an active key changes nothing.
#[utoipa::path(
    operation_id = "unblockKey",
    tag = "keys",
    params(("id" = KeyId, Path, description = "Id of the key")),
    responses(
        (status = 200, description = "The key after the change", body = KeyBody,
            headers(("ETag" = String, description = "Version of the key, for If-Match"))),
        (status = 404, description = "There is no such key, or it is somebody else's"),
        (status = 409, description = "The key is revoked"),
    )
)]
#[post("/api/v1/keys/{id}/unblock")]
pub async fn unblock_key(
    require: Require<ManageKeys>,
    context: RequestContext,
    id: PathParam<KeyId>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let scope = service.reach(&require.caller, require.scope);
    let actor = context.actor(&require.caller);
    let key = service.unblock_key(id.0, &scope, &actor).await?;
    Ok(answer(HttpResponse::Ok(), &key, service.clock.now()))
}
